// Search over all conversations and people, with filters.
import { useEffect, useRef } from "preact/hooks";
import { useApp } from "../app";
import { type Hit, type Match, marked, type PersonHit } from "../store/search";
import { coded, t } from "../words";
import { moment } from "../words/times";
import { Avatar, ChannelBadge } from "./bits";
import { Icon } from "./icons";
import { addressShown, calledIn } from "./naming";

export function SearchPage() {
  const { search } = useApp();
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => box.current?.select(), []);
  const hits = search.hits.value;
  return (
    <section class="page search" aria-label={t("page.search")}>
      <h1 class="unseen">{t("page.search")}</h1>
      <div class="search-box">
        <Icon name="search" />
        <input
          ref={box}
          type="search"
          maxLength={300}
          value={search.words.value}
          placeholder={t("search.place")}
          aria-label={t("search.place")}
          onInput={(event) => {
            search.words.value = event.currentTarget.value;
          }}
          onKeyDown={(event) => {
            if (event.key !== "ArrowDown") return;
            event.preventDefault();
            document.querySelector<HTMLElement>(".found")?.focus();
          }}
        />
      </div>
      <Filters />
      {search.problem.value && (
        <p class="problem" role="alert">
          {search.problem.value}
        </p>
      )}
      <IndexNote />
      <People />
      {hits === null ? <p class="quiet search-hint">{t("search.hint")}</p> : <Hits hits={hits} />}
    </section>
  );
}

function Filters() {
  const { desk, search } = useApp();
  const { channel, operator, state, from, to } = search.filters;
  const person = search.person.value;
  return (
    <div class="filters">
      {person && (
        <button
          type="button"
          class="chip"
          onClick={() => {
            search.person.value = null;
          }}
        >
          {personCalled(person)} <Icon name="close" size={13} />
        </button>
      )}
      <Select
        label={t("search.channel")}
        of={channel}
        names={Object.keys(desk.channels.value).map((each) => [each, each])}
      />
      <Select
        label={t("search.operator")}
        of={operator}
        names={desk.colleagues.value.map((each) => [each.id, each.name])}
      />
      <Select
        label={t("search.state")}
        of={state}
        names={[
          ["open", t("search.open")],
          ["closed", t("search.closed")],
        ]}
      />
      <Day label={t("search.from")} of={from} />
      <Day label={t("search.to")} of={to} />
    </div>
  );
}

interface Picked {
  value: string;
}

function Select({ label, of, names }: { label: string; of: Picked; names: readonly (readonly [string, string])[] }) {
  return (
    <select
      aria-label={label}
      class={of.value ? "set" : ""}
      value={of.value}
      onChange={(event) => {
        of.value = event.currentTarget.value;
      }}
    >
      <option value="">{label}</option>
      {names.map(([value, name]) => (
        <option key={value} value={value}>
          {name}
        </option>
      ))}
    </select>
  );
}

export function Day({ label, of }: { label: string; of: Picked }) {
  return (
    <label class="day-pick">
      <span>{label}</span>
      <input
        type="date"
        value={of.value}
        onChange={(event) => {
          of.value = event.currentTarget.value;
        }}
      />
    </label>
  );
}

function IndexNote() {
  const { search } = useApp();
  const index = search.index.value;
  if (!index || index.state === "ready") return null;
  const done = Math.floor(index.done * 100);
  return <p class="quiet">{index.state === "building" ? t("search.building", { n: done }) : t("search.behind")}</p>;
}

function People() {
  const { search } = useApp();
  const people = search.people.value;
  if (!people.length) return null;
  return (
    <section>
      <h2>{t("search.people")}</h2>
      <ul class="people">
        {people.map((each) => (
          <li key={each.person}>
            <PersonButton person={each} />
          </li>
        ))}
      </ul>
    </section>
  );
}

const personCalled = ({ name = "", addresses = [], person: id }: PersonHit): string =>
  calledIn({ name, address: addresses[0] ?? "", id });

/** The address below the name; where there is no name it stands above already. */
const addressOf = ({ name, addresses = [] }: PersonHit): string =>
  name ? addressShown(addresses.find((each) => !each.startsWith("visitor:")) ?? addresses[0] ?? "") : "";

function PersonButton({ person }: { person: PersonHit }) {
  const { search } = useApp();
  const name = personCalled(person);
  return (
    <button
      type="button"
      class="person-hit"
      onClick={() => {
        search.person.value = person;
        search.words.value = "";
      }}
    >
      <Avatar name={name} id={person.person} size="small" />
      <span>
        <b>
          <bdi>{name}</bdi>
        </b>
        <span class="quiet block">{addressOf(person)}</span>
      </span>
      <span class="quiet">{t("search.conversations", { n: person.conversations ?? 0 })}</span>
    </button>
  );
}

function Hits({ hits }: { hits: readonly Hit[] }) {
  const { search } = useApp();
  const step = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    if (!by || !(event.target instanceof HTMLElement)) return;
    const all = [...document.querySelectorAll<HTMLElement>(".found")];
    const next = all[all.indexOf(event.target) + by];
    event.preventDefault();
    event.stopPropagation();
    (next ?? document.querySelector<HTMLElement>(".search-box input"))?.focus();
  };
  return (
    <section>
      <h2>{t("page.inbox")}</h2>
      {hits.length === 0 && <p class="quiet">{t("search.nothing")}</p>}
      <ul class="plain-list" onKeyDown={step}>
        {hits.map((each) => (
          <li key={each.conversation}>
            <HitButton hit={each} />
          </li>
        ))}
      </ul>
      {search.next.value && (
        <button type="button" class="button" onClick={() => void search.more()}>
          {t("search.more")}
        </button>
      )}
    </section>
  );
}

function HitButton({ hit }: { hit: Hit }) {
  const { desk, places } = useApp();
  const row = desk.lists.row(hit.conversation)?.value;
  const { name: given = "", address = "", conversation: id } = hit;
  const name = calledIn(row ?? { name: given, address, id });
  const matches = hit.matches ?? [];
  const more = (hit.count ?? 0) - matches.length;
  return (
    <button type="button" class="found" onClick={() => places.open(hit.conversation, hit.person)}>
      <Avatar name={name} id={hit.person} />
      <span class="found-words">
        <span class="found-head">
          <b>
            <bdi>{name}</bdi>
          </b>
          <ChannelBadge channel={hit.channel} address="" named />
          <span class="fact">{coded("status", hit.status)}</span>
          {hit.owner && <span class="fact">{desk.nameOf(hit.owner)}</span>}
          {hit.result && <span class="fact">{hit.result}</span>}
          <time class="quiet">{moment(hit.last_at)}</time>
        </span>
        {matches.map((match) => (
          <MatchLine key={match.item + (match.field ?? "")} match={match} />
        ))}
        {more > 0 && <span class="quiet">{t("search.more_matches", { n: more })}</span>}
      </span>
    </button>
  );
}

function MatchLine({ match }: { match: Match }) {
  return (
    <span class={`match ${match.kind}`} dir="auto">
      {match.name && (
        <span class="match-who">
          <bdi>{match.name}</bdi>:{" "}
        </span>
      )}
      {marked(match.text, match.marks ?? []).map((piece, i) =>
        piece.hit ? <mark key={`${i}-${piece.text}`}>{piece.text}</mark> : piece.text,
      )}
    </span>
  );
}
