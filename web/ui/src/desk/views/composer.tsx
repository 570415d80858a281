// The editor: answer or note, where it goes, files, approved texts, canned answers and colleagues while typing.
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useApp } from "../app";
import { typedMention, typedShortcut } from "../store/canned";
import type { Thread } from "../store/threads";
import { t } from "../words";
import { short, size } from "../words/times";
import { DeedButton } from "./bits";
import { Completion, completions } from "./completion";
import { channelIcon, Icon } from "./icons";
import { addressShown, calledIn } from "./naming";

export function Composer({ thread }: { thread: Thread }) {
  const { desk, editor } = useApp();
  const summary = thread.summary.value;
  const note = editor.note.value;
  const closed = summary?.status === "closed";
  if (!summary) return <p class="composer-closed">{t("composer.archived")}</p>;
  const may = desk.mayReply(summary);
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    editor.send();
  };
  return (
    <form class={`composer ${note ? "note" : ""}`} onSubmit={send} aria-label={t("composer.label")}>
      <div class="composer-head">
        <div class="modes" role="radiogroup" aria-label={t("composer.mode")}>
          <Mode note={false} label={t("composer.reply")} />
          <Mode note={true} label={editor.whisper.value ? t("composer.whisper") : t("composer.note")} />
        </div>
        {!note && <RoutePicker thread={thread} />}
      </div>
      {!note && <Templates />}
      <Box thread={thread} blocked={!note && (closed || !may)} />
      <Files />
      <div class="composer-foot">
        <DeedButton id="attach" icon="attach" bare />
        <DeedButton id="canned" icon="bolt" bare />
        <DeedButton id="template" icon="form" bare />
        <Hint may={may} closed={closed} />
        <button type="submit" id="send" class="button primary" disabled={!editor.ready.value}>
          <Icon name={note ? "note" : "send"} size={16} />
          {note ? t("composer.add_note") : t("composer.send")}
        </button>
      </div>
    </form>
  );
}

function Mode({ note, label }: { note: boolean; label: string }) {
  const { editor } = useApp();
  return (
    <label class={`mode ${editor.note.value === note ? "on" : ""}`}>
      <input
        type="radio"
        name="mode"
        class="unseen"
        checked={editor.note.value === note}
        onChange={() => editor.setNote(note)}
      />
      {label}
    </label>
  );
}

function Hint({ may, closed }: { may: boolean; closed: boolean }) {
  const { editor, settings } = useApp();
  const { nowhere } = editor.ways.value;
  const note = editor.note.value;
  const words = () => {
    if (note) return t("hint.note");
    if (closed) return t("hint.closed");
    if (nowhere) return t("hint.nowhere");
    if (!may) return t("hint.not_yours");
    return settings.sendKey.value === "enter" ? t("hint.enter") : t("hint.ctrl_enter");
  };
  return (
    <span class="hint" id="reply-hint">
      {words()}
    </span>
  );
}

/** Where the answer goes, and for how long that is open. */
function RoutePicker({ thread }: { thread: Thread }) {
  const { desk, editor } = useApp();
  const { ways, route, shut } = editor.ways.value;
  if (!route) return null;
  const left = route.window_until ? route.window_until - desk.clock.now.value : 0;
  return (
    <span class="route">
      <Icon name={channelIcon(desk.channels.value[route.channel]?.type ?? "", route.address)} size={14} />
      <select
        id="route"
        aria-label={t("composer.route")}
        value={route.address}
        disabled={ways.length < 2}
        onChange={(event) => {
          thread.route.value = event.currentTarget.value;
        }}
      >
        {ways.map((each) => (
          <option key={each.address} value={each.address}>
            {each.channel}: {addressShown(each.address)}
          </option>
        ))}
      </select>
      {route.window_until ? (
        <span id="window" class={shut ? "window shut" : "window"} role="status">
          {shut ? t("composer.shut") : t("composer.open_for", { time: short(left) })}
        </span>
      ) : null}
    </span>
  );
}

/** Approved texts, where one is wanted or nothing else is taken. */
function Templates() {
  const { editor } = useApp();
  const { templates, shut } = editor.ways.value;
  const chosen = editor.chosen.value;
  if (!templates.length || !(shut || editor.template.value)) return null;
  const fillIn = (name: string, value: string) => {
    editor.values.value = { ...editor.values.value, [name]: value };
  };
  return (
    <div class="templates">
      <label>
        {t("template.label")}
        <select
          id="template"
          value={chosen?.name ?? ""}
          onChange={(event) => {
            editor.template.value = event.currentTarget.value || "?";
          }}
        >
          <option value="">{t("template.none")}</option>
          {templates.map((each) => (
            <option key={each.name} value={each.name}>
              {each.name} ({each.language})
            </option>
          ))}
        </select>
      </label>
      {chosen?.variables.map((name) => (
        <label key={name}>
          {`{{${name}}}`}
          <input
            maxLength={1000}
            value={editor.values.value[name] ?? ""}
            onInput={(event) => fillIn(name, event.currentTarget.value)}
          />
        </label>
      ))}
      {chosen && (
        <p class="template-text" id="template-text">
          {editor.filledTemplate()}
        </p>
      )}
    </div>
  );
}

function Box({ thread, blocked }: { thread: Thread; blocked: boolean }) {
  const { desk, editor, places, settings } = useApp();
  const box = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const caret = useSignal(0);
  const chosen = useSignal(0);
  const put = useSignal(""); // what was typed when Escape put the choices away
  const note = editor.note.value;
  const { shut } = editor.ways.value;
  const text = editor.text.value;
  const begun = note ? typedMention(text, caret.value) : typedShortcut(text, caret.value);
  const choices = begun && put.value !== begun.typed + begun.from ? completions(desk, editor, begun.typed, note) : [];
  const suggested = useComputed(() =>
    editor.note.value ? null : desk.canned.suggestion(editor.text.value, editor.tongues(), editor.filling()),
  );

  // The focus moves at once, so that no key of a fast typist goes astray; the caret when the text has been drawn.
  const place = () => {
    const wanted = editor.caret.value;
    const element = box.current;
    if (!wanted || !element) return;
    editor.caret.value = null;
    const text = editor.text.peek();
    element.focus({ preventScroll: true });
    requestAnimationFrame(() => {
      const untouched = element.value === text && element.selectionStart === element.selectionEnd;
      if (document.activeElement !== element || !untouched) return; // somebody types or selects already
      const at = Math.min(wanted.at, element.value.length);
      element.setSelectionRange(at, at);
      caret.value = at;
    });
  };
  useLayoutEffect(place, []);
  useSignalEffect(place);
  useSignalEffect(() => {
    if (places.granted("reply")) box.current?.focus();
  });
  useSignalEffect(() => {
    if (places.granted("file")) picker.current?.click();
  });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight + 2, 260)}px`;
  }, [text]);

  const take = (at: number) => {
    const choice = choices[at];
    if (!begun || !choice) return;
    editor.insert(choice.text, begun.from, caret.peek());
    caret.value = begun.from + choice.text.length; // now: the next key may come before the next picture
    chosen.value = 0;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (choices.length && steer(event)) return;
    const suggestion = suggested.peek();
    if (event.key === "Tab" && !event.shiftKey && suggestion) {
      event.preventDefault();
      editor.insert(suggestion.text, 0, editor.text.peek().length);
      return;
    }
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    if (settings.sendKey.value === "ctrl-enter" && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    editor.send();
  };
  const steer = (event: KeyboardEvent): boolean => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) chosen.value = (chosen.peek() + by + choices.length) % choices.length;
    else if (event.key === "Enter" || event.key === "Tab") take(chosen.peek());
    else if (event.key === "Escape" && begun) put.value = begun.typed + begun.from;
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  };
  const follow = (event: Event & { currentTarget: HTMLTextAreaElement }) => {
    caret.value = event.currentTarget.selectionStart;
  };
  const attach = (files: FileList | null | undefined): boolean => {
    if (!files?.length) return false;
    editor.attach(files);
    return true;
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: files are dropped here; the keys are those of the button
    <div
      class="box"
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        attach(event.dataTransfer?.files);
      }}
    >
      {choices.length > 0 && (
        <Completion choices={choices} chosen={Math.min(chosen.value, choices.length - 1)} onTake={take} />
      )}
      <label for="text" class="unseen">
        {note ? t("composer.note_label") : t("composer.reply")}
      </label>
      <textarea
        id="text"
        ref={box}
        rows={2}
        dir="auto"
        value={text}
        disabled={!note && (shut || editor.chosen.value !== undefined)}
        placeholder={
          note
            ? t("composer.note_place")
            : blocked
              ? t("composer.blocked")
              : t("composer.place", { name: thread.summary.value ? calledIn(thread.summary.value) : "" })
        }
        aria-describedby="reply-hint"
        aria-controls={choices.length ? "completion" : undefined}
        aria-activedescendant={choices.length ? `choice-${Math.min(chosen.value, choices.length - 1)}` : undefined}
        onInput={(event) => {
          follow(event);
          editor.write(event.currentTarget.value);
        }}
        onSelect={follow}
        onKeyDown={onKeyDown}
        onPaste={(event) => {
          if (attach(event.clipboardData?.files)) event.preventDefault();
        }}
      />
      {suggested.value && !choices.length && (
        <p class="suggestion">
          <kbd>Tab</kbd> <b>{suggested.value.answer.title}</b> <span>{suggested.value.text}</span>
        </p>
      )}
      <input
        ref={picker}
        id="file"
        type="file"
        multiple
        hidden
        aria-label={t("deed.attach")}
        onChange={(event) => {
          attach(event.currentTarget.files);
          event.currentTarget.value = "";
        }}
      />
    </div>
  );
}

function Files() {
  const { editor } = useApp();
  if (!editor.files.value.length) return null;
  return (
    <ul class="files">
      {editor.files.value.map((each) => (
        <li key={each.id} class={each.problem.value ? "bad" : ""}>
          <Icon name="file" size={16} />
          <span class="file-name">{each.file.name}</span>
          {each.problem.value ? (
            <span role="alert">{each.problem.value}</span>
          ) : each.media.value ? (
            <span class="quiet">{size(each.file.size)}</span>
          ) : (
            <progress value={each.progress.value} max={1} aria-label={t("file.progress", { name: each.file.name })} />
          )}
          <button type="button" class="button bare" onClick={() => editor.detach(each.id)}>
            <Icon name="close" size={14} />
            <span class="unseen">{t("file.remove", { name: each.file.name })}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
