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

/** Adds those that the index knows; without an index it is `here` alone. */
export async function candidates(here: readonly Candidate[], words: string, but: string): Promise<Candidate[]> {
  const path = `/search/people?limit=${SHOWN}&q=${encodeURIComponent(words)}`;
  const answer = words ? await ask<{ people: PersonHit[] }>("GET", path).catch(() => null) : null;
  const seen = new Set([but, ...here.map((each) => each.person)]);
  const more = (answer?.people ?? []).filter((each) => !seen.has(each.person));
  return [
    ...here,
    ...more.map(({ person, name = "", addresses = [] }) => ({ person, name, addresses, about: addresses[0] ?? "" })),
  ];
}
