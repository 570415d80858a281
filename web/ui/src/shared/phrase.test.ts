import { expect, test } from "vitest";
import { holes, phrase } from "./phrase";

const unread = { one: "{n} новое", few: "{n} новых (few)", many: "{n} новых", other: "{n} нового" };

test("a number chooses the form of the language", () => {
  expect([1, 3, 5, 21, 1.5].map((n) => phrase("ru", unread, { n }))).toEqual([
    "1 новое",
    "3 новых (few)",
    "5 новых",
    "21 новое",
    "1.5 нового",
  ]);
});

test("holes are filled, and stay visible where nothing is known", () => {
  expect(phrase("en", "{who} wrote to {whom}", { who: "Ann" })).toBe("Ann wrote to {whom}");
  expect(holes(unread)).toEqual(["n"]);
});
