// How the chat looks on this page: the shop's theme and words, and colours that can be read on one another. Pure.
import type { Look, Texts, Theme, Variant } from "./protocol";

export const DEFAULT: Required<Theme> = { color: "#1b5e4b", position: "end", radius: 18, scheme: "auto" };

export interface Place {
  path: string;
  department: string;
}

/** Whether a pattern with `*` for anything matches a text as a whole, case ignored; in linear time but for the stars. */
export function matches(pattern: string, text: string): boolean {
  const parts = pattern.toLowerCase().split("*");
  const whole = text.toLowerCase();
  const [first = "", ...rest] = parts;
  if (!rest.length) return whole === first;
  const end = rest.pop() ?? "";
  if (!whole.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = whole.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return whole.length - end.length >= at && whole.endsWith(end);
}

/** Whether one of several patterns matches; none: anything does. */
export function matchesAny(patterns: readonly string[] | undefined, text: string): boolean {
  return !patterns?.length || patterns.some((pattern) => matches(pattern, text));
}

/** Finds the first variant for a page. */
export function variantFor(variants: readonly Variant[], place: Place): Variant | undefined {
  return variants.find(
    (each) => matchesAny(each.pages, place.path) && (!each.department || each.department === place.department),
  );
}

/** The theme here: what the tag says before what the variant says before what the channel says. */
export function themeFor(look: Look | undefined, place: Place, own: Theme): Required<Theme> {
  return { ...DEFAULT, ...look?.theme, ...variantFor(look?.variants ?? [], place)?.theme, ...own };
}

/** The shop's words in a language, else in its first one. */
export function textsFor(
  look: Look | undefined,
  texts: Record<string, Texts> | undefined,
  place: Place,
  language: string,
): Texts {
  return { ...inLanguage(texts, language), ...inLanguage(variantFor(look?.variants ?? [], place)?.texts, language) };
}

/** What is there for one language, else for the first there is. */
export function inLanguage<T>(words: Record<string, T> | undefined, language: string): T | undefined {
  return words?.[language] ?? Object.values(words ?? {})[0];
}

type Rgb = [number, number, number];

export function isColour(text: string | undefined): text is string {
  return /^#[0-9a-f]{6}$/i.test(text ?? "");
}

function rgb(colour: string): Rgb {
  return [1, 3, 5].map((place) => Number.parseInt(colour.slice(place, place + 2), 16)) as Rgb;
}

/** Relative luminance, WCAG 2.2. */
function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Contrast of two colours, 1 to 21 (WCAG 2.2). */
export function contrast(one: string, other: string): number {
  const [low, high] = [luminance(rgb(one)), luminance(rgb(other))].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** The colour to write with on `ground`: white if it can be read, else black; one of them always can. */
export function inkOn(ground: string): string {
  return contrast("#ffffff", ground) >= 4.5 ? "#ffffff" : "#000000";
}

/** `colour`, made darker or lighter until it can be read on `ground`. */
export function readable(colour: string, ground: string): string {
  const target = luminance(rgb(ground)) > 0.4 ? 0 : 255;
  let found = colour;
  for (let share = 0.1; contrast(found, ground) < 4.6 && share <= 1; share += 0.1) {
    found = `#${rgb(colour)
      .map((value) => Math.round(value + (target - value) * share))
      .map((value) => value.toString(16).padStart(2, "0"))
      .join("")}`;
  }
  return found;
}
