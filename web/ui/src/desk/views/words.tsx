// One's own words that are not confirmed yet, or were not taken: they never vanish.
import { useApp } from "../app";
import type { Order } from "../protocol/orders";
import type { Content } from "../protocol/wire";
import { reasonOf } from "../store/desk";
import { t } from "../words";
import { clockTime } from "../words/times";
import { Icon } from "./icons";

export function Words({ order }: { order: Order }) {
  const { action } = order;
  if (action.do !== "reply" && action.do !== "note") return null;
  return (
    <li class={`item pending first ${action.do}`} data-state={order.state}>
      <div class="bubble">
        <div class="text" dir="auto">
          {textIn(action.content)}
        </div>
      </div>
      {order.code === "stale" ? <Stale order={order} /> : <State order={order} />}
    </li>
  );
}

function State({ order }: { order: Order }) {
  const { desk, editor } = useApp();
  return (
    <div class={`receipt ${order.state}`} data-state={order.state}>
      <span class="receipt-word">
        <Icon name={order.state === "refused" ? "warning" : "clock"} size={12} />
        {t(`pending.${order.state}`)}
      </span>
      {order.code && <span class="receipt-why">{reasonOf(order.code, order.reason)}</span>}
      {order.state === "refused" && (
        <>
          <button type="button" class="link" onClick={() => editor.takeBack(order.id)}>
            {t("pending.edit")}
          </button>
          <button type="button" class="link" onClick={() => desk.orders.discard(order.id)}>
            {t("pending.discard")}
          </button>
        </>
      )}
    </div>
  );
}

/** A colleague was faster: what came meanwhile, and the choice. */
function Stale({ order }: { order: Order }) {
  const { editor } = useApp();
  return (
    <div class="stale" id="stale" role="alert">
      <p class="big">{t("stale.title")}</p>
      <ol>
        {order.since.map((item) => (
          <li key={item.id}>
            <b>{item.name || t("item.automatic")}</b> <time>{clockTime(item.at)}</time>
            <div class="text" dir="auto">
              {item.content ? textIn(item.content) : ""}
            </div>
          </li>
        ))}
      </ol>
      <div class="stale-deeds">
        <button type="button" class="button" onClick={() => editor.takeBack(order.id)}>
          {t("stale.keep")}
        </button>
        <button type="button" class="button primary" onClick={() => editor.sendAnyway(order.id)}>
          {t("stale.anyway")}
        </button>
      </div>
    </div>
  );
}

/** The words in a content, in one line or several. */
function textIn(content: Content): string {
  if (content.kind === "text" || content.kind === "template") return content.text;
  if (content.kind === "media") return content.caption || content.filename || content.type;
  return "";
}
