// The words of the desk in the operator's language. A component that says something follows the language by itself.
import { type Signal, signal } from "@preact/signals";
import { choose } from "../../shared/languages";
import { type Message, phrase, type Values } from "../../shared/phrase";
import { en } from "./en";
import { pl } from "./pl";
import { ru } from "./ru";

export type Key = keyof typeof en;
export type Words = Readonly<Record<Key, Message>>;

export const catalogues = { en, ru, pl } as const satisfies Record<string, Words>;
export type Language = keyof typeof catalogues;
export const languageNames: Record<Language, string> = { en: "English", ru: "Русский", pl: "Polski" };

/** The language of the screen. */
export const language: Signal<Language> = signal("en");

/** Says something in the language of the screen. */
export const t = (key: Key, values?: Values): string => phrase(language.value, catalogues[language.value][key], values);

/** Says what a code of ours means; a code that has no words is shown as it is. */
export function coded(prefix: string, code: string): string {
  const key = `${prefix}.${code}`;
  return key in en ? t(key as Key) : code;
}

/** The first of the browser's languages that we speak. */
export const languageOf = (wanted: readonly string[]): Language => choose(["en", "ru", "pl"], wanted);
