// Texts in several languages: one catalogue of typed keys per face, plural forms by the rules of each language. A missing
// key in one of the languages is a type error, since every language has the type of the first.

/** A text with `{name}` in it, or its plural forms (`one`, `few`, `many`, `other`) by the value `count`. */
export type Message = string | (Partial<Record<Intl.LDMLPluralRule, string>> & { other: string });
export type Values = Record<string, string | number>;
export type Translate<K extends string> = (key: K, values?: Values) => string;

/** Makes the function that gives the texts of one language. */
export function translator<K extends string>(texts: Record<K, Message>, language: string): Translate<K> {
  const rules = new Intl.PluralRules(language);
  return (key, values = {}) => {
    const message = texts[key];
    const text =
      typeof message === "string" ? message : (message[rules.select(Number(values.count))] ?? message.other);
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
  };
}

/** Gives the first of the wanted languages (`pl-PL`, `ru`) that there is, else the first there is. */
export function choose<L extends string>(there: readonly [L, ...L[]], wanted: Iterable<string | null | undefined>): L {
  for (const tag of wanted) {
    const code = tag?.split("-")[0]?.toLowerCase();
    const found = there.find((language) => language === code);
    if (found) return found;
  }
  return there[0];
}

/** Whether a language is written from right to left. */
export function isRightToLeft(language: string): boolean {
  return /^(ar|arc|dv|fa|ha|he|khw|ks|ku|ps|ur|yi)\b/i.test(language);
}
