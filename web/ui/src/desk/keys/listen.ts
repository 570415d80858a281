// Listens for keys on the whole page and does what they stand for.
import type { App } from "../app";
import { isChord, isTyping } from "./chords";
import type { Deed } from "./deeds";

/** Starts listening; gives a way to stop. */
export function listen({ deeds, desk, places }: App, page: Document = document): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing || !desk.me.peek()) return;
    if (places.dialog.peek()) return; // a dialog has its own keys, Escape among them
    const typing = isTyping(event.target);
    const deed = deeds.all.find((each) => isPressed(event, each, typing) && each.when?.() !== false);
    if (!deed) return;
    event.preventDefault();
    deed.run();
  };
  page.addEventListener("keydown", onKey);
  return () => page.removeEventListener("keydown", onKey);
}

/** A bare key works while nothing is written, with Alt everywhere; a chord with a modifier, and Escape, everywhere. */
function isPressed(event: KeyboardEvent, { chord }: Deed, typing: boolean): boolean {
  if (!chord) return false;
  const bare = !chord.includes("+") && chord !== "Escape";
  if (!bare) return isChord(event, chord);
  return (!typing && isChord(event, chord)) || (chord !== "?" && isChord(event, `alt+${chord}`));
}
