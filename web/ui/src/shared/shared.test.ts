import { expect, test } from "vitest";
import { choose, isRightToLeft } from "./languages";
import { pieces, safeAddress } from "./links";
import { duration, fileSize } from "./measures";

const links = (text: string) => pieces(text).map((piece) => (typeof piece === "string" ? piece : [piece.href]));

test("links end before the punctuation of the sentence", () => {
  expect(links("See https://a.example/b, or (http://c.example/d_(e)).")).toEqual([
    "See ",
    ["https://a.example/b"],
    ", or (",
    ["http://c.example/d_(e)"],
    ").",
  ]);
  expect(links("www.shop.example")).toEqual([["https://www.shop.example/"]]);
  expect(links("mail me@shop.example!")).toEqual(["mail ", ["mailto:me@shop.example"], "!"]);
  expect(links("nothing here")).toEqual(["nothing here"]);
  expect(links("")).toEqual([]);
});

test.each([
  "javascript:alert(1)",
  "data:text/html,x",
  "https://bank.example@evil.example/",
  "https://a.example/\u202egpj.exe",
  "http://",
])("%s is no link", (text) => {
  expect(links(text)).toEqual([text]);
  expect(safeAddress(text)).toBeUndefined();
});

test("markup stays text", () => {
  expect(links('<a href="https://x.example">')).toEqual(['<a href="', ["https://x.example/"], '">']);
});

test("ten thousand characters take no time", () => {
  const started = performance.now();
  pieces(`${"a@".repeat(5000)} ${"www.".repeat(2500)} https://${"(".repeat(5000)}${")".repeat(5000)}`);
  expect(performance.now() - started).toBeLessThan(1000);
});

test("nor do a quarter of a million in a mail", () => {
  const started = performance.now();
  pieces(`https://${")".repeat(120_000)} https://a${".".repeat(120_000)}`);
  expect(performance.now() - started).toBeLessThan(1000);
});

test("the first wanted language that there is wins", () => {
  expect(choose(["en", "ru", "pl"], [null, "de-AT", "PL-pl", "ru"])).toBe("pl");
  expect(choose(["en", "ru"], [])).toBe("en");
  expect([isRightToLeft("he-IL"), isRightToLeft("hello"), isRightToLeft("pl")]).toEqual([true, false, false]);
});

test("sizes and durations are written for people", () => {
  expect([fileSize(0, "en"), fileSize(2_400_000, "en"), fileSize(12_345, "en")]).toEqual(["0 byte", "2.4 MB", "12 kB"]);
  expect([duration(7_400), duration(760_000)]).toEqual(["0:07", "12:40"]);
});
