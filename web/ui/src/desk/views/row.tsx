// One conversation in a list. It follows its own signal only: a message somewhere else does not touch it.
import { useComputed } from "@preact/signals";
import { useApp } from "../app";
import type { Summary } from "../protocol/wire";
import { lateness } from "../store/lateness";
import { isMine, offerTo, unreadOf } from "../store/lists";
import { t } from "../words";
import { clockTime, day, midnight, short } from "../words/times";
import { Avatar, ChannelBadge } from "./bits";
import { Icon } from "./icons";
import { calledIn } from "./naming";

export function Row({ id }: { id: string }) {
  const { desk, places } = useApp();
  const summary = desk.lists.row(id)?.value;
  const open = useComputed(() => desk.threads.current.value?.id === id);
  const pointed = useComputed(() => places.cursor.value === id);
  if (!summary) return null;
  const me = desk.me.value?.id ?? "";
  const unread = isMine(summary, me) ? unreadOf(summary, me) : 0;
  const offered = summary.owner !== me && offerTo(summary, me) !== undefined;
  return (
    <button
      type="button"
      id={`row-${id}`}
      class={`row ${unread ? "unread" : ""} ${offered ? "offered" : ""} ${summary.status === "closed" ? "closed" : ""}`}
      aria-current={open.value}
      tabIndex={pointed.value || open.value ? 0 : -1}
      onClick={() => places.open(id)}
    >
      <Avatar name={calledIn(summary)} id={summary.person} />
      <span class="row-name" dir="auto">
        {calledIn(summary)}
      </span>
      <span class="row-when">
        <Waiting summary={summary} />
      </span>
      <span class="row-preview" dir="auto">
        {summary.preview || "…"}
      </span>
      {unread > 0 && (
        <span class="unread-count">
          <span aria-hidden="true">{unread}</span>
          <span class="unseen">{t("row.unread", { n: unread })}</span>
        </span>
      )}
      <span class="row-facts">
        <ChannelBadge channel={summary.channel} address={summary.address} named />
        <Facts summary={summary} me={me} offered={offered} />
      </span>
    </button>
  );
}

function Facts({ summary, me, offered }: { summary: Summary; me: string; offered: boolean }) {
  const { call, missed, undelivered, parked, warned, owner, owner_name, status } = summary;
  return (
    <>
      {call && <span class="fact live">{callWords(summary)}</span>}
      {!call && missed && <span class="fact bad">{t("call.missed")}</span>}
      {undelivered > 0 && <span class="fact bad">{t("row.undelivered", { n: undelivered })}</span>}
      {offered && <span class="fact live">{t("row.offered")}</span>}
      {parked && <span class="fact">{t("row.parked")}</span>}
      {warned && <span class="fact bad">{t("row.warned")}</span>}
      {!offered && owner && owner !== me && <span class="fact">{owner_name}</span>}
      {!owner && !offered && status !== "closed" && <span class="fact">{t("row.waiting")}</span>}
      {status === "closed" && <span class="fact">{t("row.closed")}</span>}
    </>
  );
}

export function callWords({ call }: Summary): string {
  if (call?.state === "answered") return t("call.on");
  return call?.direction === "in" ? t("call.calling") : t("call.dialing");
}

/** How long the customer waits, in the colour of the service level; else when something last was. */
function Waiting({ summary }: { summary: Summary }) {
  const { desk } = useApp();
  const since = summary.status === "closed" || summary.parked ? 0 : summary.unanswered || summary.waiting_since;
  const now = desk.clock.now.value;
  if (!since) {
    const at = summary.closed_at || summary.opened_at;
    return <time class="when">{midnight(at) === midnight(now) ? clockTime(at) : day(at, now).slice(0, 12)}</time>;
  }
  return (
    <time class={`waiting ${lateness(desk.serviceLevels.value, summary.kind, summary.rule, now - since)}`}>
      <Icon name="clock" size={12} />
      {short(now - since)}
    </time>
  );
}
