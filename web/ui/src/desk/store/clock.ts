// One clock for everything that ages on the screen: the node's time, moved on once a second by one timer.
import { type Signal, signal } from "@preact/signals";

export class Clock {
  readonly now: Signal<number>;
  #skew = 0;

  constructor(private readonly read: () => number = () => Date.now()) {
    this.now = signal(read());
  }

  /** The node has said what time it is. */
  set(nodeTime: number): void {
    this.#skew = nodeTime - this.read();
    this.tick();
  }

  tick(): void {
    this.now.value = this.exact();
  }

  /** The node's time now, to the millisecond; not followed by what is on the screen. */
  exact(): number {
    return this.read() + this.#skew;
  }
}

/** How late an answer is: by the service level of the kind of channel. */
export type Lateness = "fresh" | "due" | "late";

const LEVELS = {
  interactive: [15_000, 60_000],
  exclusive: [10_000, 30_000],
  deferrable: [3_600_000, 4 * 3_600_000],
} as const;

/** Says how late it is after `waited` milliseconds; a visitor leaves after about a minute, a mail may take hours. */
export function lateness(kind: keyof typeof LEVELS, waited: number): Lateness {
  const [due, late] = LEVELS[kind];
  return waited >= late ? "late" : waited >= due ? "due" : "fresh";
}
