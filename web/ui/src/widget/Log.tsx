// The conversation as it is shown.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { pieces, safeAddress } from "../shared/links";
import { duration, fileSize, timeOfDay } from "../shared/measures";
import type { Chat } from "./chat";
import { kindOf, type Sending } from "./files";
import { Icon, type Sign } from "./icons";
import { inLanguage } from "./look";
import type { Shown, ShownFile, Speaker } from "./protocol";
import type { Key, Language, Say } from "./texts";
import { type Bubble, isBubble, type Note, type Tick } from "./transcript";

const NEAR = 80;
const TICKS: Record<Tick, Sign> = {
  sending: "clock",
  accepted: "check",
  delivered: "checks",
  read: "checks",
  failed: "alert",
};

export interface Around {
  chat: Chat;
  say: Say;
  language: Language;
}

export function Log({ children, ...around }: Around & { children: ComponentChildren }): JSX.Element {
  const { chat, say } = around;
  const box = useRef<HTMLDivElement>(null);
  const [away, setAway] = useState(false);
  const entries = chat.entries;
  const last = entries.filter(isBubble).at(-1);
  const memo = around.language + chat.sessions;
  const toEnd = () => box.current?.scrollTo({ top: box.current.scrollHeight });
  useEffect(() => {
    if (!away || last?.kind === "own") toEnd();
  }, [last?.key, chat.files.uploads.length, chat.typing, chat.now.closed]);
  useEffect(() => {
    const watch = new ResizeObserver(() => {
      if (!box.current?.classList.contains("away")) toEnd();
    });
    if (box.current) for (const part of [box.current, box.current.firstElementChild]) part && watch.observe(part);
    return () => watch.disconnect();
  }, []);
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current as HTMLDivElement;
    setAway(scrollHeight - scrollTop - clientHeight > NEAR);
  };
  return (
    <div
      ref={box}
      class={`log ${away ? "away" : ""}`}
      role="log"
      aria-live="off"
      aria-label={say("log")}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also for those without a mouse
      tabIndex={0}
      onScroll={scrolled}
    >
      <div class="flow">
        {children}
        {entries.map((entry) =>
          isBubble(entry) ? (
            <BubbleLine key={entry.key} memo={memo + JSON.stringify(entry)} bubble={entry} {...around} />
          ) : (
            <NoteLine key={entry.key} note={entry} {...around} />
          ),
        )}
        {chat.files.uploads.map((sending) => (
          <UploadLine key={sending.id} sending={sending} {...around} />
        ))}
        {chat.typing !== undefined && (
          <div class="line typing">
            <Avatar speaker={chat.now.operator} />
            <div class="bubble dots" role="img" aria-label={say("typing", { name: chat.typing || say("someone") })}>
              <i />
              <i />
              <i />
            </div>
          </div>
        )}
      </div>
      {away && chat.unread > 0 && (
        <button type="button" class="newer" onClick={toEnd}>
          {say("newMessages")} <Icon name="down" />
        </button>
      )}
    </div>
  );
}

export function Avatar({ speaker }: { speaker: Speaker | undefined }): JSX.Element {
  const [broken, setBroken] = useState(false);
  const source = speaker?.avatar && safeAddress(new URL(speaker.avatar, location.href).href);
  const letter = Array.from(speaker?.name ?? "")[0]?.toUpperCase();
  return (
    <span class="avatar" aria-hidden="true">
      {source && !broken ? (
        <img src={source} alt="" onError={() => setBroken(true)} />
      ) : (
        (letter ?? <Icon name="talk" />)
      )}
    </span>
  );
}

export function Said({ text }: { text: string }): JSX.Element {
  return (
    <>
      {pieces(text).map((piece) =>
        typeof piece === "string" ? (
          piece
        ) : (
          <a href={piece.href} target="_blank" rel="noopener noreferrer nofollow">
            {piece.text}
          </a>
        ),
      )}
    </>
  );
}

function NoteLine({ note, say, language }: Around & { note: Note }): JSX.Element {
  if (note.kind === "day") return <p class="note day">{day(note.at, say, language)}</p>;
  const name = note.author?.name || say("someone");
  return <p class="note">{note.kind === "joined" ? say("joined", { name }) : say("closed")}</p>;
}

/** The browser's own variety of a language: how people there write times. */
export function localeOf(language: Language): string {
  return navigator.languages.find((each) => each.startsWith(language)) ?? language;
}

function day(at: number, say: Say, language: Language): string {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days < 2) return say(days === 1 ? "yesterday" : "today");
  return new Intl.DateTimeFormat(language, { day: "numeric", month: "long", weekday: "long" }).format(at);
}

/** `memo` names all that it shows: it is drawn anew when that is another. */
function BubbleLine({ bubble, ...around }: Around & { bubble: Bubble; memo: string }): JSX.Element {
  const { say, language, chat } = around;
  const { kind, content, author, first, last, tick, id } = bubble;
  const own = kind === "own";
  const bare = content.kind === "file" && kindOf(content) === "image" && !content.caption && !bubble.deleted;
  return (
    <div class={`line ${kind} ${first ? "first" : ""} ${last ? "last" : ""}`}>
      {!own && (last ? <Avatar speaker={author} /> : <span class="avatar none" />)}
      <div class="said">
        {!own && first && author?.name && <span class="who">{author.name}</span>}
        <div class={`bubble ${bare ? "bare" : ""} ${bubble.deleted ? "gone" : ""}`}>
          {bubble.deleted ? say("deleted") : <Content content={content} {...around} />}
        </div>
        {bubble.open && content.kind === "choice" && <Options content={content} chat={chat} />}
        {(last || bubble.edited || tick === "failed") && (
          <span class={`meta ${tick ?? ""}`}>
            {bubble.edited && !bubble.deleted && `${say("edited")} · `}
            <time dateTime={new Date(bubble.at).toISOString()}>{timeOfDay(bubble.at, localeOf(language))}</time>
            {tick && <TickMark tick={tick} say={say} />}
            {tick === "failed" && (
              <>
                <button type="button" onClick={() => chat.settle(id, true)}>
                  {say("again")}
                </button>
                <button type="button" onClick={() => chat.settle(id, false)}>
                  {say("remove")}
                </button>
              </>
            )}
          </span>
        )}
      </div>
    </div>
  );
}

function TickMark({ tick, say }: { tick: Tick; say: Say }): JSX.Element {
  return (
    <span class="tick">
      <Icon name={TICKS[tick]} />
      <span class={tick === "failed" ? "" : "hidden"}>{say(tick)}</span>
    </span>
  );
}

function Content({ content, ...around }: Around & { content: Shown }): JSX.Element | null {
  switch (content.kind) {
    case "file":
      return (
        <>
          <FileView file={content} {...around} />
          {content.caption && <Said text={content.caption} />}
        </>
      );
    case "form":
      return <FormView answers={content.answers} {...around} />;
    case "text":
      return (
        <>
          <Said text={content.text} />
          {content.files?.map((file) => (
            <FileView key={file.file} file={file} {...around} />
          ))}
        </>
      );
    case "choice":
      return <Said text={content.text || content.chosen || ""} />;
    default:
      return null;
  }
}

function FormView({ answers, chat, language, say }: Around & { answers: Record<string, string> }): JSX.Element {
  const asked = chat.session?.look.questions ?? [];
  const { message, ...others } = answers;
  return (
    <>
      {Object.entries(others).map(([name, answer]) => {
        const question = asked.find((each) => each.name === name);
        const option = question?.options?.find(({ value }) => value === answer);
        return (
          <span class="answer" key={name}>
            <small>{inLanguage(question?.label, language) ?? say(name as Key)}</small>
            {inLanguage(option?.label, language) ?? answer}
          </span>
        );
      })}
      <Said text={message ?? ""} />
    </>
  );
}

function Options({ content, chat }: { content: Shown & { kind: "choice" }; chat: Chat }): JSX.Element {
  return (
    <div class="options">
      {content.options?.map(({ id, label: words, url }) => {
        const href = url && safeAddress(url);
        return href ? (
          <a key={id} href={href} target="_blank" rel="noopener noreferrer">
            {words}
          </a>
        ) : (
          <button key={id} type="button" onClick={() => chat.say({ kind: "choice", chosen: id, text: words })}>
            {words}
          </button>
        );
      })}
    </div>
  );
}

function FileView({ file, chat, say, language }: Around & { file: ShownFile }): JSX.Element {
  const kind = kindOf(file);
  const [url, setUrl] = useState("");
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    if (kind) chat.files.url(file).then(setUrl, () => setFailed(true));
  }, [file.file]);
  const name = file.name || say("file");
  const save = async () => {
    const link = document.createElement("a");
    link.href = await chat.files.url(file);
    link.download = file.name || "file";
    link.click();
  };
  const size = file.width && file.height ? { width: file.width, height: file.height } : {};
  if (kind === "image" && !failed) {
    if (!url) return <span class="picture blank" />;
    return (
      <a class="picture" href={url} target="_blank" rel="noopener" aria-label={`${say("picture")}: ${name}`}>
        <img src={url} alt="" {...size} onError={() => setFailed(true)} />
      </a>
    );
  }
  if (kind && url && !failed) {
    const Player = kind as "audio" | "video";
    const title = file.voice ? say("voice") : name;
    return <Player src={url} controls preload="metadata" aria-label={title} onError={() => setFailed(true)} />;
  }
  return (
    <button
      type="button"
      class="file"
      aria-label={say("download", { name })}
      onClick={() => void save().catch(() => setFailed(true))}
    >
      <Icon name="file" />
      <span>
        <b>{name}</b>
        <small>
          {failed ? say("unavailable") : file.duration ? duration(file.duration) : fileSize(file.size, language)}
        </small>
      </span>
    </button>
  );
}

const PROBLEMS: Record<string, Key> = {
  too_large: "tooLarge",
  unsupported_type: "badType",
  rate_limited: "tooMany",
};

function UploadLine({ sending, chat, say, language }: Around & { sending: Sending }): JSX.Element {
  const { file, share, picture, problem } = sending;
  const name = sending.voice ? say("voice") : file.name;
  const percent = Math.round(share * 100);
  const size = fileSize(chat.session?.file_bytes ?? 0, language);
  const hopeless = problem === "too_large" || problem === "unsupported_type";
  return (
    <div class="line own first last">
      <div class="said">
        <div class={`bubble upload ${picture && !problem ? "bare" : ""}`}>
          {picture && <img src={picture} alt="" />}
          {problem ? (
            <span role="alert">{say(PROBLEMS[problem] ?? "notUploaded", { name, size })}</span>
          ) : (
            <span class="progress">
              <progress max={100} value={percent} aria-label={say("uploading", { name, percent })} />
              {!picture && name}
            </span>
          )}
        </div>
        <span class="meta">
          {problem && !hopeless && (
            <button type="button" onClick={() => void chat.files.retry(sending)}>
              {say("again")}
            </button>
          )}
          <button type="button" onClick={sending.cancel}>
            {say(problem ? "remove" : "cancel")}
          </button>
        </span>
      </div>
    </div>
  );
}
