// Which language to speak, and which way it is written.

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
