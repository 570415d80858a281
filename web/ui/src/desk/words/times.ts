// Times and numbers as people of the screen's language write them.
import { computed } from "@preact/signals";
import { fileSize, timeOfDay } from "../../shared/measures";
import { language, t } from "./index";

/** The screen's language as the browser's region writes it: 14:05 in Britain, 2:05 PM in America. */
const locale = computed(() => navigator.languages.find((each) => each.startsWith(language.value)) ?? language.value);

const DAY = 86_400_000;

/** How long ago, in the shortest form: 12 s, 4 min, 3 h, 2 d. */
export function short(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return t("time.s", { n: seconds });
  if (seconds < 3600) return t("time.min", { n: Math.floor(seconds / 60) });
  if (seconds < 86_400) return t("time.h", { n: Math.floor(seconds / 3600) });
  return t("time.d", { n: Math.floor(seconds / 86_400) });
}

/** Hours and minutes. */
export const clockTime = (at: number): string => timeOfDay(at, locale.value);

/** The day, in words where it is near. */
export function day(at: number, now: number): string {
  const [then, today] = [midnight(at), midnight(now)];
  if (then === today) return t("day.today");
  if (then === midnight(today - DAY / 2)) return t("day.yesterday");
  const year = new Date(at).getFullYear() === new Date(now).getFullYear() ? undefined : ("numeric" as const);
  return new Date(at).toLocaleDateString(locale.value, {
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(year ? { year } : {}),
  });
}

/** Date and time, in full: for titles and old things. */
export const moment = (at: number): string =>
  new Date(at).toLocaleString(locale.value, { dateStyle: "medium", timeStyle: "short" });

export const midnight = (at: number): number => new Date(at).setHours(0, 0, 0, 0);

/** 2.4 MB. */
export const size = (bytes: number): string => fileSize(bytes, locale.value);
