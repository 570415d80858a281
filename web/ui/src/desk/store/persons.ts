// Customers among whom somebody looks for one who is the same as another.
import { ask } from "../protocol/http";
import type { Summary } from "../protocol/wire";
import type { PersonHit } from "./search";
import { addressesOf } from "./ways";

const SHOWN = 8;

export interface Candidate {
  readonly person: string;
  readonly name: string;
  readonly addresses: readonly string[];
  /** What was said last, where the customer has a conversation in a list. */
  readonly about: string;
}

/** Those of the lists whose name, address or last words fit, one for each customer; `but` is left out. */
export function known(rows: Iterable<Summary>, words: string, but: string): Candidate[] {
  const wanted = words.toLocaleLowerCase().split(/\s+/);
  const found = new Map<string, Candidate>();
  for (const row of rows) {
    const text = `${row.name} ${row.address} ${row.preview}`.toLocaleLowerCase();
    if (row.person === but || found.has(row.person) || !wanted.every((word) => text.includes(word))) continue;
    found.set(row.person, { person: row.person, name: row.name, addresses: addressesOf(row), about: row.preview });
    if (found.size === SHOWN) break;
  }
  return [...found.values()];
}

/** Those that the index knows; nobody while there is none. */
export async function indexed(words: string): Promise<Candidate[]> {
  const path = `/search/people?limit=${SHOWN}&q=${encodeURIComponent(words)}`;
  const answer = words ? await ask<{ people: PersonHit[] }>("GET", path).catch(() => null) : null;
  return (answer?.people ?? []).map(({ person, name = "", addresses = [] }) => ({
    person,
    name,
    addresses,
    about: addresses[0] ?? "",
  }));
}

/** `here`, and those of `more` that are not among them; `but` is left out. */
export function together(here: readonly Candidate[], more: readonly Candidate[], but: string): Candidate[] {
  const seen = new Set([but, ...here.map((each) => each.person)]);
  return [...here, ...more.filter((each) => !seen.has(each.person))];
}
