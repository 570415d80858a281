// Where an answer can go, and what may be said there.
import type { Channel, Route, Summary, Template } from "../protocol/wire";

/** The ways that take written words; a phone does not. */
export const writable = (summary: Summary | null): Route[] =>
  (summary?.routes ?? []).filter((route) => route.writes !== false);

/** The way that is chosen; while none is, where the customer wrote last. */
export function chosenRoute(summary: Summary | null, chosen: string): Route | undefined {
  const ways = writable(summary);
  return ways.find((route) => route.address === chosen) ?? ways[0];
}

/** Whether the provider takes only approved texts there now. */
export const isShut = (route: Route | undefined, now: number): boolean =>
  Boolean(route?.window_until) && now >= (route?.window_until ?? 0);

/** An approved text with its variables; what is not filled in stays a hole. */
export const filled = (template: Template, values: Readonly<Record<string, string>>): string =>
  template.text.replace(/\{\{\s*(\w+)\s*\}\}/g, (hole, name: string) => values[name] || hole);

export const isFilled = (template: Template, values: Readonly<Record<string, string>>): boolean =>
  template.variables.every((name) => values[name]?.trim());

/** What may be written now. `shut`: only an approved text; `nowhere`: the customer is known by phone only. */
export interface Ways {
  ways: Route[];
  route: Route | undefined;
  shut: boolean;
  nowhere: boolean;
  templates: Template[];
}

export function waysOf(
  summary: Summary | null,
  chosen: string,
  channels: Readonly<Record<string, Channel>>,
  now: number,
): Ways {
  const ways = writable(summary);
  const route = chosenRoute(summary, chosen);
  return {
    ways,
    route,
    shut: isShut(route, now),
    nowhere: ways.length === 0 && (summary?.routes.length ?? 0) > 0,
    templates: channels[route?.channel ?? ""]?.templates ?? [],
  };
}

/** All addresses of the customer: where an answer can go, and the others. */
export const addressesOf = ({ routes, address, others }: Summary): string[] => [
  ...new Set([...(routes.length ? routes.map((route) => route.address) : [address]), ...others]),
];

/** Whether there is a number to call, a channel to call it on, and a phone of the operator's own. */
export const callable = (summary: Summary, channels: Readonly<Record<string, Channel>>, phone: boolean): boolean =>
  phone &&
  Object.values(channels).some((channel) => channel.phone) &&
  summary.addresses.some((address) => /^(tel|sip):/.test(address));
