import { expect, test } from "vitest";
import { type AnswerSeen, portions, typeOf, worthwhile } from "./importing";

test.each([
  ["answers.YML", "", "application/yaml"],
  ["answers.tsv", "", "text/csv"],
  ["a.b.json", "", "application/json"],
  ["notes.txt", ' {"answers": []}', "application/json"],
  ["", "# ours\nanswers:\n  - title: A", "application/yaml"],
  ["", "title\ttext\nA\tB", "text/csv"],
])("%s %s is read as what it is", (name, text, type) => {
  expect(typeOf(name, text)).toBe(type);
});

test("what is there already and what is wrong is left out", () => {
  const seen: AnswerSeen[] = (["new", "same", "wrong", "changed"] as const).map((becomes) => ({
    title: becomes,
    texts: { en: "x" },
    becomes,
    why: "never sent",
  }));
  expect(worthwhile(seen)).toEqual([
    { title: "new", folder: "", shortcut: "", texts: { en: "x" } },
    { title: "changed", folder: "", shortcut: "", texts: { en: "x" } },
  ]);
});

test("what is taken in goes in parts that fit into a frame, and nothing is left out", () => {
  const answers = Array.from({ length: 300 }, (_, i) => ({ title: `${i}`, texts: { ru: "я".repeat(1 + 5 * i) } }));
  const parts = portions(answers, 10_000);
  expect(parts.flat()).toEqual(answers);
  for (const part of parts) expect(new TextEncoder().encode(JSON.stringify(part)).length).toBeLessThan(10_010);
  expect(parts.length).toBeLessThan(70);
  expect(portions(answers.slice(299), 10)).toEqual([[answers[299]]]);
});
