// What the tag <script src=".../chat.js" defer></script> does: makes the element, and the interface for the shop's own
// scripts. Calls from before it was loaded are kept in `Trunkline` as a list: [["open"], ["set", {...}]].
import { TrunklineChat } from "./element";

const METHODS = ["open", "close", "identify", "set", "track", "on"] as const;
type Call = [(typeof METHODS)[number], ...unknown[]];

declare global {
  interface Window {
    Trunkline?: unknown;
  }
}

const script = document.currentScript as HTMLScriptElement;
TrunklineChat.base = new URL(".", script.src);
TrunklineChat.script = { ...script.dataset };
if (!customElements.get("trunkline-chat")) {
  customElements.define("trunkline-chat", TrunklineChat);
  const there = document.querySelector<TrunklineChat>("trunkline-chat");
  const chat = there ?? new TrunklineChat();
  if (!there) chat.appear();
  const waiting = Array.isArray(window.Trunkline) ? (window.Trunkline as Call[]) : [];
  const bound = Object.fromEntries(METHODS.map((name) => [name, (chat[name] as () => unknown).bind(chat)]));
  window.Trunkline = bound;
  for (const [name, ...values] of waiting) (bound[name] as (...values: unknown[]) => unknown)?.(...values);
}
