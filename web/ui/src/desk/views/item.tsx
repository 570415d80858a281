// One thing that was said or happened.
import type { Signal } from "@preact/signals";
import { useApp } from "../app";
import type { Item } from "../protocol/wire";
import type { Thread } from "../store/threads";
import { coded, t } from "../words";
import { clockTime, moment } from "../words/times";
import { Avatar, ChannelBadge } from "./bits";
import { ContentView } from "./content";
import { eventWords } from "./events";
import { Icon, type IconName } from "./icons";
import { calledIn } from "./naming";

interface Props {
  item: Signal<Item>;
  /** The first of several of the same voice: it has a face. */
  first: boolean;
  conversation: string;
  thread: Thread;
}

export function ItemView({ item: { value: item }, first, conversation, thread }: Props) {
  if (item.kind === "event") return <Happened item={item} />;
  const who = item.kind === "message" ? calledIn(item) : item.name || t("item.automatic");
  return (
    <li class={`item ${item.kind} ${first ? "first" : ""}`} data-item={item.id} data-n={item.n}>
      {first && item.kind !== "reply" && (
        <Avatar name={who} id={item.kind === "message" ? thread.person.value : item.by} size="small" />
      )}
      {first && (
        <p class="item-head">
          <bdi class="item-who">{who}</bdi>
          {item.kind === "note" && <span class="fact">{item.whisper ? t("item.whisper") : t("item.note")}</span>}
          {item.channel && (
            <ChannelBadge
              channel={item.channel}
              address={item.address}
              named={item.channel !== thread.summary.value?.channel}
            />
          )}
          <time dateTime={new Date(item.at).toISOString()} title={moment(item.at)}>
            {clockTime(item.at)}
          </time>
        </p>
      )}
      <div class="bubble" title={moment(item.at)}>
        {item.content && (
          <ContentView
            content={item.content}
            outward={item.kind === "reply"}
            conversation={conversation}
            person={thread.person.value}
          />
        )}
      </div>
      {item.kind === "reply" && <ReceiptLine item={item} thread={thread} own={conversation === thread.id} />}
    </li>
  );
}

function Happened({ item }: { item: Item }) {
  return (
    <li class="item event" data-item={item.id}>
      <span>
        {eventWords(item)} · <time title={moment(item.at)}>{clockTime(item.at)}</time>
      </span>
    </li>
  );
}

/** Several things that happened one after the other: the last one, and the others on demand. */
export function Happenings({ items }: { items: readonly Item[] }) {
  const last = items.at(-1);
  if (!last) return null;
  return (
    <li class="item event" data-item={items[0]?.id}>
      <details>
        <summary>
          {eventWords(last)} · <time title={moment(last.at)}>{clockTime(last.at)}</time> ·{" "}
          {t("timeline.steps", { n: items.length - 1 })}
        </summary>
        <ul>
          {items.slice(0, -1).map((item) => (
            <li key={item.id}>
              {eventWords(item)} · <time title={moment(item.at)}>{clockTime(item.at)}</time>
            </li>
          ))}
        </ul>
      </details>
    </li>
  );
}

const ICONS: Record<string, IconName> = {
  queued: "clock",
  sent: "check",
  delivered: "check",
  read: "eye",
  failed: "warning",
  unknown: "question",
};

/** What is known of an answer, in words; where it did not arrive, why, and what can be done. */
function ReceiptLine({ item, thread, own }: { item: Item; thread: Thread; own: boolean }) {
  const { desk, editor } = useApp();
  const state = item.receipt ?? "queued";
  const bad = state === "failed" || state === "unknown";
  return (
    <div class={`receipt ${state}`} data-state={state}>
      <span class="receipt-word">
        <Icon name={ICONS[state] ?? "check"} size={12} />
        {t(`receipt.${state}`)}
      </span>
      {state === "failed" && item.error && <span class="receipt-why">{item.error}</span>}
      {state === "unknown" && <span class="receipt-why">{t("receipt.unknown_why")}</span>}
      {bad && own && desk.mayReply(thread.summary.value) && (
        <button type="button" class="link" onClick={() => editor.again(thread, item)}>
          {state === "unknown" ? t("receipt.again_unknown") : t("receipt.again")}
        </button>
      )}
      {item.attempts.length > 0 && (
        <details class="attempts">
          <summary>{t("receipt.attempts", { n: item.attempts.length })}</summary>
          <ul>
            {item.attempts.map((each) => (
              <li key={each.outbound}>
                {moment(each.at)} · {t(`receipt.${each.receipt ?? "queued"}`)}{" "}
                {each.error || coded("refused", each.code ?? "")}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}
