// Short words to the operator that go away by themselves, or stay until they are put away.
import { type Signal, signal } from "@preact/signals";

export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly tone: "good" | "bad" | "news";
  /** Something to do about it. */
  readonly act?: { label: string; run: () => void };
}

const LASTS = 6_000;

export class Notices {
  readonly shown: Signal<readonly Notice[]> = signal([]);
  #next = 1;

  constructor(private readonly later: (run: () => void, ms: number) => void = (run, ms) => void setTimeout(run, ms)) {}

  say(text: string, tone: Notice["tone"] = "news", act?: Notice["act"]): void {
    const notice: Notice = { id: this.#next++, text, tone, ...(act ? { act } : {}) };
    this.shown.value = [...this.shown.peek().filter((each) => each.text !== text), notice].slice(-4);
    if (!act) this.later(() => this.putAway(notice.id), LASTS);
  }

  putAway(id: number): void {
    this.shown.value = this.shown.peek().filter((each) => each.id !== id);
  }
}
