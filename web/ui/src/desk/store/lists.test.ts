import { effect } from "@preact/signals";
import { describe, expect, test, vi } from "vitest";
import type { SparseSummary } from "../protocol/wire";
import { Lists, unreadOf } from "./lists";

function summary(id: string, more: Partial<SparseSummary> = {}): SparseSummary {
  return {
    id,
    person: `p-${id}`,
    channel: "site",
    address: id,
    kind: "interactive",
    status: "assigned",
    opened_at: 1,
    ...more,
  };
}

function made(...summaries: SparseSummary[]) {
  const heard = vi.fn();
  const lists = new Lists(heard);
  lists.signIn("ben");
  lists.replace(summaries, 0);
  lists.settle();
  return { lists, heard };
}

describe("the lists", () => {
  test("show offers first, then the longest wait, then what is answered", () => {
    const { lists } = made(
      summary("answered", { owner: "ben" }),
      summary("late", { owner: "ben", unanswered: 10 }),
      summary("parked", { owner: "ben", unanswered: 1, parked: { at: 1 } }),
      summary("offered", { offers: [{ id: "o1", operator: "ben" }], unanswered: 50, status: "offered" }),
      summary("early", { owner: "ben", unanswered: 5 }),
      summary("theirs", { owner: "cleo", unanswered: 2 }),
      summary("waits", { status: "waiting", place: [0, 5, 0] }),
      summary("waits-longer", { status: "waiting", place: [0, 3, 9] }),
    );
    expect(lists.orders.mine.value).toEqual({ ids: ["offered", "early", "late", "answered", "parked"], urgent: 3 });
    expect(lists.orders.queue.value.ids).toEqual(["waits-longer", "waits"]);
    expect(lists.orders.all.value.ids).toHaveLength(8);
  });

  test("tell a row alone that it has changed, and a list only when its order has", () => {
    const { lists } = made(
      summary("a", { owner: "ben", unanswered: 5 }),
      summary("b", { owner: "ben", unanswered: 9 }),
    );
    const rows = { a: 0, b: 0, order: 0 };
    effect(() => {
      rows.a += lists.row("a")?.value ? 1 : 0;
    });
    effect(() => {
      rows.b += lists.row("b")?.value ? 1 : 0;
    });
    effect(() => {
      rows.order += lists.orders.mine.value.ids.length ? 1 : 0;
    });
    lists.put(summary("b", { owner: "ben", unanswered: 9, preview: "and?" }));
    lists.settle();
    expect(rows).toEqual({ a: 1, b: 2, order: 1 });
    lists.put(summary("a", { owner: "ben" }));
    lists.settle();
    expect(lists.orders.mine.value.ids).toEqual(["b", "a"]);
    expect(rows.order).toBe(2);
  });

  test("of a new view hold nothing that is not in it", () => {
    const { lists, heard } = made(summary("a", { owner: "ben" }), summary("b", { owner: "ben" }));
    lists.replace([summary("b", { owner: "ben" })], 7);
    lists.settle();
    expect(lists.orders.mine.value.ids).toEqual(["b"]);
    expect(lists.waiting.value).toBe(7);
    expect(heard).not.toHaveBeenCalled();
  });

  test("count conversations in which the customer has said something that I have not seen", () => {
    const { lists } = made(
      summary("seen", { owner: "ben", n: 3, heard: [1, 3], read: { ben: 3 } }),
      summary("news", { owner: "ben", n: 6, heard: [3, 4, 6], read: { ben: 3 } }),
      summary("a phrase of the system and a note", { owner: "ben", n: 5, heard: [3], read: { ben: 3 } }),
      summary("answered elsewhere", { owner: "ben", n: 4, replied: 4, read: { ben: 2 } }),
      summary("theirs", { owner: "cleo", n: 4, heard: [4] }),
    );
    expect(lists.unread.value).toBe(1);
    expect(unreadOf(lists.row("news")?.value as never, "ben")).toBe(2);
  });
});
