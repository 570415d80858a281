import { describe, expect, test } from "vitest";
import { wholeSummary } from "../protocol/whole";
import type { CannedAnswer, SparseSummary } from "../protocol/wire";
import { ringFor } from "./bell";
import { Canned, type Filling, fill, textOf, typedMention, typedShortcut } from "./canned";
import { Drafts } from "./drafts";
import { mentioned } from "./editor";
import { fragmentOf, placeOf } from "./places";
import type { Keeper } from "./settings";
import { precedes, Threads } from "./threads";
import { chosenRoute, filled, isFilled, isShut } from "./ways";

const FILLING: Filling = {
  customer: "Maria Schmidt",
  first_name: "Maria",
  operator: "Ben",
  channel: "site",
  conversation: "c1",
  date: "1.2.",
};

const summary = (more: Partial<SparseSummary> = {}) =>
  wholeSummary({
    id: "c1",
    person: "p1",
    channel: "site",
    address: "a",
    kind: "interactive",
    status: "assigned",
    opened_at: 1,
    ...more,
  });

function memory(): Keeper {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}

describe("drafts", () => {
  test("are kept for each conversation and operator, and survive a reload", () => {
    const keeper = memory();
    new Drafts(keeper, "ben").keep("c1", { text: "half a sent", note: false });
    new Drafts(keeper, "ben").keep("c2", { text: "@anna?", note: true });
    const after = new Drafts(keeper, "ben");
    expect(after.of("c1")).toEqual({ text: "half a sent", note: false });
    expect(after.of("c2")).toEqual({ text: "@anna?", note: true });
    expect(new Drafts(keeper, "cleo").of("c1").text).toBe("");
    after.keep("c1", { text: "", note: false });
    expect(after.of("c1").text).toBe("");
  });
});

describe("the bell", () => {
  const mine = summary({ owner: "ben", n: 3, read: { ben: 3 } });
  test("rings for what a customer says in a conversation of mine", () => {
    expect(ringFor({ ...mine, n: 4, unanswered: 5 }, mine, "ben")).toBe("message");
    expect(ringFor({ ...mine, n: 4, unanswered: 5, owner: "cleo" }, { ...mine, owner: "cleo" }, "ben")).toBeNull();
  });
  test("is silent for phrases of the system, but not for words that the node has not read yet", () => {
    const before = summary({ owner: "ben", n: 3, heard: [3], read: { ben: 3 }, preview: "Hello?" });
    expect(ringFor({ ...before, n: 4, unanswered: 5 }, before, "ben")).toBeNull();
    expect(ringFor({ ...before, n: 5, heard: [3, 5], unanswered: 5 }, before, "ben")).toBe("message");
    const unknown = { ...before, heard: [], preview: "" };
    expect(ringFor({ ...unknown, n: 4, unanswered: 5 }, unknown, "ben")).toBe("message");
    expect(ringFor({ ...before, n: 4, heard: [3, 4], unanswered: 5 }, { ...unknown, n: 4 }, "ben")).toBeNull();
  });
  test("is silent for answers and for what I have seen", () => {
    expect(ringFor({ ...mine, n: 4, replied: 4, unanswered: 5 }, mine, "ben")).toBeNull();
    expect(ringFor({ ...mine, n: 4, unanswered: 5, read: { ben: 4 } }, mine, "ben")).toBeNull();
  });
  test("rings once for an offer", () => {
    const offered = summary({ offers: [{ id: "o1", operator: "ben" }] });
    expect(ringFor(offered, undefined, "ben")).toBe("offer");
    expect(ringFor({ ...offered, n: 9 }, offered, "ben")).toBeNull();
  });
  test("rings for a conversation that was given to me unasked", () => {
    expect(ringFor(mine, { ...mine, owner: "" }, "ben")).toBe("offer");
  });
});

describe("canned answers", () => {
  const answers: CannedAnswer[] = [
    {
      id: "1",
      title: "Returns",
      shortcut: "return",
      texts: { en: "Hello {first_name}, send it back.", pl: "Dzień dobry" },
    },
    { id: "2", title: "Refund", shortcut: "refund", texts: { en: "We refund it." } },
    { id: "3", title: "My returns", shortcut: "return", personal: true, texts: { en: "Mine" } },
    { id: "4", title: "Opening hours", folder: "Shop", texts: { en: "We are open." } },
  ];
  const canned = new Canned();
  canned.replace(answers);

  test("are found by shortcut, one's own first, then by title and folder", () => {
    expect(canned.matching("return").map((each) => each.id)).toEqual(["3", "1"]);
    expect(canned.matching("re").map((each) => each.id)).toEqual(["2", "3", "1"].sort((a, b) => order(a) - order(b)));
    expect(canned.matching("shop").map((each) => each.id)).toEqual(["4"]);
  });
  const order = (id: string) => canned.all.value.findIndex((each) => each.id === id);

  test("speak the customer's language, else the first of the shop that is there, else any", () => {
    const [returns] = answers as [CannedAnswer];
    expect(textOf(returns, ["pl", "en"])).toBe("Dzień dobry");
    expect(textOf(returns, ["pl-PL"])).toBe("Dzień dobry");
    expect(textOf(returns, ["ru", "en"])).toContain("Hello");
    expect(textOf(returns, ["ru"])).toContain("Hello");
  });
  test("are filled in, and braces of no meaning stay", () => {
    expect(fill("{first_name} {customer} {nobody}", FILLING)).toBe("Maria Maria Schmidt {nobody}");
  });
  test("are suggested from the first letters of their text or title", () => {
    expect(canned.suggestion("hello mar", ["en"], FILLING)?.text).toBe("Hello Maria, send it back.");
    expect(canned.suggestion("Open", ["en"], FILLING)?.answer.id).toBe("4");
    expect(canned.suggestion("he", ["en"], FILLING)).toBeNull();
    expect(canned.suggestion("/ret", ["en"], FILLING)).toBeNull();
  });
  test("a shortcut begins with a slash at the start or behind a space", () => {
    expect(typedShortcut("Hi /ret", 7)).toEqual({ typed: "ret", from: 3 });
    expect(typedShortcut("/", 1)).toEqual({ typed: "", from: 0 });
    expect(typedShortcut("and/or", 6)).toBeNull();
    expect(typedMention("ask @an", 7)).toEqual({ typed: "an", from: 4 });
  });
});

test("colleagues are named by name or id", () => {
  const operators = [
    { id: "anna", name: "Anna Kowalska" },
    { id: "ben", name: "Ben" },
  ] as never[];
  expect(mentioned("@Anna Kowalska can you? @nobody", operators)).toEqual(["anna"]);
});

describe("a place", () => {
  test("is read from the address bar and written there", () => {
    for (const fragment of ["#/", "#/team", "#/c/c17/p4"]) expect(fragmentOf(placeOf(fragment))).toBe(fragment);
    expect(placeOf("#/nowhere").page).toBe("inbox");
  });
});

describe("ways to answer", () => {
  const routes = [
    { address: "tel:+48", channel: "phone", writes: false },
    { address: "whatsapp:+48", channel: "wa", window_until: 100 },
    { address: "email:a@b", channel: "mail" },
  ];
  test("never lead to a phone, and to where the customer wrote last unless another is chosen", () => {
    expect(chosenRoute(summary({ routes }), "")?.channel).toBe("wa");
    expect(chosenRoute(summary({ routes }), "email:a@b")?.channel).toBe("mail");
    expect(chosenRoute(summary({ routes: routes.slice(0, 1) }), "")).toBeUndefined();
  });
  test("are shut when the window is over", () => {
    expect([99, 100].map((now) => isShut(routes[1], now))).toEqual([false, true]);
    expect(isShut(routes[2], 1e15)).toBe(false);
  });
  test("an approved text is whole when every hole is filled", () => {
    const template = { name: "order", language: "en", text: "Order {{1}} is {{ state }}.", variables: ["1", "state"] };
    expect(isFilled(template, { 1: "A7" })).toBe(false);
    expect(filled(template, { 1: "A7", state: "ready" })).toBe("Order A7 is ready.");
  });
});

describe("conversations on the screen", () => {
  const made = () => {
    const sent: string[] = [];
    const threads = new Threads(
      (frame) => sent.push(`${frame.type} ${"conversation" in frame ? frame.conversation : ""}`) > 0,
    );
    return { threads, sent };
  };
  const text = (id: string, n: number) => ({ id, kind: "message" as const, at: 1, n });

  test("come in order, and what is told again replaces", () => {
    const { threads } = made();
    const thread = threads.show("c1", "p1", null, "ben");
    threads.opened({ conversation: "c1", person: "p1", items: [text("9.0", 1)] });
    threads.add("c1", text("12.0", 2));
    threads.add("c1", { ...text("12.0", 2), name: "Maria" });
    expect(thread.items.value.map((each) => each.value.id)).toEqual(["9.0", "12.0"]);
    expect(thread.items.value[1]?.value.name).toBe("Maria");
  });
  test("keep what was read back when they are watched again", () => {
    const { threads } = made();
    const thread = threads.show("c1", "p1", null, "ben");
    threads.opened({ conversation: "c1", person: "p1", items: [text("9.0", 3)], more: true });
    threads.prepend(thread, [text("5.0", 1), text("9.0", 3)]);
    threads.opened({ conversation: "c1", person: "p1", items: [text("9.0", 3), text("10.1", 4)], more: true });
    expect(thread.items.value.map((each) => each.value.id)).toEqual(["5.0", "9.0", "10.1"]);
  });
  test("leave no hole when more came than the node shows: what was read back can be read again", () => {
    const { threads } = made();
    const thread = threads.show("c1", "p1", null, "ben");
    threads.opened({ conversation: "c1", person: "p1", items: [text("5.0", 1), text("9.0", 2)] });
    threads.opened({ conversation: "c1", person: "p1", items: [text("40.0", 30), text("41.0", 31)], more: true });
    expect(thread.items.value.map((each) => each.value.id)).toEqual(["40.0", "41.0"]);
    expect(thread.more.value).toBe(true);
  });
  test("a receipt changes one answer", () => {
    const { threads } = made();
    const thread = threads.show("c1", "p1", null, "ben");
    threads.opened({
      conversation: "c1",
      person: "p1",
      items: [{ id: "1.0", kind: "reply", at: 1, outbound: "c1-2", receipt: "queued" }],
    });
    const items = thread.items.value;
    threads.receipt({ conversation: "c1", outbound: "c1-2", receipt: "failed", error: "no such number" });
    expect(thread.items.value).toBe(items);
    expect(items[0]?.value).toMatchObject({ receipt: "failed", error: "no such number" });
  });
  test("stay watched for going back, but not more than six", () => {
    const { threads, sent } = made();
    for (let i = 1; i <= 7; i += 1) threads.show(`c${i}`, "", null, "ben");
    expect(sent.at(-1)).toBe("unwatch c1");
    threads.show("c2", "", null, "ben");
    expect(sent.at(-1)).toBe("unwatch c1");
    threads.drop("c2");
    expect(threads.current.value).toBeNull();
  });
  test("ids are compared as numbers", () => {
    expect(precedes("9.1", "10.0")).toBe(true);
    expect(precedes("10.2", "10.10")).toBe(true);
    expect(precedes("10.0", "10.0")).toBe(false);
  });
});
