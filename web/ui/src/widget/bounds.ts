// What a page may tell of its visitor: cut to what the server takes, so that a mistake of the shop costs an attribute
// and not the chat.

export type Attributes = Record<string, string>;

const MOST = 16;
const LONGEST = 300;
const NAME = /^[a-z][a-z0-9_]{0,39}$/;

/** Keeps the first 16 attributes with a good name, as text of at most 300 characters. */
export function bounded(attributes: Record<string, unknown>): Attributes {
  const good = Object.entries(attributes).filter(
    ([name, value]) => NAME.test(name) && ["string", "number", "boolean"].includes(typeof value),
  );
  return Object.fromEntries(good.slice(0, MOST).map(([name, value]) => [name, cut(String(value), LONGEST)]));
}

/** The first `limit` characters, no half of one. */
export function cut(text: string, limit: number): string {
  return text.length > limit ? text.slice(0, limit).replace(/[\ud800-\udbff]$/, "") : text;
}
