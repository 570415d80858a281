// How late an answer is, by the service levels that the node has told.
import type { Kind, Level, ServiceLevels } from "../protocol/wire";

export type Lateness = "fresh" | "due" | "late";

/** What counts until the node has said what is wished here. */
export const USUAL: ServiceLevels = {
  interactive: { due: 15_000, late: 60_000 },
  exclusive: { due: 10_000, late: 30_000 },
  deferrable: { due: 3_600_000, late: 4 * 3_600_000 },
};

/** By the level of the rule that chose the way, else by that of the kind of channel. */
export function lateness(levels: ServiceLevels, kind: Kind, rule: string, waited: number): Lateness {
  const { due, late }: Level = levels.rules?.[rule] ?? levels[kind];
  return waited >= late ? "late" : waited >= due ? "due" : "fresh";
}
