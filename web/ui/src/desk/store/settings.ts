// What an operator has set for this browser: kept in its storage, never sent.
import { effect, type Signal, signal } from "@preact/signals";
import { type Language, language, languageOf } from "../words";

export type Theme = "system" | "light" | "dark";
export type SendKey = "enter" | "ctrl-enter";

/** The part of Storage that we use: a page without storage (private mode) gets one that forgets. */
export type Keeper = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export const forgetful: Keeper = { getItem: () => null, setItem: () => {}, removeItem: () => {} };

/** The browser's storage, or one that forgets where it is forbidden. */
export function browserKeeper(): Keeper {
  try {
    localStorage.setItem("desk-probe", "1");
    localStorage.removeItem("desk-probe");
    return localStorage;
  } catch {
    return forgetful;
  }
}

const KEY = "desk-settings";

interface Kept {
  language: Language;
  theme: Theme;
  sound: boolean;
  notifications: boolean;
  sendKey: SendKey;
  card: boolean;
}

export class Settings {
  /** The language of the screen: the signal that all words follow. */
  readonly language: Signal<Language>;
  readonly theme: Signal<Theme>;
  readonly sound: Signal<boolean>;
  readonly notifications: Signal<boolean>;
  readonly sendKey: Signal<SendKey>;
  /** Whether the card of the person is open. */
  readonly card: Signal<boolean>;

  constructor(keeper: Keeper, browserLanguages: readonly string[] = []) {
    const kept = read(keeper);
    this.language = language;
    language.value = kept.language ?? languageOf(browserLanguages);
    this.theme = signal(kept.theme ?? "system");
    this.sound = signal(kept.sound ?? true);
    this.notifications = signal(kept.notifications ?? true);
    this.sendKey = signal(kept.sendKey ?? "enter");
    this.card = signal(kept.card ?? true);
    effect(() => keeper.setItem(KEY, JSON.stringify(this.#all())));
  }

  #all(): Kept {
    return {
      language: this.language.value,
      theme: this.theme.value,
      sound: this.sound.value,
      notifications: this.notifications.value,
      sendKey: this.sendKey.value,
      card: this.card.value,
    };
  }
}

function read(keeper: Keeper): Partial<Kept> {
  try {
    return JSON.parse(keeper.getItem(KEY) ?? "{}") as Partial<Kept>;
  } catch {
    return {};
  }
}
