// The middle column: who it is and what can be done, everything that was said, and the editor.
import { useApp } from "../app";
import type { Summary } from "../protocol/wire";
import { offerTo } from "../store/lists";
import type { Thread } from "../store/threads";
import { coded, t } from "../words";
import { short } from "../words/times";
import { Avatar, ChannelBadge, DeedButton, Since } from "./bits";
import { Composer } from "./composer";
import { Icon } from "./icons";
import { calledIn } from "./naming";
import { callWords } from "./row";
import { Timeline } from "./timeline";

export function Conversation() {
  const { desk } = useApp();
  const thread = desk.threads.current.value;
  if (!thread) return <NothingOpen />;
  return (
    <section class="conversation" aria-label={t("conversation.label")} key={thread.id}>
      <Head thread={thread} />
      <Offered thread={thread} />
      <Standing thread={thread} />
      <Timeline thread={thread} />
      <Composer thread={thread} />
    </section>
  );
}

function NothingOpen() {
  const { desk } = useApp();
  return (
    <section class="conversation nothing" aria-label={t("conversation.label")}>
      <div class="nothing-words">
        <Icon name="inbox" size={40} />
        <p class="big">{t("conversation.nothing")}</p>
        <p>{t("conversation.nothing_hint")}</p>
        {desk.myself.value && desk.myself.value.state !== "available" && <DeedButton id="available" kind="primary" />}
      </div>
    </section>
  );
}

function Head({ thread }: { thread: Thread }) {
  const { desk, places } = useApp();
  const summary = thread.summary.value;
  const name = summary ? calledIn(summary) : thread.id;
  return (
    <header class="conversation-head">
      <button type="button" class="button bare only-narrow" onClick={() => desk.threads.hide()} title={t("deed.back")}>
        <Icon name="back" />
        <span class="unseen">{t("deed.back")}</span>
      </button>
      <button type="button" class="who" onClick={() => places.toggleCard()} title={t("deed.card")}>
        <Avatar name={name} id={thread.person.value} />
        <span class="who-words">
          <h2 id="title" dir="auto">
            {name}
          </h2>
          <span class="who-facts">{summary ? <HeadFacts summary={summary} /> : t("conversation.archived")}</span>
        </span>
      </button>
      <div class="deeds">
        <DeedButton id="take" />
        <DeedButton id="call" icon="phone" bare />
        <DeedButton id="hang-up" icon="hangup" kind="danger" />
        <DeedButton id="why" icon="question" bare />
        <DeedButton id="unread" icon="unread" bare />
        <DeedButton id="park" icon="park" bare />
        <DeedButton id="wake" icon="play" bare />
        <DeedButton id="transfer" icon="transfer" bare />
        <button
          type="button"
          class="button bare only-narrow"
          onClick={() => places.ask({ kind: "palette" })}
          title={t("nav.more")}
        >
          <Icon name="more" />
          <span class="unseen">{t("nav.more")}</span>
        </button>
        <DeedButton id="close" icon="check" />
        <DeedButton id="reopen" kind="primary" />
      </div>
    </header>
  );
}

function HeadFacts({ summary }: { summary: Summary }) {
  return (
    <>
      <ChannelBadge channel={summary.channel} address={summary.address} named />
      <span>{coded("status", summary.status)}</span>
      {summary.owner_name && <span>{summary.owner_name}</span>}
      {summary.call && <span class="fact live">{callWords(summary)}</span>}
    </>
  );
}

/** An offer: who, how long it stands, and two keys. */
function Offered({ thread }: { thread: Thread }) {
  const { desk } = useApp();
  const summary = thread.summary.value;
  const me = desk.me.value?.id ?? "";
  const offer = summary ? offerTo(summary, me) : undefined;
  if (!summary || !offer || summary.owner === me) return null;
  const left = offer.expires ? Math.max(0, offer.expires - desk.clock.now.value) : 0;
  const whole = (desk.channels.value[summary.channel]?.offer_timeout ?? 20_000) || 20_000;
  return (
    <div class="offer" role="status">
      <div class="offer-words">
        <p class="big">{t("offer.title")}</p>
        {offer.from && <p>{t("offer.from", { who: desk.nameOf(offer.from) })}</p>}
        {(offer.comment || summary.comment) && <blockquote dir="auto">{offer.comment || summary.comment}</blockquote>}
        {summary.unanswered > 0 && (
          <p>
            {t("offer.waits")} <Since at={summary.unanswered} />
          </p>
        )}
      </div>
      <div class="offer-deeds">
        {offer.expires ? <span class="countdown">{short(left)}</span> : null}
        <DeedButton id="decline" />
        <DeedButton id="accept" kind="primary" />
      </div>
      {offer.expires ? (
        <span class="offer-time" style={{ transform: `scaleX(${Math.min(1, left / whole)})` }} aria-hidden="true" />
      ) : null}
    </div>
  );
}

/** What stands about the conversation as a whole: parked, warned, a comment of who handed it over. */
function Standing({ thread }: { thread: Thread }) {
  const { desk } = useApp();
  const summary = thread.summary.value;
  if (!summary) return null;
  const me = desk.me.value?.id ?? "";
  return (
    <>
      {summary.parked && (
        <p class="standing">
          <Icon name="park" size={15} />
          {summary.parked.until
            ? t("standing.parked_until", { when: short(summary.parked.until - desk.clock.now.value) })
            : t("standing.parked")}
          <DeedButton id="wake" />
        </p>
      )}
      {summary.warned && (
        <p class="standing bad">
          <Icon name="warning" size={15} />
          {coded("warned", summary.warned)} {lackingWords(summary.lacking)}
        </p>
      )}
      {summary.comment && summary.owner === me && (
        <p class="standing note">
          <Icon name="transfer" size={15} />
          <bdi>{summary.comment}</bdi>
        </p>
      )}
    </>
  );
}

/** What stands in the way of how many operators. */
export function lackingWords(lacking: Readonly<Record<string, number>>): string {
  return Object.entries(lacking)
    .map(([what, n]) => {
      const [kind = "", skill = ""] = what.split(":");
      return `${skill ? t("lacking.skill", { skill }) : coded("lacking", kind)}: ${n}`;
    })
    .join(" · ");
}
