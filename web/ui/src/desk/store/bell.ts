// What calls the operator's attention: sound made by the browser, a notification of the desktop, the title of the tab.
import type { Summary } from "../protocol/wire";
import { isMine, offerTo } from "./lists";

export type Ring = "offer" | "message" | "mention";

/** Says what a change of a conversation should ring for, if at all. */
export function ringFor(now: Summary, before: Summary | undefined, me: string): Ring | null {
  const offer = offerTo(now, me);
  if (offer && before?.offers.every((each) => each.id !== offer.id) !== false && now.owner !== me) return "offer";
  if (!isMine(now, me)) return null;
  if (before && before.owner !== me && now.owner === me && !offerTo(before, me)) return "offer"; // given without asking
  const heard = now.heard.at(-1) ?? (now.preview ? 0 : now.n); // without its texts it may be the customer who wrote
  const came = heard > Math.max(before?.n ?? 0, now.replied, now.read[me] ?? 0);
  return came && now.unanswered > 0 ? "message" : null;
}

// Hertz and seconds: two notes up for an offer, one soft note for a message, three for a colleague's question.
const NOTES: Record<Ring, readonly (readonly [number, number])[]> = {
  offer: [
    [659, 0],
    [880, 0.14],
    [1047, 0.28],
  ],
  message: [
    [784, 0],
    [1047, 0.1],
  ],
  mention: [
    [587, 0],
    [587, 0.16],
  ],
};

/** Sound without a file. A browser lets it be heard only after the first key or click on the page. */
export class Sound {
  #context: AudioContext | null = null;

  /** To be called on a key or click. */
  wake(): void {
    this.#context ??= new AudioContext();
    if (this.#context.state === "suspended") void this.#context.resume();
  }

  play(ring: Ring, loudness = 0.12): void {
    const context = this.#context;
    if (!context || context.state === "closed") return;
    for (const [hertz, after] of NOTES[ring]) {
      const at = context.currentTime + after;
      const tone = context.createOscillator();
      const volume = context.createGain();
      tone.frequency.value = hertz;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(loudness, at + 0.01);
      volume.gain.exponentialRampToValueAtTime(0.001, at + 0.4);
      tone.connect(volume).connect(context.destination);
      tone.start(at);
      tone.stop(at + 0.45);
    }
  }
}

/** A picture for the tab: the mark, and a dot when something has come. */
export function tabIcon(count: number): string {
  const dot = count ? `<circle cx="24" cy="8" r="8" fill="#e5484d"/>` : "";
  const mark = `<rect width="32" height="32" rx="8" fill="#3e63dd"/><path d="M8 10h16M16 10v13" stroke="#fff" stroke-width="4" stroke-linecap="round" fill="none"/>`;
  return `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${mark}${dot}</svg>`)}`;
}
