// Small pieces that stand in many places.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useApp } from "../app";
import { type Chord, shown } from "../keys/chords";
import { t } from "../words";
import { moment, short } from "../words/times";
import { channelIcon, Icon, type IconName } from "./icons";

const HUES = 8;

/** The same colour for the same person, always. */
function hue(id: string): number {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return sum % HUES;
}

export function initials(name: string): string {
  const words = name
    .replace(/[^\p{L}\p{N}\s]/gu, "")
    .trim()
    .split(/\s+/);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return (
    letters
      .map((word) => [...(word ?? "")][0] ?? "")
      .join("")
      .toLocaleUpperCase() || "·"
  );
}

export function Avatar({ name, id, size = "" }: { name: string; id: string; size?: "small" | "big" | "" }) {
  return (
    <span class={`avatar hue-${hue(id)} ${size}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}

/** Which channel: a picture with its name. */
export function ChannelBadge({
  channel,
  address,
  named = false,
}: {
  channel: string;
  address: string;
  named?: boolean;
}) {
  const { desk } = useApp();
  const type = desk.channels.value[channel]?.type ?? "";
  return (
    <span class="channel-badge" title={`${channel} · ${address}`}>
      <Icon name={channelIcon(type, address)} size={13} />
      <span class={named ? "" : "unseen"}>{channel}</span>
    </span>
  );
}

export function Keys({ chord }: { chord: Chord }) {
  return (
    <span class="keys" aria-hidden="true">
      {shown(chord).map((key) => (
        <kbd key={key}>{key}</kbd>
      ))}
    </span>
  );
}

/** Time since, moving on once a second. */
export function Since({ at }: { at: number }) {
  const { desk } = useApp();
  return <time title={moment(at)}>{short(desk.clock.now.value - at)}</time>;
}

/** A button that does a deed; its key stands in its tip. */
export function DeedButton({
  id,
  icon,
  kind = "",
  bare = false,
}: {
  id: string;
  icon?: IconName;
  kind?: string;
  bare?: boolean;
}) {
  const { deeds } = useApp();
  const deed = deeds.get(id);
  if (!deeds.possible(id)) return null;
  const tip = deed.chord ? `${t(deed.label)} (${shown(deed.chord).join(" ")})` : t(deed.label);
  return (
    <button type="button" class={`button ${kind} ${bare ? "bare" : ""}`} title={tip} onClick={() => deeds.run(id)}>
      {icon && <Icon name={icon} />}
      <span class={bare ? "unseen" : ""}>{t(deed.label)}</span>
    </button>
  );
}

/** A dialog over the page; Escape, a click beside it and `onClose` end it. */
export function Dialog({
  title,
  onClose,
  wide = false,
  plain = false,
  children,
}: {
  title: string;
  onClose: () => void;
  wide?: boolean;
  plain?: boolean;
  children: ComponentChildren;
}) {
  const box = useRef<HTMLDialogElement>(null);
  // Before the next key: what is typed at once after the key that opened it belongs in here.
  useLayoutEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={box}
      class={`dialog ${wide ? "wide" : ""} ${plain ? "plain" : ""}`}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => {
        if (event.target === box.current) onClose();
      }}
    >
      {!plain && (
        <header class="dialog-head">
          <h2>{title}</h2>
          <button type="button" class="button bare" onClick={onClose} title={t("deed.shut")}>
            <Icon name="close" />
            <span class="unseen">{t("deed.shut")}</span>
          </button>
        </header>
      )}
      {children}
    </dialog>
  );
}
