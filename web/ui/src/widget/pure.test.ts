import { expect, test } from "vitest";
import { holes, type Message } from "../shared/phrase";
import { bounded, cut } from "./bounds";
import { problemOf } from "./Cards";
import { bearable, holds, invite, type Past, type Situation } from "./invitations";
import { contrast, DEFAULT, inkOn, matches, readable, textsFor, themeFor } from "./look";
import type { Invitation, Item, Limits, Look, Message as Said } from "./protocol";
import { entries, isBubble, standing, Transcript } from "./transcript";
import en from "./words/en.json";
import pl from "./words/pl.json";
import ru from "./words/ru.json";

// --- words ---

test.each([
  ["ru", ru],
  ["pl", pl],
] as const)("%s says all that English says, with the same holes and all its plural forms", (language, words) => {
  expect(Object.keys(words).sort()).toEqual(Object.keys(en).sort());
  for (const [key, message] of Object.entries(words) as [keyof typeof en, Message][]) {
    expect([key, holes(message)]).toEqual([key, holes(en[key] as Message)]);
    if (typeof message === "string") continue;
    const forms = new Set([1, 2, 5, 21, 22, 25, 100].map((n) => new Intl.PluralRules(language).select(n)));
    for (const form of forms)
      expect([key, message[form] ?? (form === "many" ? message.other : undefined)]).not.toContain(undefined);
  }
});

// --- the transcript ---

let clock = 1_800_000_000_000;
const later = () => {
  clock += 1000;
  return clock;
};
const item = (kind: Item["kind"], more: Partial<Item> = {}): Item => ({
  kind,
  at: later(),
  conversation: "c1",
  ...more,
});
const mine = (n: number, text: string): Item => item("message", { n, id: `m${n}`, content: { kind: "text", text } });
const reply = (n: number, text: string): Item =>
  item("reply", { n, id: `c1-${n}`, content: { kind: "text", text }, author: { name: "Anna" } });
const shown = (items: Item[], pending: Said[] = [], acked: string[] = [], failed: Said[] = []) =>
  entries(items, pending, new Set(acked), failed);
const texts = (items: Item[], ...rest: never[]) =>
  shown(items, ...rest)
    .filter(isBubble)
    .map((bubble) => (bubble.content.kind === "text" ? bubble.content.text : ""));

test("what comes again after resuming is there once", () => {
  const transcript = new Transcript();
  const said = [mine(1, "one"), reply(2, "two")];
  expect(transcript.add(said)).toHaveLength(2);
  expect(transcript.add([said[1] as Item, mine(3, "three")])).toHaveLength(1);
  expect(texts(transcript.items)).toEqual(["one", "two", "three"]);
});

test("a message of ours goes from sending to read, and comes last until it is in the log", () => {
  const pending: Said = { id: "m5", at: clock, content: { kind: "text", text: "wait" } };
  const ticks = (items: Item[], ...rest: [Said[], string[]?]) =>
    shown(items, ...rest)
      .filter(isBubble)
      .map((bubble) => bubble.tick);
  const log = [mine(1, "one"), mine(2, "two"), item("read", { n: 1 })];
  expect(ticks(log, [pending])).toEqual(["read", "delivered", "sending"]);
  expect(ticks(log, [pending], ["m5"])).toEqual(["read", "delivered", "accepted"]);
  expect(ticks([...log, { ...mine(5, "wait"), id: "m5" }], [pending])).toEqual(["read", "delivered", "delivered"]);
});

test("edits and deletions change what they are about, and nothing if that is not here", () => {
  const change = (target: string, text: string) => item("reply", { content: { kind: "edit", target, text } });
  const found = shown([
    reply(1, "old"),
    reply(2, "gone"),
    change("c1-1", "new"),
    change("c0-9", "x"),
    item("reply", { content: { kind: "delete", target: "c1-2" } }),
  ]);
  expect(found.filter(isBubble).map(({ content, edited, deleted }) => [content, !!edited, !!deleted])).toEqual([
    [{ kind: "text", text: "new" }, true, false],
    [{ kind: "text", text: "gone" }, false, true],
  ]);
});

test("options can be chosen from as long as they are the last thing that was said", () => {
  const question = item("reply", {
    id: "c1-1",
    content: { kind: "choice", text: "?", options: [{ id: "a", label: "A" }] },
  });
  const open = (...items: Item[]) =>
    shown(items)
      .filter(isBubble)
      .some((bubble) => bubble.open);
  expect([open(question), open(question, mine(2, "A"))]).toEqual([true, false]);
});

test("messages of one speaker within minutes belong together, and a day begins with its name", () => {
  const bubbles = shown([reply(1, "a"), reply(2, "b"), mine(3, "c")]);
  expect(bubbles.map((entry) => (isBubble(entry) ? [entry.first, entry.last] : entry.kind))).toEqual([
    "day",
    [true, false],
    [false, true],
    [true, true],
  ]);
});

test("a conversation is open until it is closed, and can be rated until the next one begins", () => {
  const closed = [mine(1, "a"), item("joined", { author: { name: "Anna" } }), item("closed")];
  const rating = item("message", { n: 4, id: "m4", content: { kind: "rating", score: 3, scale: 3 } });
  expect(standing(closed.slice(0, 2))).toMatchObject({ open: "c1", operator: { name: "Anna" }, closed: "" });
  expect(standing(closed)).toMatchObject({ open: "", operator: undefined, closed: "c1", rated: false });
  expect(standing([...closed, rating])).toMatchObject({ open: "", closed: "c1", rated: true });
  expect(standing([...closed, { ...mine(1, "b"), conversation: "c2" }])).toMatchObject({ open: "c2", closed: "" });
});

// --- looks ---

test.each([
  ["/checkout*", "/checkout/pay", true],
  ["/checkout*", "/cart", false],
  ["*/page", "/channels/site/page", true],
  ["/a*b*c", "/aXbYc", true],
  ["/a*b*c", "/abc/d", false],
  ["*.google.*", "www.google.com/search", true],
  ["/a*a", "/a", false],
  ["/", "/", true],
])("%s and %s: %s", (pattern, text, found) => {
  expect(matches(pattern, text)).toBe(found);
});

test("a pattern full of stars takes no time", () => {
  const started = performance.now();
  matches("*a".repeat(150), "a".repeat(140) + "b".repeat(100_000));
  expect(performance.now() - started).toBeLessThan(500);
});

const look = {
  theme: { color: "#112233", radius: 4 },
  variants: [
    { pages: ["/pro/*"], department: "pro", theme: { color: "#445566" }, texts: { en: { title: "Pro" } } },
    { pages: ["/pro/*"], theme: { color: "#778899" } },
  ],
} as unknown as Look;

test("the tag goes before the page, the page before the channel, the channel before what is usual", () => {
  const at = (path: string, department = "") => themeFor(look, { path, department }, { scheme: "dark" });
  expect(at("/")).toEqual({ ...DEFAULT, color: "#112233", radius: 4, scheme: "dark" });
  expect(at("/pro/x", "pro").color).toBe("#445566");
  expect(at("/pro/x").color).toBe("#778899");
  expect(themeFor(undefined, { path: "/", department: "" }, {})).toEqual(DEFAULT);
});

test("the shop's words are taken in the language, else in its first one", () => {
  const words = { en: { title: "Shop", greeting: "Hi" }, pl: { title: "Sklep" } };
  const place = { path: "/pro/x", department: "pro" };
  expect(textsFor(look, words, { path: "/", department: "" }, "pl")).toEqual({ title: "Sklep" });
  expect(textsFor(look, words, place, "ru")).toEqual({ title: "Pro", greeting: "Hi" });
});

test("whatever colour a shop has, it can be written on, and read as a text", () => {
  for (let n = 0; n < 4096; n++) {
    const colour = `#${[8, 4, 0].map((shift) => (((n >> shift) & 15) * 17).toString(16).padStart(2, "0")).join("")}`;
    expect(contrast(inkOn(colour), colour)).toBeGreaterThanOrEqual(4.5);
    for (const ground of ["#f1f3f5", "#25282d"])
      expect(contrast(readable(colour, ground), ground)).toBeGreaterThan(4.5);
  }
});

// --- invitations ---

const limits: Limits = { per_visit: 1, per_week: 2, quiet: 7 * 86_400_000 };
const never: Past = { shown: [], inVisit: 0, refused: 0 };
const there: Situation = {
  path: "/checkout",
  seconds: 30,
  referrer: "https://www.google.com/search?q=x",
  campaign: "spring",
  language: "en",
  firstVisit: true,
  events: ["cart"],
};
const rule = (when: Invitation["when"]): Invitation => ({ name: "x", when, text: { en: "Hi" } });

test.each<[Invitation["when"], boolean]>([
  [{}, true],
  [
    {
      pages: ["/checkout*"],
      seconds: 30,
      referrers: ["*google*"],
      campaigns: ["spr*"],
      languages: ["en"],
      first_visit: true,
      event: "cart",
    },
    true,
  ],
  [{ pages: ["/cart"] }, false],
  [{ seconds: 31 }, false],
  [{ referrers: ["*q=x*"] }, false],
  [{ campaigns: ["summer"] }, false],
  [{ languages: ["pl"] }, false],
  [{ first_visit: false }, false],
  [{ event: "paid" }, false],
])("%o: %s", (when, found) => {
  expect(holds(rule(when), there)).toBe(found);
});

test("nobody is pestered", () => {
  const now = 1_800_000_000_000;
  const day = 86_400_000;
  expect(bearable(never, limits, now)).toBe(true);
  expect(bearable({ ...never, inVisit: 1 }, limits, now)).toBe(false);
  expect(bearable({ ...never, shown: [now - day, now - 2 * day] }, limits, now)).toBe(false);
  expect(bearable({ ...never, shown: [now - day, now - 8 * day] }, limits, now)).toBe(true);
  expect(bearable({ ...never, refused: now - 6 * day }, limits, now)).toBe(false);
  expect(bearable({ ...never, refused: now - 8 * day }, limits, now)).toBe(true);
  expect(invite([rule({ event: "paid" }), rule({})], limits, there, never, now)?.when).toEqual({});
  expect(invite([rule({})], limits, there, { ...never, inVisit: 1 }, now)).toBeUndefined();
});

// --- what a page may tell, and a visitor answer ---

test("attributes are cut to what the server takes", () => {
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`name${n}`, n]));
  expect(Object.keys(bounded(many))).toHaveLength(16);
  expect(
    bounded({ plan: "gold", vip: true, n: 3, "Bad Name": "x", f: () => 1, o: {}, "<b>": "x", __proto__: "x" }),
  ).toEqual({ plan: "gold", vip: "true", n: "3" });
  expect(bounded({ long: "x".repeat(1000) }).long).toHaveLength(300);
  expect(cut("aa😀", 3)).toBe("aa");
});

test("answers are judged as the server judges them", () => {
  const question = { name: "email", label: {}, kind: "email" } as const;
  expect(problemOf(question, "")).toBe("required");
  expect(problemOf({ ...question, required: false }, " ")).toBeUndefined();
  for (const wrong of ["ola", "a@b", "a b@c.pl", "@c.pl", `${"x".repeat(70)}@c.pl`])
    expect(problemOf(question, wrong)).toBe("badEmail");
  expect(problemOf(question, " ola@shop.example ")).toBeUndefined();
});
