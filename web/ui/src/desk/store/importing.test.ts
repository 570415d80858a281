import { expect, test } from "vitest";
import { type AnswerSeen, typeOf, worthwhile } from "./importing";

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
