// What happened to a conversation, in words: who got it, and why.
import type { Item } from "../protocol/wire";
import { coded, t } from "../words";

type Teller = (item: Item) => string;

const why = (item: Item): string => (item.detail ? ` (${coded("why", item.detail)})` : "");

const TELLERS: Record<string, Teller> = {
  "conversation.opened": (item) => t("event.opened", { channel: item.detail }),
  "conversation.queued": (item) => t("event.queued") + why(item),
  "conversation.unroutable": (item) => t("event.unroutable", { why: coded("why", item.detail) }),
  "offer.made": (item) => t("event.offered", { who: item.operator }),
  "offer.ended": (item) => t("event.offer_ended", { who: item.operator, why: coded("why", item.detail) }),
  "conversation.assigned": (item) =>
    (item.name && item.name !== item.operator
      ? t("event.assigned_by", { who: item.operator, by: item.name })
      : t("event.assigned", { who: item.operator })) + why(item),
  "conversation.unassigned": (item) => t("event.unassigned", { who: item.operator, why: coded("why", item.detail) }),
  "conversation.reopened": (item) =>
    item.detail
      ? t("event.reopened_undelivered")
      : item.name
        ? t("event.reopened_by", { who: item.name })
        : t("event.reopened"),
  "conversation.closed": (item) =>
    (item.name ? t("event.closed_by", { who: item.name }) : t("event.closed")) +
    (item.detail ? ` · ${item.detail}` : ""),
  "conversation.parked": (item) =>
    (item.name ? t("event.parked_by", { who: item.name }) : t("event.parked")) + why(item),
  "conversation.woken": (item) => t("event.woken") + why(item),
};

/** Tells an event; one without words of its own is named. */
export const eventWords: Teller = (item) => TELLERS[item.what]?.(item) ?? item.what;
