// What the chat says by itself, in the visitor's language: `words/<language>.json`, which the server hands out with the
// session so that nobody loads languages they do not read. A shop's own words (`texts`) go before some of these.
import { choose } from "../shared/languages";
import { type Message, phrase, type Values } from "../shared/phrase";
import type en from "./words/en.json";

export type Key = keyof typeof en;
export type Catalogue = Record<Key, Message>;
export type Say = (key: Key, values?: Values) => string;

export const LANGUAGES = ["en", "ru", "pl"] as const;
export type Language = (typeof LANGUAGES)[number];
export const NAMES: Record<Language, string> = { en: "English", ru: "Русский", pl: "Polski" };

/** Gives the function that says a text in one language, the shop's own words first. */
export function speaker(language: Language, words: Catalogue, own: Partial<Record<string, string>>): Say {
  return (key, values) => own[key] || phrase(language, words[key] ?? "", values);
}

/** Chooses the language: the visitor's own choice, the tag, the page, the browser. */
export function chooseLanguage(wanted: (string | null | undefined)[]): Language {
  return choose(LANGUAGES, wanted);
}
