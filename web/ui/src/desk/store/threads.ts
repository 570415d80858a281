// The conversations whose texts are on the screen, or were a moment ago: a few stay watched, so that going back is instant.
import { type Signal, signal } from "@preact/signals";
import { wholeItem, wholeSummary } from "../protocol/whole";
import type { ClientFrame, Item, Opened, Receipt, SparseItem, Summary } from "../protocol/wire";

const KEPT = 6; // the node watches at most eight for one screen

/** An earlier conversation of the same person, read back. */
export interface Chapter {
  readonly conversation: string;
  readonly items: readonly Signal<Item>[];
}

/** A conversation as it is read: items with a signal each, since a receipt changes one of them. */
export interface Thread {
  readonly id: string;
  readonly person: Signal<string>;
  readonly summary: Signal<Summary | null>;
  readonly items: Signal<readonly Signal<Item>[]>;
  readonly more: Signal<boolean>;
  /** Earlier conversations of the same person, oldest first, and those of them that are shown above this one. */
  readonly past: Signal<readonly string[]>;
  readonly chapters: Signal<readonly Chapter[]>;
  readonly typing: Signal<string | null>;
  readonly loaded: Signal<boolean>;
  /** Where to answer, when the operator has chosen. */
  readonly route: Signal<string>;
  /** The last entry that I had seen when it was opened: a line is drawn after it. */
  readonly seenBefore: Signal<number>;
}

export interface ReceiptNews {
  conversation: string;
  outbound: string;
  receipt: Receipt;
  code?: string;
  error?: string;
  replaced_by?: string;
}

export class Threads {
  readonly current: Signal<Thread | null> = signal(null);
  #open = new Map<string, Thread>(); // in the order they were last on the screen

  constructor(private readonly send: (frame: ClientFrame) => boolean) {}

  get(id: string): Thread | undefined {
    return this.#open.get(id);
  }

  /** Puts a conversation on the screen. `person` is needed for one that has left the memory. */
  show(id: string, person: string, summary: Summary | null, me: string): Thread {
    const known = this.#open.get(id);
    const thread = known ?? blank(id, person, summary);
    this.#open.delete(id);
    this.#open.set(id, thread);
    if (!known) this.#watch(thread);
    thread.seenBefore.value = thread.summary.peek()?.read[me] ?? 0;
    this.current.value = thread;
    this.#forgetOldest();
    return thread;
  }

  hide(): void {
    this.current.value = null;
  }

  /** Closes a conversation that is not ours to read any more. */
  drop(id: string): void {
    if (this.#open.delete(id)) this.send({ type: "unwatch", conversation: id });
    if (this.current.peek()?.id === id) this.hide();
  }

  /** After a new connection. */
  watchAll(): void {
    for (const thread of this.#open.values()) this.#watch(thread);
  }

  watchAgain(id: string): void {
    const thread = this.#open.get(id);
    if (thread) this.#watch(thread);
  }

  clear(): void {
    this.#open.clear();
    this.hide();
  }

  /** The node has given the last items: they replace what is there; earlier ones stay if no item is between them. */
  opened(opened: Opened): void {
    const thread = this.#open.get(opened.conversation);
    if (!thread) return;
    const fresh = opened.items.map(wholeItem);
    const first = fresh[0]?.id;
    const known = thread.items.peek();
    const earlier = known.filter((each) => first !== undefined && precedes(each.peek().id, first));
    const touching = known.some((each) => each.peek().id === first);
    const joined = earlier.length > 0 && touching && thread.loaded.peek();
    thread.person.value = opened.person;
    if (opened.summary) thread.summary.value = wholeSummary(opened.summary);
    thread.items.value = [...(joined ? earlier : []), ...fresh.map((item) => signal(item))];
    if (!joined) thread.more.value = opened.more ?? false;
    thread.past.value = opened.past ?? [];
    thread.loaded.value = true;
  }

  /** Items that were read back, to stand before what is shown. */
  prepend(thread: Thread, items: readonly SparseItem[]): void {
    const known = new Set(thread.items.peek().map((each) => each.peek().id));
    const fresh = items.filter((item) => !known.has(item.id)).map((item) => signal(wholeItem(item)));
    thread.items.value = [...fresh, ...thread.items.peek()];
  }

  /** An earlier conversation was read, to be shown above. */
  addChapter(thread: Thread, conversation: string, items: readonly SparseItem[]): void {
    const chapter = { conversation, items: items.map((item) => signal(wholeItem(item))) };
    thread.chapters.value = [chapter, ...thread.chapters.peek()];
  }

  add(conversation: string, sparse: SparseItem): void {
    const thread = this.#open.get(conversation);
    if (!thread) return;
    const item = wholeItem(sparse);
    const items = thread.items.peek();
    const at = items.findLastIndex((each) => each.peek().id === item.id);
    const known = items[at];
    if (known) known.value = item;
    else thread.items.value = [...items, signal(item)];
    if (item.kind === "message") thread.typing.value = null;
  }

  /** News of an answer: it changes one item, and the list only when a later attempt has taken its place. */
  receipt({ conversation, outbound, receipt, code = "", error = "", replaced_by = "" }: ReceiptNews): void {
    const thread = this.#open.get(conversation);
    const items = thread?.items.peek() ?? [];
    const found = items.findLast((each) => each.peek().outbound === outbound);
    if (!thread || !found) return;
    found.value = { ...found.peek(), receipt, code, error, replaced_by };
    if (replaced_by) thread.items.value = [...items];
  }

  /** `text` null: not typing any more; empty: typing, but not shown what. */
  typing(conversation: string, text: string | null): void {
    const thread = this.#open.get(conversation);
    if (thread) thread.typing.value = text;
  }

  summary(summary: Summary): void {
    const thread = this.#open.get(summary.id);
    if (thread) thread.summary.value = summary;
  }

  #watch(thread: Thread): void {
    this.send({ type: "watch", conversation: thread.id, person: thread.person.peek() || null });
  }

  #forgetOldest(): void {
    const current = this.current.peek()?.id;
    for (const id of this.#open.keys()) {
      if (this.#open.size <= KEPT) return;
      if (id === current) continue;
      this.#open.delete(id);
      this.send({ type: "unwatch", conversation: id });
    }
  }
}

/** The number of the last entry that is on the screen. */
export const lastNumber = (thread: Thread): number =>
  thread.items.peek().reduce((highest, each) => Math.max(highest, each.peek().n), 0);

/** Whether item `a` stands before item `b`: ids are numbers joined by a dot. */
export function precedes(a: string, b: string): boolean {
  const [seqA = 0, indexA = 0] = a.split(".").map(Number);
  const [seqB = 0, indexB = 0] = b.split(".").map(Number);
  return seqA < seqB || (seqA === seqB && indexA < indexB);
}

function blank(id: string, person: string, summary: Summary | null): Thread {
  return {
    id,
    person: signal(person),
    summary: signal(summary),
    items: signal<readonly Signal<Item>[]>([]),
    more: signal(false),
    past: signal<readonly string[]>([]),
    chapters: signal<readonly Chapter[]>([]),
    typing: signal<string | null>(null),
    loaded: signal(false),
    route: signal(""),
    seenBefore: signal(0),
  };
}
