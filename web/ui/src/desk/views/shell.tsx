// The frame: rail or bottom bar, what must be known, the page, the notices.
import { useEffect } from "preact/hooks";
import { useApp } from "../app";
import type { Page } from "../store/places";
import { type Key, t } from "../words";
import { short } from "../words/times";
import { Avatar } from "./bits";
import { AnswersPage } from "./canned";
import { Card } from "./card";
import { Conversation } from "./conversation";
import { Dialogs } from "./dialogs";
import { Icon, type IconName } from "./icons";
import { ListPane } from "./list";
import { Mark } from "./mark";
import { ReportsPage } from "./reports";
import { SearchPage } from "./search";
import { SettingsPage } from "./settings";
import { TeamPage } from "./team";

export function Shell() {
  const { desk, places } = useApp();
  const page = places.page.value;
  const reading = page === "inbox" && desk.threads.current.value !== null;
  return (
    <div id="desk" class={`shell ${reading ? "reading" : ""}`}>
      <Rail />
      <div class="stage">
        <Banners />
        {page === "inbox" ? <Inbox /> : <PageView page={page} />}
      </div>
      <BottomBar />
      <Notices />
      <Dialogs />
    </div>
  );
}

function Inbox() {
  const { desk, places, settings } = useApp();
  const thread = desk.threads.current.value;
  const card = thread !== null && (settings.card.value || places.sheet.value);
  return (
    <main class={`inbox ${card ? "with-card" : ""} ${places.sheet.value ? "sheet" : ""}`}>
      <h1 class="unseen">{t("list.conversations")}</h1>
      <ListPane />
      <Conversation />
      {card && <Card thread={thread} />}
    </main>
  );
}

function PageView({ page }: { page: Page }) {
  const pages: Record<Page, () => preact.JSX.Element | null> = {
    inbox: Inbox,
    search: SearchPage,
    team: TeamPage,
    reports: ReportsPage,
    answers: AnswersPage,
    settings: SettingsPage,
  };
  const Shown = pages[page];
  return (
    <main class="page-frame">
      <Shown />
    </main>
  );
}

interface Entry {
  page: Page;
  icon: IconName;
  label: Key;
  supervisor?: boolean;
}

const ENTRIES: readonly Entry[] = [
  { page: "inbox", icon: "inbox", label: "page.inbox" },
  { page: "search", icon: "search", label: "page.search" },
  { page: "team", icon: "team", label: "page.team", supervisor: true },
  { page: "reports", icon: "reports", label: "page.reports", supervisor: true },
  { page: "answers", icon: "answers", label: "page.answers" },
  { page: "settings", icon: "settings", label: "page.settings" },
];

function Rail() {
  const { desk } = useApp();
  return (
    <nav class="rail" aria-label={t("nav.pages")}>
      <Mark />
      {ENTRIES.filter((each) => !each.supervisor || desk.isSupervisor.value).map((each) => (
        <RailButton key={each.page} entry={each} />
      ))}
      <span class="rail-space" />
      <Connection />
      <PresenceButton />
    </nav>
  );
}

function RailButton({ entry }: { entry: Entry }) {
  const { desk, places } = useApp();
  const unread = entry.page === "inbox" ? desk.lists.unread.value : 0;
  return (
    <button
      type="button"
      class="rail-button"
      aria-current={places.page.value === entry.page ? "page" : undefined}
      title={t(entry.label)}
      onClick={() => {
        places.page.value = entry.page;
      }}
    >
      <Icon name={entry.icon} size={20} />
      <span class="rail-label">{t(entry.label)}</span>
      {unread > 0 && <span class="dot-count">{unread}</span>}
    </button>
  );
}

function Connection() {
  const { desk } = useApp();
  const now = desk.connection.value;
  return (
    <span id="connection" class={`connection ${now}`} data-state={now} role="status" title={t(`connection.${now}`)}>
      <span class="unseen">{t(`connection.${now}`)}</span>
    </span>
  );
}

/** Who I am and what I am: one button opens the choice. */
export function PresenceButton() {
  const { desk, places } = useApp();
  const me = desk.me.value;
  const state = desk.myself.value?.state ?? "offline";
  return (
    <button
      type="button"
      class="presence-button"
      id="presence"
      data-state={state}
      title={t("deed.presence")}
      onClick={() => places.ask({ kind: "presence" })}
    >
      <Avatar name={me?.name ?? ""} id={me?.id ?? ""} />
      <span class={`dot ${state}`} aria-hidden="true" />
      <span class="unseen">
        {me?.name}: {t(`presence.${state}`)}
      </span>
    </button>
  );
}

/** On a phone: within the reach of a thumb. */
function BottomBar() {
  const { desk, places } = useApp();
  const page = places.page.value;
  const go = (name: Page) => () => {
    places.page.value = name;
    desk.threads.hide();
  };
  return (
    <nav class="bottom-bar" aria-label={t("nav.bar")}>
      <BarButton
        icon="inbox"
        label={t("page.inbox")}
        on={page === "inbox"}
        count={desk.lists.unread.value}
        onClick={go("inbox")}
      />
      <BarButton icon="search" label={t("page.search")} on={page === "search"} onClick={go("search")} />
      {desk.isSupervisor.value && (
        <BarButton icon="team" label={t("page.team")} on={page === "team"} onClick={go("team")} />
      )}
      <BarButton icon="more" label={t("nav.more")} on={false} onClick={() => places.ask({ kind: "palette" })} />
      <PresenceButton />
    </nav>
  );
}

function BarButton(props: { icon: IconName; label: string; on: boolean; count?: number; onClick: () => void }) {
  return (
    <button type="button" class="bar-button" aria-current={props.on ? "page" : undefined} onClick={props.onClick}>
      <Icon name={props.icon} size={22} />
      <span>{props.label}</span>
      {props.count ? <span class="dot-count">{props.count}</span> : null}
    </button>
  );
}

/** What must be known: no connection, an old picture, alarms, not asked any more. */
function Banners() {
  const { desk } = useApp();
  const myself = desk.myself.value;
  useEffect(() => {
    const timer = setInterval(() => void desk.lookForAlarms(), 15_000);
    return () => clearInterval(timer);
  }, []);
  const why = myself?.state === "not_responding" ? "no_answers" : (myself?.reason ?? "");
  const notAsked = why === "idle" || why === "no_answers";
  return (
    <>
      {desk.connection.value === "lost" && (
        <p class="banner bad" role="alert">
          {t("banner.lost")}
        </p>
      )}
      {desk.connection.value === "connected" && desk.lag.value >= 2 && (
        <p class="banner" id="behind" role="status">
          {t("banner.behind", { n: Math.round(desk.lag.value) })}
        </p>
      )}
      {notAsked && (
        <p class="banner" role="alert">
          {why === "idle" ? t("banner.idle") : t("banner.no_answers")}
          <button type="button" class="button small" onClick={() => desk.setPresence("available")}>
            {t("banner.here")}
          </button>
        </p>
      )}
      {desk.alarms.value.length > 0 && (
        <ul class="banner bad alarms" id="alarms" role="alert">
          {desk.alarms.value.map((each) => (
            <li key={each.name + each.text}>
              <Icon name="warning" size={15} />
              <span>
                <b>{each.text}</b> {each.remedy} <span class="quiet">{short(desk.clock.now.value - each.since)}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Notices() {
  const { desk } = useApp();
  return (
    <div class="notices" role="status" aria-live="polite">
      {desk.notices.shown.value.map((each) => (
        <div key={each.id} class={`notice ${each.tone}`}>
          <span>{each.text}</span>
          {each.act && (
            <button
              type="button"
              class="button small"
              onClick={() => {
                each.act?.run();
                desk.notices.putAway(each.id);
              }}
            >
              {each.act.label}
            </button>
          )}
          <button type="button" class="button bare small" onClick={() => desk.notices.putAway(each.id)}>
            <Icon name="close" size={14} />
            <span class="unseen">{t("deed.shut")}</span>
          </button>
        </div>
      ))}
    </div>
  );
}
