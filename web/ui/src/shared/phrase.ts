// Texts in several languages: {name} is filled in, and a text that depends on a number has the plural forms of CLDR.

export type Forms = { readonly other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;
export type Message = string | Forms;
export type Values = Readonly<Record<string, string | number>>;

const rules = new Map<string, Intl.PluralRules>();

/** Fills `values` into a message; `n` chooses the plural form. A hole without a value stays as it is. */
export function phrase(language: string, message: Message, values: Values = {}): string {
  const text = typeof message === "string" ? message : (message[form(language, Number(values.n))] ?? message.other);
  return text.replace(/\{(\w+)\}/g, (hole, name: string) => String(values[name] ?? hole));
}

function form(language: string, n: number): Intl.LDMLPluralRule {
  let known = rules.get(language);
  if (!known) {
    known = new Intl.PluralRules(language);
    rules.set(language, known);
  }
  return known.select(n);
}

/** The names of the holes of a message, of all its forms together, sorted. */
export function holes(message: Message): string[] {
  const texts = typeof message === "string" ? [message] : Object.values(message);
  return [...new Set(texts.flatMap((text) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? "")))].sort();
}
