// What is shown of a conversation, made from what happened: pure, so that it can be tested without a browser.
import type { Item, Message, Shown, Speaker } from "./protocol";

/** How far a message of ours has come; `delivered`: operators can see it. */
export type Tick = "sending" | "accepted" | "delivered" | "read" | "failed";

export interface Bubble {
  kind: "own" | "reply";
  key: string;
  id: string;
  at: number;
  content: Shown;
  author?: Speaker | undefined;
  tick?: Tick;
  edited?: boolean;
  deleted?: boolean;
  /** The first or last of several by the same speaker. */
  first: boolean;
  last: boolean;
  /** Whether its options may still be chosen from. */
  open?: boolean;
}

export interface Note {
  kind: "day" | "joined" | "closed";
  key: string;
  at: number;
  author?: Speaker | undefined;
}

export interface Standing {
  /** The conversation that goes on, and who has it. */
  open: string;
  operator: Speaker | undefined;
  /** The last conversation if it is over, and whether it was rated since. */
  closed: string;
  rated: boolean;
  /** The newest answer. */
  lastReply: string;
}

const TOGETHER = 5 * 60_000;

/** Names an item; what happened in one moment may come again after resuming. */
export function keyOf(item: Item): string {
  return [item.kind, item.conversation, item.n ?? 0, item.id ?? "", item.at].join(" ");
}

/** Everything that happened, once and in order. */
export class Transcript {
  readonly items: Item[] = [];
  private readonly known = new Set<string>();

  /** Adds what is new, and gives it back. */
  add(items: Item[]): Item[] {
    const fresh = items.filter((item) => {
      const key = keyOf(item);
      return !this.known.has(key) && this.known.add(key);
    });
    this.items.push(...fresh);
    return fresh;
  }

  clear(): void {
    this.items.length = 0;
    this.known.clear();
  }
}

export function standing(items: readonly Item[]): Standing {
  const now: Standing = { open: "", operator: undefined, closed: "", rated: false, lastReply: "" };
  for (const item of items) {
    if (item.kind === "reply") now.lastReply = item.id ?? "";
    if (item.kind === "closed") {
      Object.assign(now, { open: "", operator: undefined, closed: item.conversation, rated: false });
    } else if (item.content?.kind === "rating") now.rated = true;
    else if (item.kind === "message" || item.kind === "joined") {
      if (item.conversation !== now.open) now.operator = undefined;
      now.open = item.conversation;
      now.closed = "";
    }
    if (item.kind === "joined") now.operator = item.author;
  }
  return now;
}

/** Gives what is to be shown, oldest first; what has not been stored yet comes last, in the order of writing. */
export function entries(
  items: readonly Item[],
  pending: readonly Message[],
  acked: ReadonlySet<string>,
  failed: readonly Message[],
): (Bubble | Note)[] {
  const read = readUpto(items);
  const shown: (Bubble | Note)[] = [];
  const there = new Map<string, Bubble>();
  const put = (bubble: Omit<Bubble, "first" | "last">) => {
    const full = { ...bubble, first: true, last: true };
    there.set(bubble.id, full);
    shown.push(full);
  };
  for (const item of items) {
    const { kind, content, id = "", at, author } = item;
    const key = keyOf(item);
    if (kind === "joined" || kind === "closed") shown.push({ kind, key, at, author });
    else if (content?.kind === "edit" || content?.kind === "delete") change(there.get(content.target), content);
    else if (content && kind === "message" && content.kind !== "rating") {
      const tick = (item.n ?? 0) <= (read.get(item.conversation) ?? 0) ? "read" : "delivered";
      put({ kind: "own", key: id, id, at, content, tick });
    } else if (content && kind === "reply") put({ kind, key, id, at, content, author });
  }
  const mine = (message: Message, tick: Tick) => {
    if (!there.has(message.id) && message.content.kind !== "rating")
      put({ kind: "own", key: message.id, ...message, tick });
  };
  for (const message of failed) mine(message, "failed");
  for (const message of pending) mine(message, acked.has(message.id) ? "accepted" : "sending");
  return group(shown);
}

function readUpto(items: readonly Item[]): Map<string, number> {
  const read = new Map<string, number>();
  for (const { kind, conversation, n = 0 } of items) {
    if (kind === "read") read.set(conversation, Math.max(n, read.get(conversation) ?? 0));
  }
  return read;
}

function change(bubble: Bubble | undefined, content: Shown): void {
  if (!bubble) return;
  if (content.kind === "delete") bubble.deleted = true;
  if (content.kind !== "edit") return;
  bubble.edited = true;
  bubble.content =
    bubble.content.kind === "file"
      ? { ...bubble.content, caption: content.text }
      : { kind: "text", text: content.text };
}

/** Puts days between, and finds what belongs together. */
function group(shown: (Bubble | Note)[]): (Bubble | Note)[] {
  const found: (Bubble | Note)[] = [];
  let before: Bubble | Note | undefined;
  for (const entry of shown) {
    if (!before || dayOf(before.at) !== dayOf(entry.at)) {
      found.push({ kind: "day", key: `day ${dayOf(entry.at)}`, at: entry.at });
      before = undefined;
    }
    if (isBubble(entry) && before && isBubble(before) && together(before, entry)) {
      before.last = false;
      entry.first = false;
    }
    found.push(entry);
    before = entry;
  }
  const last = found.filter(isBubble).at(-1);
  if (last?.kind === "reply" && last.content.kind === "choice") last.open = true;
  return found;
}

export function isBubble(entry: Bubble | Note): entry is Bubble {
  return entry.kind === "own" || entry.kind === "reply";
}

function together(one: Bubble, next: Bubble): boolean {
  return one.kind === next.kind && one.author?.name === next.author?.name && next.at - one.at < TOGETHER;
}

function dayOf(at: number): string {
  return new Date(at).toDateString();
}

/** Whether something changes what was said, and says nothing new. */
export function isChange(content: Shown | undefined): boolean {
  return content?.kind === "edit" || content?.kind === "delete";
}
