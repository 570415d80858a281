// The custom element <trunkline-chat> and the script interface `Trunkline`: docs/webchat.md describes both.
import { render } from "preact";
import { App, PHONE, type Shell } from "./App";
import { Chat, type Happened } from "./chat";
import { Inviter } from "./inviter";
import { Keep, type Known } from "./keep";
import { inkOn, isColour, readable, textsFor, themeFor } from "./look";
import type { Invitation, Theme } from "./protocol";
import { Server } from "./server";
import styles from "./styles/chat.css?inline";
import darkness from "./styles/dark.css?inline";
import { chooseLanguage, type Language } from "./texts";

export type ChatEvent = Happened | "ready" | "open" | "close" | "invitation";
type Listener = (data: unknown) => void;

const LIGHT = "#f1f3f5";
const DARK = "#25282d";
const DARKNESS = { auto: "(prefers-color-scheme: dark)", light: "not all", dark: "all" };
const LATE = 4_000;

export class TrunklineChat extends HTMLElement {
  /** Where the server is: the folder of the script. Set before any element is made. */
  static base: URL;
  static script: DOMStringMap = {};
  private static only?: TrunklineChat;
  private chat!: Chat;
  private inviter!: Inviter;
  private root!: ShadowRoot;
  private readonly colours = new CSSStyleSheet();
  private readonly dark = new CSSStyleSheet();
  private readonly listeners = new Map<string, Set<Listener>>();
  private opened = false;
  private asked = false;
  private shown = false;
  private invitation: Invitation | undefined;
  private language: Language = "en";
  private drawing = false;
  private back: Element | null = null;
  private beside: Node | null = null;

  /** A page that swaps its body keeps the chat: the one that was there takes the place of the new page's own. */
  connectedCallback(): void {
    TrunklineChat.only ??= this;
    const { only } = TrunklineChat;
    if (only !== this) {
      for (const { name, value } of this.attributes) only.setAttribute(name, value);
      this.replaceWith(only);
      return;
    }
    this.beside = this.previousSibling;
    if (this.root) {
      this.draw();
      return;
    }
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
    this.dark.replaceSync(darkness);
    this.root = this.attachShadow({ mode: "open" });
    this.root.adoptedStyleSheets = [sheet, this.dark, this.colours];
    const base = new URL(this.option("base") ?? ".", TrunklineChat.base);
    const keep = new Keep(`trunkline ${base.href}`);
    const campaign = new URLSearchParams(location.search).get("utm_campaign") ?? "";
    const visit = keep.visit(Date.now(), { referrer: outside(document.referrer), campaign });
    const department = this.option("department") ?? "";
    this.language = chooseLanguage([
      keep.all.language,
      this.option("language"),
      document.documentElement.lang,
      ...navigator.languages,
    ]);
    this.chat = new Chat(new Server(base), keep, {
      language: () => this.language,
      referrer: visit.referrer,
      campaign: visit.campaign,
      department,
    });
    this.chat.changed = () => this.draw();
    this.chat.happened = (event, data) => this.tell(event, data);
    this.inviter = new Inviter(
      keep,
      () => this.language,
      () => !this.opened && !this.chat.now.open && !this.invitation && this.chat.staffed && this.chat.state !== "ended",
      (invitation) => this.invite(invitation),
    );
    this.shown = this.page || !!keep.all.look;
    this.asked = this.page;
    this.opened = this.page || (!!keep.tab.opened && !matchMedia(PHONE).matches);
    if (this.opened) this.chat.connect();
    this.draw();
    void this.begin();
  }

  appear(): void {
    (document.body ?? document.documentElement).append(this);
  }

  /** Comes back when all around it has gone as well; a shop may take the chat itself away. */
  disconnectedCallback(): void {
    if (this.parentNode || this.beside?.isConnected === false) queueMicrotask(() => this.isConnected || this.appear());
  }

  private async begin(): Promise<void> {
    const late = setTimeout(() => this.reveal(), LATE); // the server is slow: what is written waits for it
    try {
      this.inviter.watch((await this.chat.begin()).look);
      this.tell("ready", {});
    } catch {
      if (this.chat.state !== "ended") this.chat.connect(); // it tries again by itself
    }
    clearTimeout(late);
    this.reveal();
  }

  private reveal(): void {
    this.shown = true;
    this.draw();
  }

  // --- what a shop's script may do ---

  open(): void {
    if (this.opened) return;
    this.back = document.activeElement;
    this.opened = this.asked = true;
    this.chat.keep.putTab({ opened: true });
    if (this.invitation) {
      this.chat.invitation = this.invitation.name;
      this.tell("invitation", { name: this.invitation.name, accepted: true });
    }
    this.chat.connect();
    this.tell("open", {});
    this.draw();
  }

  close(): void {
    if (!this.opened || this.page) return;
    this.opened = false;
    this.chat.keep.putTab({ opened: false });
    this.invitation = undefined;
    this.chat.invitation = undefined;
    this.tell("close", {});
    this.draw();
    if (!this.launcher && this.back instanceof HTMLElement) this.back.focus();
  }

  async identify(who: { token: string } | null): Promise<void> {
    await this.chat.identify(who?.token ?? null);
  }

  set(attributes: Record<string, unknown>): void {
    this.chat.set(attributes);
  }

  track(event: string, data: Record<string, unknown> = {}): void {
    this.inviter.track(String(event).slice(0, 64));
    if (Object.keys(data).length) this.chat.set(data);
  }

  on(event: ChatEvent, listener: Listener): () => void {
    const all = this.listeners.get(event) ?? new Set();
    this.listeners.set(event, all.add(listener));
    return () => void all.delete(listener);
  }

  // --- inside ---

  private option(name: string): string | undefined {
    return this.getAttribute(name) ?? TrunklineChat.script[name];
  }

  private get page(): boolean {
    return this.option("mode") === "page";
  }

  private get launcher(): boolean {
    return this.option("launcher") !== "off";
  }

  private invite(invitation: Invitation): void {
    this.invitation = invitation;
    this.tell("invitation", { name: invitation.name });
    this.draw();
  }

  private tell(event: ChatEvent, data: unknown): void {
    for (const listener of this.listeners.get(event) ?? []) {
      try {
        listener(data);
      } catch (error) {
        console.error(error); // the shop's own fault, and not the chat's end
      }
    }
  }

  /** What the tag says; the shop's own word needs no more judging than its own styles would. */
  private own(): Theme {
    const color = this.option("color");
    const radius = Number.parseInt(this.option("radius") ?? "", 10);
    const position = this.option("position") as Theme["position"];
    const scheme = this.option("scheme") as Theme["scheme"];
    return {
      ...(isColour(color) && { color }),
      ...(radius >= 0 && { radius }),
      ...(position && { position }),
      ...(scheme && { scheme }),
    };
  }

  /** Shows what has changed, all changes of a moment at once. */
  private draw(): void {
    if (this.drawing) return;
    this.drawing = true;
    queueMicrotask(() => {
      this.drawing = false;
      const known = this.chat.keep.all.look;
      render(this.shown && known ? <App shell={this.shell(known)} /> : null, this.root);
    });
  }

  private shell(known: Known): Shell {
    const { chat, opened, asked, page, launcher, invitation } = this;
    const { language, words } = known;
    const place = { path: location.pathname, department: chat.page.department };
    const theme = themeFor(known.look, place, this.own());
    const title = this.option("title");
    const texts = { ...textsFor(known.look, known.texts, place, language), ...(title && { title }) };
    this.paint(theme);
    if (page) {
      document.documentElement.lang = language;
      const name = texts.title ?? words.title.toString();
      document.title = chat.unread ? `(${chat.unread}) ${name}` : name;
    }
    return {
      ...{ chat, opened, asked, page, language, words, launcher, invitation, theme, texts },
      open: () => this.open(),
      close: () => this.close(),
      refuse: () => {
        this.inviter.refuse();
        this.tell("invitation", { name: invitation?.name, refused: true });
        this.invitation = undefined;
        this.draw();
      },
      speak: (chosen) => {
        this.language = chosen;
        chat.keep.put({ language: chosen });
        chat.speak();
      },
    };
  }

  private painted = "";

  private paint({ color, radius, scheme }: Required<Theme>): void {
    this.dark.media.mediaText = DARKNESS[scheme] ?? DARKNESS.auto;
    const rule = `:host{--accent:${color};--ink:${inkOn(color)};--on-light:${readable(color, LIGHT)};--on-dark:${readable(color, DARK)};--radius:${radius}px}`;
    if (rule !== this.painted) this.colours.replaceSync(rule);
    this.painted = rule;
  }
}

function outside(referrer: string): string {
  return referrer.startsWith(location.origin) ? "" : referrer;
}
