// The right column: who the customer is, where they can be reached, what this conversation is, what was before.
import { useSignal } from "@preact/signals";
import { Fragment } from "preact";
import { useEffect } from "preact/hooks";
import { useApp } from "../app";
import { ask } from "../protocol/http";
import { wholeItem } from "../protocol/whole";
import type { Opened, Route, Summary } from "../protocol/wire";
import type { Thread } from "../store/threads";
import { addressesOf } from "../store/ways";
import { coded, t } from "../words";
import { moment } from "../words/times";
import { Avatar, DeedButton, Since } from "./bits";
import { channelIcon, Icon } from "./icons";
import { addressShown, calledIn } from "./naming";

export function Card({ thread }: { thread: Thread }) {
  const { places } = useApp();
  const summary = thread.summary.value;
  const name = summary ? calledIn(summary) : thread.id;
  return (
    <aside class="card" aria-label={t("card.label")}>
      <header class="card-head">
        <Avatar name={name} id={thread.person.value} size="big" />
        <h2 dir="auto">{name}</h2>
        {summary && summary.languages.length > 0 && (
          <p class="quiet">{summary.languages.map(languageName).join(", ")}</p>
        )}
        <button type="button" class="button bare card-close" onClick={() => places.toggleCard()} title={t("deed.card")}>
          <Icon name="close" />
          <span class="unseen">{t("deed.shut")}</span>
        </button>
      </header>
      {summary && <Addresses summary={summary} />}
      {summary && <ThisOne summary={summary} />}
      <About thread={thread} />
      <Before thread={thread} />
    </aside>
  );
}

/** The language in the words of the screen's language. */
function languageName(code: string): string {
  try {
    return new Intl.DisplayNames([document.documentElement.lang || "en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

function Addresses({ summary }: { summary: Summary }) {
  const { desk } = useApp();
  const routes: Route[] = summary.routes.length
    ? summary.routes
    : [{ address: summary.address, channel: summary.channel }];
  const several = addressesOf(summary).length > 1;
  return (
    <section class="card-part">
      <h3>{t("card.addresses")}</h3>
      <ul class="plain-list">
        {routes.map(({ address, channel }) => (
          <li key={address} class="address">
            <Icon name={channelIcon(desk.channels.value[channel]?.type ?? "", address)} size={15} />
            <span class="address-value">
              <bdi>{addressShown(address)}</bdi>
            </span>
            <span class="quiet">{channel}</span>
            {several && <SeparateButton address={address} />}
          </li>
        ))}
        {summary.others.map((address) => (
          <li key={address} class="address">
            <Icon name={channelIcon("", address)} size={15} />
            <span class="address-value">
              <bdi>{addressShown(address)}</bdi>
            </span>
            {several && <SeparateButton address={address} />}
          </li>
        ))}
      </ul>
      <div class="form-deeds start">
        <DeedButton id="link" icon="link" />
      </div>
    </section>
  );
}

function SeparateButton({ address }: { address: string }) {
  const { places } = useApp();
  const words = t("card.separate", { address: addressShown(address) });
  return (
    <button type="button" class="button bare" title={words} onClick={() => places.ask({ kind: "unlink", address })}>
      <Icon name="split" size={15} />
      <span class="unseen">{words}</span>
    </button>
  );
}

function ThisOne({ summary }: { summary: Summary }) {
  return (
    <section class="card-part">
      <h3>{t("card.conversation")}</h3>
      <dl class="facts">
        <dt>{t("card.status")}</dt>
        <dd>{coded("status", summary.status)}</dd>
        <dt>{t("card.owner")}</dt>
        <dd>{summary.owner_name || "—"}</dd>
        {summary.rule && (
          <>
            <dt>{t("card.rule")}</dt>
            <dd>{summary.rule}</dd>
          </>
        )}
        <dt>{t("card.opened")}</dt>
        <dd>{moment(summary.opened_at)}</dd>
        {summary.unanswered > 0 && (
          <>
            <dt>{t("card.unanswered")}</dt>
            <dd>
              <Since at={summary.unanswered} />
            </dd>
          </>
        )}
        {summary.result && (
          <>
            <dt>{t("card.result")}</dt>
            <dd>{summary.result}</dd>
          </>
        )}
      </dl>
    </section>
  );
}

/** What the customer's messages came with: the page, a campaign, what the shop says of them. The latest word counts. */
function About({ thread }: { thread: Thread }) {
  const known = Object.assign({}, ...thread.items.value.map((item) => item.value.attributes)) as Record<string, string>;
  const names = Object.keys(known);
  if (names.length === 0) return null;
  return (
    <section class="card-part">
      <h3>{t("card.about")}</h3>
      <dl class="facts">
        {names.map((name) => (
          <Fragment key={name}>
            <dt>{coded("about", name)}</dt>
            <dd>{coded(`about.${name}`, known[name] ?? "")}</dd>
          </Fragment>
        ))}
      </dl>
    </section>
  );
}

const LISTED = 5;

/** Earlier conversations of the same person, the newest first. */
function Before({ thread }: { thread: Thread }) {
  const past = thread.past.value;
  return (
    <section class="card-part">
      <h3>{t("card.past")}</h3>
      {past.length === 0 && <p class="quiet">{t("card.first")}</p>}
      <ul class="plain-list">
        {[...past]
          .reverse()
          .slice(0, LISTED)
          .map((id) => (
            <Past key={id} id={id} person={thread.person.value} />
          ))}
      </ul>
    </section>
  );
}

function Past({ id, person }: { id: string; person: string }) {
  const { places } = useApp();
  const about = useSignal<{ at: number; words: string } | null>(null);
  useEffect(() => {
    const found = ask<Opened>("GET", `/conversations/${id}?person=${encodeURIComponent(person)}&limit=12`);
    found.then(
      (opened) => {
        const items = opened.items.map(wholeItem);
        const said = items.find((item) => item.content?.kind === "text" && item.kind === "message");
        const words = said?.content?.kind === "text" ? said.content.text : "";
        about.value = { at: items[0]?.at ?? 0, words: words || (items.at(-1)?.detail ?? "") };
      },
      () => {
        about.value = { at: 0, words: id }; // not for this operator to read, or away for a moment
      },
    );
  }, [id]);
  return (
    <li>
      <button type="button" class="past" onClick={() => places.open(id, person)}>
        <Icon name="history" size={15} />
        <span class="past-words" dir="auto">
          {about.value?.words || "…"}
        </span>
        <span class="quiet">{about.value?.at ? moment(about.value.at) : ""}</span>
      </button>
    </li>
  );
}
