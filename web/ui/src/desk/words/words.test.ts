import { describe, expect, test } from "vitest";
import { holes, type Message } from "../../shared/phrase";
import { catalogues, type Key, type Language, languageOf } from "./index";

const languages = Object.keys(catalogues) as Language[];
const keys = Object.keys(catalogues.en) as Key[];

describe.each(languages)("the catalogue of %s", (language) => {
  const words: Readonly<Record<string, Message>> = catalogues[language];
  test("says everything", () => {
    expect(Object.keys(words).sort()).toEqual([...keys].sort());
    expect(keys.filter((key) => JSON.stringify(words[key]).length < 3)).toEqual([]);
  });
  test("fills in what the others fill in", () => {
    const other = keys.filter((key) => holes(words[key] ?? "").join() !== holes(catalogues.en[key]).join());
    expect(other).toEqual([]);
  });
  test("has every plural form of its language, where English has two", () => {
    const needed = new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort();
    const plural = keys.filter((key) => typeof catalogues.en[key] !== "string");
    for (const key of plural) expect(Object.keys(words[key] ?? {}).sort(), key).toEqual(needed);
  });
});

test("the browser's first language that we speak is taken", () => {
  expect(languageOf(["de-DE", "pl-PL", "en"])).toBe("pl");
  expect(languageOf(["de"])).toBe("en");
});
