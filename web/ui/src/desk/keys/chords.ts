// Keys as people press them: by their place on the keyboard, so that they work in Cyrillic as well.

/** `mod+KeyK`, `alt+ArrowDown`, `KeyJ`, `?`: modifiers, then the code of the key, or the sign it makes. */
export type Chord = string;

const isMac = (): boolean => /Mac|iPhone|iPad/.test(navigator.platform);

/** Whether a key event is this chord, no more modifiers and no fewer. */
export function isChord(event: KeyboardEvent, chord: Chord): boolean {
  if (event.key === "?") return chord === "?"; // wherever the layout has it
  if (chord === "?") return false;
  const parts = chord.split("+");
  const code = parts.pop();
  const wants = (name: string) => parts.includes(name);
  const mod = isMac() ? event.metaKey : event.ctrlKey;
  return (
    (event.code === code || event.key === code) &&
    mod === wants("mod") &&
    event.altKey === wants("alt") &&
    event.shiftKey === wants("shift")
  );
}

const SIGNS: Record<string, string> = {
  ArrowDown: "↓",
  ArrowUp: "↑",
  Slash: "/",
  Escape: "Esc",
  Enter: "↵",
  Comma: ",",
};

/** A chord as it stands on the keys. */
export function shown(chord: Chord): string[] {
  return chord.split("+").map((part) => {
    if (part === "mod") return isMac() ? "⌘" : "Ctrl";
    if (part === "alt") return isMac() ? "⌥" : "Alt";
    if (part === "shift") return "⇧";
    return SIGNS[part] ?? part.replace(/^(Key|Digit)/, "");
  });
}

/** One forward, one back, or nothing: by the arrow that points along the line where the key was pressed. */
export function along(event: KeyboardEvent): 1 | -1 | 0 {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0;
  const backwards = event.target instanceof Element && getComputedStyle(event.target).direction === "rtl";
  return (backwards ? -by : by) as 1 | -1 | 0;
}

/** Whether the key would write something where the focus is. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement)
    return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button", "submit", "file"].includes(target.type);
}
