// Watches the page and invites the visitor when a rule of the shop says so. It looks once a second, and only where there
// are rules.
import { invite } from "./invitations";
import type { Keep } from "./keep";
import type { Invitation, Look } from "./protocol";

export class Inviter {
  private seconds = 0;
  private path = location.pathname;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly keep: Keep,
    private readonly language: () => string,
    private readonly may: () => boolean,
    private readonly show: (invitation: Invitation) => void,
  ) {}

  watch(look: Look): void {
    clearInterval(this.timer);
    if (look.invitations.length) this.timer = setInterval(() => this.glance(look), 1000);
  }

  /** Notes an event that the shop tracks. */
  track(event: string): void {
    const { visit } = this.keep.all;
    if (visit && !visit.events.includes(event)) {
      this.keep.put({ visit: { ...visit, events: [...visit.events.slice(-31), event] } });
    }
  }

  refuse(): void {
    this.keep.put({ refused: Date.now() });
  }

  private glance(look: Look): void {
    if (this.path !== location.pathname) {
      this.path = location.pathname;
      this.seconds = 0;
    }
    if (document.hidden) return;
    this.seconds += 1;
    const { visit, shown = [], refused = 0, visits = 1 } = this.keep.all;
    if (!visit || !this.may()) return;
    const { path, seconds } = this;
    const there = { path, seconds, language: this.language(), firstVisit: visits <= 1, ...visit };
    const now = Date.now();
    const found = invite(look.invitations, look, there, { shown, inVisit: visit.invited, refused }, now);
    if (!found) return;
    this.keep.put({ shown: [...shown.slice(-49), now], visit: { ...visit, invited: visit.invited + 1 } });
    this.show(found);
  }
}
