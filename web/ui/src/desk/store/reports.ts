// Reports as the node counts them: docs/search-and-reports.md.
import { duration } from "../../shared/measures";
import { language } from "../words";
import type { IndexState } from "./search";

export type Unit = "count" | "ms" | "share" | "rate";
export type By = "hour" | "day" | "week" | "month";

export interface Column {
  name: string;
  unit: Unit;
  about: string;
}

export interface ReportShown {
  name: string;
  group: "channel" | "operator";
  columns: Column[];
}

export interface Group {
  key: string;
  series: Record<string, (number | null)[]>;
  total: Record<string, number | null>;
}

export interface Report extends ReportShown {
  from: string;
  to: string;
  by: By;
  timezone: string;
  buckets: { start: number; label: string }[];
  groups: Group[];
  index: IndexState;
}

const HOUR = 3_600_000;

/** A figure as people read it. */
export function figure(value: number | null | undefined, unit: Unit): string {
  if (value === null || value === undefined) return "—";
  if (unit === "share") return `${(value * 100).toLocaleString(language.value, { maximumFractionDigits: 0 })} %`;
  if (unit === "ms") return value < HOUR ? duration(value) : `${(value / HOUR).toFixed(1)} h`;
  return value.toLocaleString(language.value, { maximumFractionDigits: unit === "count" ? 0 : 2 });
}

/** A calendar day as the node takes it, `back` days before `now` where the operator is. */
export function dayBefore(now: number, back: number): string {
  const day = new Date(now);
  day.setDate(day.getDate() - back);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

/** The points of a line through values in a box; where there is nothing to say the line is broken. */
export function lines(values: readonly (number | null)[], width: number, height: number): string[] {
  const highest = Math.max(...values.map((each) => each ?? 0), 1e-9);
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  const found: string[] = [];
  let current: string[] = [];
  for (const [i, value] of values.entries()) {
    if (value === null) {
      if (current.length) found.push(current.join(" "));
      current = [];
    } else current.push(`${(i * step).toFixed(1)},${(height - (value / highest) * height).toFixed(1)}`);
  }
  if (current.length) found.push(current.join(" "));
  return found;
}
