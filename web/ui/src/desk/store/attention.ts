// Calls the operator: sound, desktop notification, the title and the picture of the tab.
import { effect } from "@preact/signals";
import { t } from "../words";
import { type Ring, Sound, tabIcon } from "./bell";
import type { Desk, Ringer } from "./desk";
import type { Places } from "./places";
import type { Settings } from "./settings";

export class Attention {
  #sound = new Sound();
  #places: Places | null = null;
  #desk: Desk | null = null;

  constructor(
    private readonly settings: Settings,
    private readonly page: Document,
  ) {
    const wake = () => this.#sound.wake();
    page.addEventListener("pointerdown", wake);
    page.addEventListener("keydown", wake);
  }

  attend(desk: Desk, places: Places): void {
    this.#desk = desk;
    this.#places = places;
    const icon = this.page.querySelector<HTMLLinkElement>('link[rel="icon"]');
    effect(() => {
      const unread = desk.me.value ? desk.lists.unread.value : 0;
      this.page.title = unread ? `(${unread}) ${t("app.title")}` : t("app.title");
      if (icon) icon.href = tabIcon(unread);
      if (unread) void navigator.setAppBadge?.(unread).catch(() => {});
      else void navigator.clearAppBadge?.().catch(() => {});
    });
  }

  readonly ring: Ringer = (ring, title, body, conversation) => {
    const watching = this.#isWatching(conversation);
    if (this.settings.sound.peek()) this.#sound.play(ring, watching && ring === "message" ? 0.03 : 0.12);
    if (this.settings.notifications.peek() && !this.page.hasFocus()) this.#notify(ring, title, body, conversation);
  };

  /** Whether the operator looks at this very conversation: then a soft sound is enough. */
  #isWatching(conversation: string): boolean {
    return (
      this.page.hasFocus() &&
      this.#places?.page.peek() === "inbox" &&
      this.#desk?.threads.current.peek()?.id === conversation
    );
  }

  #notify(ring: Ring, title: string, body: string, conversation: string): void {
    if (!("Notification" in window) || Notification.permission !== "granted") return;
    const words = ring === "offer" ? t("notification.offer", { who: title }) : title;
    try {
      const shown = new Notification(words, { body, tag: conversation, icon: "/desk/static/icon.svg" });
      shown.onclick = () => {
        window.focus();
        shown.close();
        this.#places?.open(conversation);
      };
    } catch {
      // Phones allow notifications from the service worker only: there the sound and the badge must do.
    }
  }
}
