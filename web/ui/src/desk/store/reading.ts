// What is read: earlier items fetched back, and telling colleagues and the customer what has been seen.
import { batch } from "@preact/signals";
import { ask } from "../protocol/http";
import type { Action, Opened } from "../protocol/wire";
import { isMine } from "./lists";
import { lastNumber, type Thread, type Threads } from "./threads";

/** Reads earlier items back, or the conversation before this one when there are none. Throws Failed. */
export async function readBack(threads: Threads, thread: Thread): Promise<void> {
  const person = encodeURIComponent(thread.person.peek());
  if (thread.more.peek()) {
    const first = thread.items.peek()[0]?.peek().id ?? "";
    const page = await ask<Opened>("GET", `/conversations/${thread.id}?before=${first}&person=${person}`);
    if (thread.items.peek()[0]?.peek().id !== first) return; // it was opened anew meanwhile
    batch(() => {
      threads.prepend(thread, page.items);
      thread.more.value = page.more ?? false;
    });
    return;
  }
  const shown = thread.chapters.peek()[0]?.conversation;
  const past = thread.past.peek();
  const next = past[(shown ? past.indexOf(shown) : past.length) - 1];
  if (!next) return;
  const page = await ask<Opened>("GET", `/conversations/${next}?person=${person}&limit=200`);
  threads.addChapter(thread, next, page.items);
}

/** How far each conversation was said to be read. */
export class Marks {
  #upto = new Map<string, number>();

  /** What there is to say now that `me` has this on the screen; null: nothing. */
  seen(thread: Thread, me: string): Action | null {
    const summary = thread.summary.value;
    if (!summary || !isMine(summary, me) || summary.owner !== me) return null;
    const upto = lastNumber(thread);
    if (upto <= Math.max(summary.read[me] ?? 0, this.#upto.get(thread.id) ?? 0)) return null;
    this.#upto.set(thread.id, upto);
    return { do: "read", conversation: thread.id, upto };
  }

  /** What to say so that the last entries of the customer are unread. */
  unseen(thread: Thread): Action {
    const isTheirs = (each: Thread["items"]["value"][number]) => each.peek().kind === "message";
    const last = thread.items.peek().findLast(isTheirs)?.peek().n ?? 0;
    this.#upto.delete(thread.id);
    return { do: "unread", conversation: thread.id, upto: Math.max(0, last - 1) };
  }

  clear(): void {
    this.#upto.clear();
  }
}
