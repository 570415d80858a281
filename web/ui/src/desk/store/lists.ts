// The lists of conversations: one signal for each row, one for the order of each list, so that a message moves one row.
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { wholeSummary } from "../protocol/whole";
import type { SparseSummary, Summary } from "../protocol/wire";

export type ListName = "mine" | "queue" | "all";
/** `ids` in the order they are shown; the first `urgent` of them need an answer. */
export interface Order {
  readonly ids: readonly string[];
  readonly urgent: number;
}

const NOTHING: Order = { ids: [], urgent: 0 };

/** What became of a conversation: for whoever rings bells. */
export type Heard = (now: Summary, before: Summary | undefined) => void;

export class Lists {
  readonly orders: Record<ListName, Signal<Order>> = {
    mine: signal(NOTHING),
    queue: signal(NOTHING),
    all: signal(NOTHING),
  };
  /** How many wait in the queue, also those that are not listed here. */
  readonly waiting: Signal<number> = signal(0);
  /** Conversations of mine in which something has come that I have not seen. */
  readonly unread: Signal<number> = signal(0);
  #rows = new Map<string, Signal<Summary>>();
  #me = "";
  #stale = false;

  constructor(private readonly heard: Heard = () => {}) {}

  signIn(me: string): void {
    this.#me = me;
  }

  row(id: string): ReadonlySignal<Summary> | undefined {
    return this.#rows.get(id);
  }

  /** All summaries, in no order. */
  *all(): Iterable<Summary> {
    for (const row of this.#rows.values()) yield row.peek();
  }

  /** A whole view: what is not in it is gone. */
  replace(summaries: readonly SparseSummary[], waiting: number): void {
    const kept = new Set(summaries.map((each) => each.id));
    for (const id of this.#rows.keys()) if (!kept.has(id)) this.#rows.delete(id);
    for (const summary of summaries) this.#put(wholeSummary(summary));
    this.waiting.value = waiting;
    this.#stale = true;
  }

  put(sparse: SparseSummary): void {
    const now = wholeSummary(sparse);
    const before = this.#rows.get(now.id)?.peek();
    this.#put(now);
    this.#stale = true;
    this.heard(now, before);
  }

  remove(id: string): void {
    this.#stale = this.#rows.delete(id) || this.#stale;
  }

  clear(): void {
    this.#rows.clear();
    this.waiting.value = 0;
    this.#stale = true;
    this.settle();
  }

  /** After a bundle of changes: puts the lists in order. A list that has not changed tells nobody. */
  settle(): void {
    if (!this.#stale) return;
    this.#stale = false;
    const all = [...this.all()];
    const mine = all.filter((each) => isMine(each, this.#me));
    this.#order(
      "mine",
      mine,
      (a, b) => byUrgency(a, b, this.#me),
      (each) => isUrgent(each, this.#me),
    );
    this.#order("queue", all.filter(isQueued), byPlace, () => false);
    this.#order("all", all, byAge, (each) => each.unanswered > 0 && each.status !== "closed");
    this.unread.value = mine.filter((each) => unreadOf(each, this.#me) > 0).length;
  }

  #put(now: Summary): void {
    const row = this.#rows.get(now.id);
    if (row) row.value = now;
    else this.#rows.set(now.id, signal(now));
  }

  #order(
    name: ListName,
    found: Summary[],
    compare: (a: Summary, b: Summary) => number,
    urgent: (each: Summary) => boolean,
  ): void {
    const ids = found.sort(compare).map((each) => each.id);
    const order = { ids, urgent: found.filter(urgent).length };
    const before = this.orders[name].peek();
    const same = order.urgent === before.urgent && ids.length === before.ids.length;
    if (!same || ids.some((id, i) => id !== before.ids[i])) this.orders[name].value = order;
  }
}

export const offerTo = (each: Summary, me: string) => each.offers.find((offer) => offer.operator === me);
export const isMine = (each: Summary, me: string): boolean => each.owner === me || offerTo(each, me) !== undefined;
export const isQueued = (each: Summary): boolean => each.status === "waiting" || each.status === "open";

/** How many words of the customer `me` has not seen. */
export const unreadOf = (each: Summary, me: string): number =>
  each.heard.filter((n) => n > (each.read[me] ?? 0)).length;

const isUrgent = (each: Summary, me: string): boolean => rank(each, me) < ANSWERED;
const ANSWERED = 2;

/** Offers first (they run out), then calls and whoever waits for an answer, then the answered, the parked, the closed. */
function rank(each: Summary, me: string): number {
  if (each.status === "closed") return 4;
  if (each.owner !== me && offerTo(each, me)) return 0;
  if (each.parked) return 3;
  return each.unanswered || each.missed || each.call ? 1 : ANSWERED;
}

function byUrgency(a: Summary, b: Summary, me: string): number {
  const by = rank(a, me) - rank(b, me);
  if (by) return by;
  return (a.unanswered || a.opened_at) - (b.unanswered || b.opened_at) || (a.id < b.id ? -1 : 1);
}

function byPlace(a: Summary, b: Summary): number {
  return a.place[0] - b.place[0] || a.place[1] - b.place[1] || a.place[2] - b.place[2];
}

/** Whoever waits for an answer stands first, the longest wait on top; the others by their age. */
function byAge(a: Summary, b: Summary): number {
  const waitsA = a.unanswered && a.status !== "closed" ? a.unanswered : Number.MAX_SAFE_INTEGER;
  const waitsB = b.unanswered && b.status !== "closed" ? b.unanswered : Number.MAX_SAFE_INTEGER;
  return waitsA - waitsB || a.opened_at - b.opened_at || (a.id < b.id ? -1 : 1);
}
