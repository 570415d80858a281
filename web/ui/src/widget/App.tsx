// The chat as a whole: the button in the corner, the panel, what it holds at which time.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { isRightToLeft } from "../shared/languages";
import { dayAndTime } from "../shared/measures";
import { FormCard, offlineQuestions, RatingCard } from "./Cards";
import { Composer } from "./Composer";
import type { Chat } from "./chat";
import { Icon, SignButton } from "./icons";
import { Avatar, Log, localeOf, Said } from "./Log";
import { inLanguage } from "./look";
import type { Invitation, Texts, Theme } from "./protocol";
import { type Catalogue, LANGUAGES, type Language, NAMES, type Say, speaker } from "./texts";

/** What the element decides; the application shows it and asks for changes. */
export interface Shell {
  chat: Chat;
  opened: boolean;
  /** Somebody has just asked for it, and wants to write. */
  asked: boolean;
  /** The whole window is the chat. */
  page: boolean;
  /** Show the button; without it the shop's own script opens the chat. */
  launcher: boolean;
  language: Language;
  words: Catalogue;
  theme: Required<Theme>;
  texts: Texts;
  invitation: Invitation | undefined;
  open(): void;
  close(): void;
  refuse(): void;
  speak(language: Language): void;
}

export const PHONE = "(max-width: 480px), (max-height: 420px)";

export function App({ shell }: { shell: Shell }): JSX.Element | null {
  const { chat, opened, page, language, theme, texts } = shell;
  const say = speaker(language, shell.words, { ...texts });
  const title = say("title");
  if (chat.state === "ended" && !page) return null;
  return (
    <div
      class={`root ${theme.position} ${page ? "page" : ""} ${opened ? "opened" : ""}`}
      dir={isRightToLeft(language) ? "rtl" : "ltr"}
      lang={language}
    >
      {opened && <Panel shell={shell} say={say} title={title} />}
      {!opened && shell.invitation && <Invite shell={shell} invitation={shell.invitation} say={say} />}
      {!page && shell.launcher && <Launcher shell={shell} say={say} />}
      <div class="hidden" role="status" aria-live="polite">
        {chat.news && (
          <span key={chat.news.at}>
            {say("says", { name: chat.news.name || title, text: chat.news.text || say("file") })}
          </span>
        )}
      </div>
    </div>
  );
}

function Launcher({ shell, say }: { shell: Shell; say: Say }): JSX.Element {
  const { chat, opened, texts } = shell;
  const button = useRef<HTMLButtonElement>(null);
  const was = useRef(opened);
  useEffect(() => {
    if (was.current && !opened) button.current?.focus();
    was.current = opened;
  }, [opened]);
  const n = opened ? 0 : chat.unread;
  const label = opened ? say("close") : n ? say("openUnread", { n }) : say("open");
  const words = !opened && texts.launcher;
  return (
    <button
      ref={button}
      type="button"
      class={`launcher ${words ? "wide" : ""}`}
      aria-label={words ? `${words} – ${label}` : label}
      aria-expanded={opened}
      aria-haspopup="dialog"
      onClick={opened ? shell.close : shell.open}
    >
      <Icon name={opened ? "down" : "talk"} />
      {words && <span>{words}</span>}
      {n > 0 && (
        <span class="badge" aria-hidden="true">
          {n > 99 ? "99+" : n}
        </span>
      )}
    </button>
  );
}

function Invite({ shell, invitation, say }: { shell: Shell; invitation: Invitation; say: Say }): JSX.Element {
  return (
    <section class="invite" aria-label={say("invitation")}>
      <button type="button" class="invited" onClick={shell.open}>
        <Avatar speaker={undefined} />
        <span>{inLanguage(invitation.text, shell.language)}</span>
      </button>
      <SignButton sign="close" label={say("refuse")} class="small" onClick={shell.refuse} />
    </section>
  );
}

function Panel({ shell, say, title }: { shell: Shell; say: Say; title: string }): JSX.Element {
  const { chat, page, language } = shell;
  const panel = useRef<HTMLElement>(null);
  const [warning, setWarning] = useState("");
  const [dragging, setDragging] = useState(false);
  const [anew, setAnew] = useState(false);
  const phone = !page && matchMedia(PHONE).matches;

  const focus = () => {
    const wanted = matchMedia("(pointer: coarse)").matches
      ? undefined
      : panel.current?.querySelector<HTMLElement>(".card :is(input, select, textarea), .composer textarea");
    (wanted ?? panel.current)?.focus();
  };
  useEffect(() => {
    if (shell.asked) focus();
  }, []);
  useEffect(() => {
    chat.look(true);
    return () => chat.look(false);
  }, []);
  useKeyboardRoom(panel);
  const focused = (panel.current?.getRootNode() as ShadowRoot | undefined)?.activeElement;
  useEffect(() => {
    if (focused && !focused.isConnected) focus(); // what had the focus has gone: a form that was sent, a button
  });

  const { open, closed, operator, rated } = chat.now;
  const begun = !!open || chat.waiting;
  const look = chat.session?.look;
  const away = !chat.staffed;
  const questions = look?.questions ?? [];
  const form = begun ? undefined : away && look?.offline_form ? "offline" : questions.length ? "questions" : undefined;
  const over = !begun && !!closed;
  const asks = over && !rated && chat.keep.all.rated !== closed && !chat.rating;
  const files = chat.session?.file_types.length && !form;

  const drag = (event: DragEvent, on: boolean) => {
    if (!files || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    setDragging(on);
  };
  return (
    <section
      ref={panel}
      class="panel"
      role="dialog"
      aria-label={title}
      aria-modal={phone || undefined}
      tabIndex={-1}
      onKeyDown={(event) => keys(event, phone, page ? undefined : shell.close)}
      onDragOver={(event) => drag(event, true)}
      onDragLeave={(event) => event.target === panel.current?.querySelector(".drop") && setDragging(false)}
      onDrop={(event) => {
        drag(event, false);
        if (files && event.dataTransfer) chat.files.attach(event.dataTransfer.files);
      }}
    >
      <Head shell={shell} say={say} title={title} />
      {(chat.state === "lost" || chat.state === "ended") && (
        <p class="bar" role="status">
          {say(chat.state === "lost" ? chat.state : "refused")}
        </p>
      )}
      {warning && (
        <p class="bar" role="alert">
          {warning} <SignButton sign="close" label={say("close")} class="small" onClick={() => setWarning("")} />
        </p>
      )}
      <Log chat={chat} say={say} language={language}>
        {chat.empty && (
          <div class="line reply first plain">
            <Avatar speaker={operator} />
            <div class="said">
              <div class="bubble">
                <Said text={shell.invitation ? (inLanguage(shell.invitation.text, language) ?? "") : say("greeting")} />
              </div>
            </div>
          </div>
        )}
      </Log>
      <div class="foot">
        {asks && <RatingCard chat={chat} say={say} />}
        {over && (rated || chat.rating) && (
          <p class="place" role="status">
            {say("thanks")}
          </p>
        )}
        {begun && (away || (chat.ahead !== null && !operator)) && (
          <p class="place" role="status">
            {say(away ? "offlineNote" : chat.ahead ? "ahead" : "next", { n: chat.ahead ?? 0 })}
          </p>
        )}
        {over && form && !anew ? (
          <button type="button" class="second" onClick={() => setAnew(true)}>
            {say("anew")}
          </button>
        ) : form ? (
          <FormCard
            key={`${form} ${chat.session?.visitor}`}
            chat={chat}
            say={say}
            language={language}
            name={form}
            questions={form === "offline" ? offlineQuestions(say) : questions}
            intro={say(form === "offline" ? "offline" : "before")}
          />
        ) : (
          <Composer chat={chat} say={say} language={language} warn={setWarning} />
        )}
      </div>
      {dragging && <div class="drop">{say("drop")}</div>}
    </section>
  );
}

function Head({ shell, say, title }: { shell: Shell; say: Say; title: string }): JSX.Element {
  const { chat, page, language } = shell;
  const { operator } = chat.now;
  const name = operator?.name || title;
  const below = operator?.name
    ? title
    : chat.staffed
      ? say("subtitle")
      : chat.opensAt
        ? say("back", { time: dayAndTime(chat.opensAt, localeOf(language)) })
        : say("away");
  const offered = Object.keys(chat.session?.texts ?? {}).filter((each): each is Language =>
    LANGUAGES.includes(each as Language),
  );
  const languages = offered.length ? [...new Set([...offered, language])] : LANGUAGES;
  return (
    <div class="head">
      <span class={`face ${chat.staffed ? "on" : ""}`}>
        <Avatar speaker={operator} />
      </span>
      <div>
        <h2>{name}</h2>
        <p>{below}</p>
      </div>
      {languages.length > 1 && (
        <label class="tongue">
          <Icon name="globe" />
          <select
            aria-label={say("language")}
            title={say("language")}
            value={language}
            onChange={(event) => shell.speak(event.currentTarget.value as Language)}
          >
            {languages.map((each) => (
              <option key={each} value={each} lang={each}>
                {NAMES[each]}
              </option>
            ))}
          </select>
        </label>
      )}
      {!page && <SignButton sign="close" label={say("close")} class="shut" onClick={shell.close} />}
    </div>
  );
}

/** Escape closes; where the chat fills a phone's screen, the focus stays in it. */
function keys(event: KeyboardEvent, modal: boolean, close: (() => void) | undefined): void {
  if (event.key === "Escape" && close) {
    event.stopPropagation();
    close();
  }
  if (event.key !== "Tab" || !modal) return;
  const panel = event.currentTarget as HTMLElement;
  const all = [
    ...panel.querySelectorAll<HTMLElement>(
      "button:not([disabled]), textarea, input:not([hidden]), select, a[href], .log",
    ),
  ];
  const edge = event.shiftKey ? all[0] : all.at(-1);
  const focused = (panel.getRootNode() as ShadowRoot).activeElement;
  if (focused !== edge && focused !== panel) return;
  event.preventDefault();
  (event.shiftKey ? all.at(-1) : all[0])?.focus();
}

/** Keeps the panel above a phone's keyboard, which covers the page and does not shrink it. */
function useKeyboardRoom(panel: { current: HTMLElement | null }): void {
  useEffect(() => {
    const view = visualViewport as VisualViewport;
    const resize = () => {
      panel.current?.style.setProperty("--room", `${view.height}px`);
      panel.current?.style.setProperty("--above", `${view.offsetTop}px`);
    };
    const until = new AbortController();
    resize();
    view.addEventListener("resize", resize, until);
    view.addEventListener("scroll", resize, until);
    return () => until.abort();
  }, []);
}
