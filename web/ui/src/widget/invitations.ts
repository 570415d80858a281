// When a visitor is invited: rules of the shop, and limits that keep the chat from being a nuisance. Pure.
import { matchesAny } from "./look";
import type { Invitation, Limits } from "./protocol";

/** What is known of the visitor on this page. */
export interface Situation {
  path: string;
  /** Seconds that this page has been looked at. */
  seconds: number;
  referrer: string;
  campaign: string;
  language: string;
  firstVisit: boolean;
  /** Events that the shop has tracked in this visit. */
  events: readonly string[];
}

/** What the browser remembers of invitations: when they were shown, how many in this visit, when one was refused. */
export interface Past {
  shown: readonly number[];
  inVisit: number;
  refused: number;
}

const WEEK = 7 * 86_400_000;

/** Whether one more is still bearable at the time `now`. */
export function bearable(past: Past, limits: Limits, now: number): boolean {
  const recent = past.shown.filter((at) => at > now - WEEK).length;
  const quiet = past.refused > 0 && now < past.refused + limits.quiet;
  return !quiet && past.inVisit < limits.per_visit && recent < limits.per_week;
}

/** Whether all that a rule names holds. */
export function holds({ when }: Invitation, there: Situation): boolean {
  return (
    matchesAny(when.pages, there.path) &&
    there.seconds >= (when.seconds ?? 0) &&
    matchesAny(when.referrers, hostAndPath(there.referrer)) &&
    matchesAny(when.campaigns, there.campaign) &&
    (!when.languages?.length || when.languages.includes(there.language)) &&
    (when.first_visit === undefined || when.first_visit === there.firstVisit) &&
    (!when.event || there.events.includes(when.event))
  );
}

/** Chooses the first invitation whose rule holds. */
export function invite(
  invitations: readonly Invitation[],
  limits: Limits,
  there: Situation,
  past: Past,
  now: number,
): Invitation | undefined {
  return bearable(past, limits, now) ? invitations.find((each) => holds(each, there)) : undefined;
}

function hostAndPath(referrer: string): string {
  return referrer.replace(/^https?:\/\/|\/?([?#].*)?$/g, "");
}
