// Canned answers: found by shortcut, by their first letters and by their words, filled in for the customer at hand.
import { type Signal, signal } from "@preact/signals";
import type { CannedAnswer } from "../protocol/wire";

/** What is filled in: see docs/desk-protocol.md. */
export type Filling = Record<"customer" | "first_name" | "operator" | "channel" | "conversation" | "date", string>;

export class Canned {
  /** By folder and title, in the order of the operator's language. */
  readonly all: Signal<readonly CannedAnswer[]> = signal([]);

  replace(answers: readonly CannedAnswer[]): void {
    this.all.value = [...answers].sort(byTitle);
  }

  put(answer: CannedAnswer): void {
    this.replace([...this.all.peek().filter((each) => each.id !== answer.id), answer]);
  }

  remove(id: string): void {
    this.all.value = this.all.peek().filter((each) => each.id !== id);
  }

  /** Those whose shortcut begins with what was typed behind the slash, then those whose title or folder holds it. */
  matching(typed: string, limit = 50): CannedAnswer[] {
    const wanted = typed.toLocaleLowerCase();
    const rank = (each: CannedAnswer) => {
      if (each.shortcut === wanted) return each.personal ? 0 : 1;
      if (each.shortcut?.startsWith(wanted)) return 2;
      if (each.title.toLocaleLowerCase().startsWith(wanted)) return 3;
      return `${each.folder ?? ""} ${each.title}`.toLocaleLowerCase().includes(wanted) ? 4 : 5;
    };
    const ranked = this.all.value.map((each) => ({ each, at: rank(each) })).filter(({ at }) => at < 5);
    return ranked
      .sort((a, b) => a.at - b.at)
      .slice(0, limit)
      .map(({ each }) => each);
  }

  /** The answer that begins with what the operator has typed so far; at least three letters, and only one way to go on. */
  suggestion(
    typed: string,
    languages: readonly string[],
    filling: Filling,
  ): { answer: CannedAnswer; text: string } | null {
    const begun = typed.trimStart().toLocaleLowerCase();
    if (begun.length < 3 || begun.startsWith("/")) return null;
    for (const answer of this.all.value) {
      const text = fill(textOf(answer, languages), filling);
      const fits = text.length > begun.length && text.toLocaleLowerCase().startsWith(begun);
      if (fits || answer.title.toLocaleLowerCase().startsWith(begun)) return { answer, text };
    }
    return null;
  }
}

/** The text in the first of the languages that is there, else any. */
export function textOf(answer: CannedAnswer, languages: readonly string[]): string {
  for (const language of languages) {
    const text = answer.texts[language] ?? answer.texts[language.slice(0, 2)];
    if (text) return text;
  }
  return Object.values(answer.texts)[0] ?? "";
}

/** Fills the variables in; a word in braces that is none stays as it is. */
export const fill = (text: string, filling: Filling): string =>
  text.replace(/\{(\w+)\}/g, (hole, name: string) => (name in filling ? filling[name as keyof Filling] : hole));

function byTitle(a: CannedAnswer, b: CannedAnswer): number {
  return (a.folder ?? "").localeCompare(b.folder ?? "") || a.title.localeCompare(b.title);
}

/** The shortcut that is being typed before the caret: a slash at the start or behind a space, and what follows it. */
export function typedShortcut(text: string, caret: number): { typed: string; from: number } | null {
  const found = /(?:^|\s)\/([\p{L}\p{N}_-]*)$/u.exec(text.slice(0, caret));
  return found ? { typed: found[1] ?? "", from: caret - (found[1] ?? "").length - 1 } : null;
}

/** The colleague's name that is being typed before the caret, behind an at-sign. */
export function typedMention(text: string, caret: number): { typed: string; from: number } | null {
  const found = /(?:^|\s)@([\p{L}\p{N}_.-]*)$/u.exec(text.slice(0, caret));
  return found ? { typed: found[1] ?? "", from: caret - (found[1] ?? "").length - 1 } : null;
}
