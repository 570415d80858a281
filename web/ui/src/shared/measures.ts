// Sizes, durations and times of day as people of a language write them.

/** `2.4 MB`; `bytes` in units of 1,000, as files are sold. */
export function fileSize(bytes: number, language: string): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const maximumFractionDigits = power > 1 ? 1 : 0;
  const options = { style: "unit", unit: units[power], unitDisplay: "short", maximumFractionDigits } as const;
  return new Intl.NumberFormat(language, options).format(bytes / 1000 ** power);
}

/** `0:07`, `12:40`; `ms` is in milliseconds. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** `Monday 9:00`. */
export function dayAndTime(at: number, language: string): string {
  return new Intl.DateTimeFormat(language, { weekday: "long", hour: "numeric", minute: "2-digit" }).format(at);
}

/** `14:05`, or `2:05 PM`. */
export function timeOfDay(at: number, language: string): string {
  return new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" }).format(at);
}
