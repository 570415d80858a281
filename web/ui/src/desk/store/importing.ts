// Canned answers that come from elsewhere: what a file or the clipboard holds, and what would become of it.
import { give } from "../protocol/http";
import type { CannedText } from "../protocol/wire";

export interface AnswerSeen extends CannedText {
  becomes: "new" | "changed" | "same" | "wrong";
  code?: string;
  why?: string;
}

const BY_NAME: Record<string, string> = {
  json: "application/json",
  yaml: "application/yaml",
  yml: "application/yaml",
  csv: "text/csv",
  tsv: "text/csv",
};

/** What a file holds, by its name; of pasted text (no name) by how it begins: else it is a table. */
export function typeOf(name: string, text = ""): string {
  const named = BY_NAME[name.split(".").at(-1)?.toLowerCase() ?? ""];
  if (named) return named;
  if (/^\s*\{/.test(text)) return "application/json";
  return /^(\s*(#.*)?\n)*\s*answers\s*:/.test(text) ? "application/yaml" : "text/csv";
}

/** Asks the node what would become of it; throws Failed with what is wrong, and where. */
export async function lookAt(what: File | string, personal: boolean): Promise<AnswerSeen[]> {
  const type = typeof what === "string" ? typeOf("", what) : typeOf(what.name, await what.slice(0, 2_000).text());
  const path = `/answers/preview?scope=${personal ? "personal" : "shared"}`;
  return (await give<{ answers: AnswerSeen[] }>(path, what, type)).answers;
}

const PORTION = 100_000; // bytes: far below what a node takes in one frame

/** Parts that can be sent one after the other. */
export function portions(answers: readonly CannedText[], most = PORTION): CannedText[][] {
  const found: CannedText[][] = [];
  let room = 0;
  for (const answer of answers) {
    const size = new TextEncoder().encode(JSON.stringify(answer)).length + 1;
    if (size > room) {
      found.push([]);
      room = most;
    }
    found.at(-1)?.push(answer);
    room -= size;
  }
  return found;
}

/** What is worth taking in: not what is there already, nor what is wrong. */
export const worthwhile = (seen: readonly AnswerSeen[]): CannedText[] =>
  seen
    .filter(({ becomes }) => becomes === "new" || becomes === "changed")
    .map(({ title, folder = "", shortcut = "", texts }) => ({ title, folder, shortcut, texts }));
