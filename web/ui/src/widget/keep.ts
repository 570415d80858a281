// What outlives the page: the session, messages that are not stored yet, what was seen. Shared by the tabs of a site.
// Where storage is forbidden, it lives as long as the page.
import type { Message, Session } from "./protocol";

export type Known = Pick<Session, "look" | "texts" | "words" | "language">;

export interface Kept {
  session?: Pick<Session, "token" | "visitor" | "renew_at" | "user"> | undefined;
  pending?: Message[];
  /** Messages that the server has refused. */
  failed?: Message[];
  /** There is, or was, something to read: connect without being asked. */
  talked?: boolean;
  /** The newest answer that was seen. */
  seen?: string;
  rated?: string;
  /** What was answered before a chat, to be offered again. */
  answers?: Record<string, string>;
  language?: string;
  /** How the chat looked last time, to look so before the server has answered. */
  look?: Known;
  visit?: Visit;
  shown?: number[];
  refused?: number;
  visits?: number;
}

export interface Tab {
  opened?: boolean;
  draft?: string;
  /** What stands in a form that is not sent yet. */
  answers?: Record<string, string>;
}

/** One visit: the tabs and pages of one person without a pause of half an hour. */
export interface Visit {
  last: number;
  referrer: string;
  campaign: string;
  invited: number;
  events: string[];
}

const PAUSE = 30 * 60_000;

export class Keep {
  private memory: Kept = {};
  private full = false;

  constructor(private readonly name: string) {}

  get all(): Kept {
    try {
      if (!this.full) return (JSON.parse(localStorage.getItem(this.name) ?? "null") as Kept | null) ?? this.memory;
    } catch {
      // as below
    }
    return this.memory;
  }

  put(change: Kept): void {
    this.memory = { ...this.all, ...change };
    try {
      localStorage.setItem(this.name, JSON.stringify(this.memory));
    } catch {
      this.full = true; // or a private window: this page only
    }
  }

  /** What belongs to this tab alone, and goes with its user from page to page. */
  get tab(): Tab {
    try {
      return JSON.parse(sessionStorage.getItem(this.name) ?? "{}") as Tab;
    } catch {
      return {};
    }
  }

  putTab(change: Tab): void {
    try {
      sessionStorage.setItem(this.name, JSON.stringify({ ...this.tab, ...change }));
    } catch {
      // as above
    }
  }

  get pending(): Message[] {
    return this.all.pending ?? [];
  }

  add(message: Message): void {
    this.put({ pending: [...this.pending, message], talked: true });
  }

  drop(id: string): void {
    this.put({ pending: this.pending.filter((message) => message.id !== id) });
  }

  /** The visit that goes on, or a new one. */
  visit(now: number, here: { referrer: string; campaign: string }): Visit {
    const known = this.all.visit;
    const goesOn = known && now < known.last + PAUSE;
    const visit = goesOn ? { ...known, last: now } : { ...here, last: now, invited: 0, events: [] };
    this.put({ visit, visits: (this.all.visits ?? 0) + (goesOn ? 0 : 1) });
    return visit;
  }

  /** Calls when another tab has changed something. */
  onChange(act: () => void): void {
    window.addEventListener("storage", (event) => {
      if (event.key === this.name) act();
    });
  }
}
