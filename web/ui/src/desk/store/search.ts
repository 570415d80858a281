// Search over everything that was ever said: docs/search-and-reports.md.
import { batch, computed, effect, type Signal, signal } from "@preact/signals";
import { ask } from "../protocol/http";
import { problemOf } from "./desk";

export interface Match {
  item: string;
  kind: "message" | "reply" | "note" | "result";
  at: number;
  text: string;
  field?: "text" | "subject" | "files" | "who";
  marks?: [number, number][];
  name?: string;
  channel?: string;
}

export interface Hit {
  conversation: string;
  person: string;
  channel: string;
  status: "open" | "closed";
  opened_at: number;
  last_at: number;
  name?: string;
  address?: string;
  owner?: string;
  result?: string;
  count?: number;
  matches?: Match[];
}

export interface PersonHit {
  person: string;
  name?: string;
  addresses?: string[];
  channels?: string[];
  conversations?: number;
  last_at?: number;
}

export interface IndexState {
  state: "ready" | "building" | "behind";
  done: number;
  as_of: number;
}

interface Found {
  hits: Hit[];
  next: string;
  index: IndexState;
}

export const FILTERS = ["channel", "operator", "state", "from", "to"] as const;
export type Filter = (typeof FILTERS)[number];

const PAUSE = 200; // ms without a key before it is asked

export class Search {
  readonly words: Signal<string> = signal("");
  readonly filters: Record<Filter, Signal<string>> = {
    channel: signal(""),
    operator: signal(""),
    state: signal(""),
    from: signal(""),
    to: signal(""),
  };
  readonly person: Signal<PersonHit | null> = signal(null);
  readonly hits: Signal<readonly Hit[] | null> = signal(null);
  readonly people: Signal<readonly PersonHit[]> = signal([]);
  readonly index: Signal<IndexState | null> = signal(null);
  readonly problem: Signal<string> = signal("");
  readonly busy: Signal<boolean> = signal(false);
  readonly next: Signal<string> = signal("");
  /** What is asked for now; empty: nothing. */
  readonly query = computed(() => this.#query());
  #timer = 0;
  #asked = "";

  constructor() {
    effect(() => {
      const query = this.query.value;
      clearTimeout(this.#timer);
      this.#timer = window.setTimeout(() => void this.#run(query), PAUSE);
    });
  }

  async more(): Promise<void> {
    const query = this.query.peek();
    const page = await this.#ask(`${query}&after=${encodeURIComponent(this.next.peek())}`);
    if (!page || query !== this.#asked) return;
    batch(() => {
      this.hits.value = [...(this.hits.peek() ?? []), ...page.hits];
      this.next.value = page.next;
    });
  }

  clear(): void {
    batch(() => {
      this.words.value = "";
      this.person.value = null;
      for (const name of FILTERS) this.filters[name].value = "";
    });
  }

  #query(): string {
    const asked = new URLSearchParams();
    const words = this.words.value.trimStart();
    if (words.trim()) asked.set("q", words);
    for (const name of FILTERS) if (this.filters[name].value) asked.set(name, this.filters[name].value);
    if (this.person.value) asked.set("person", this.person.value.person);
    return asked.toString();
  }

  async #run(query: string): Promise<void> {
    this.#asked = query;
    if (!query) {
      batch(() => {
        this.hits.value = null;
        this.people.value = [];
        this.problem.value = "";
      });
      return;
    }
    this.busy.value = true;
    const words = this.words.peek().trim();
    const [found, people] = await Promise.all([
      this.#ask(query),
      words && !this.person.peek() ? this.#askPeople(words) : Promise.resolve([]),
    ]);
    if (query !== this.#asked) return; // something else was typed meanwhile
    batch(() => {
      this.busy.value = false;
      this.people.value = people;
      if (!found) return;
      this.hits.value = found.hits;
      this.next.value = found.next;
      this.index.value = found.index;
    });
  }

  async #ask(query: string): Promise<Found | null> {
    try {
      const found = await ask<Found>("GET", `/search?${query}`);
      this.problem.value = "";
      return found;
    } catch (problem) {
      this.problem.value = problemOf(problem);
      return null;
    }
  }

  async #askPeople(words: string): Promise<readonly PersonHit[]> {
    const asked = `/search/people?limit=5&q=${encodeURIComponent(words)}`;
    const found = await ask<{ people: PersonHit[] }>("GET", asked).catch(() => null);
    return found?.people ?? [];
  }
}

/** Cuts a text at its marks: pieces and whether they are what was looked for. */
export function marked(text: string, marks: readonly (readonly [number, number])[]): { text: string; hit: boolean }[] {
  const pieces: { text: string; hit: boolean }[] = [];
  let end = 0;
  for (const [from, to] of marks) {
    if (from > end) pieces.push({ text: text.slice(end, from), hit: false });
    pieces.push({ text: text.slice(from, to), hit: true });
    end = to;
  }
  if (end < text.length) pieces.push({ text: text.slice(end), hit: false });
  return pieces;
}
