// Who the visitor is: the session that the server has granted, renewed in time, or taken over by a user of the shop.
import { Ended } from "../shared/socket";
import type { Keep, Kept } from "./keep";
import type { Session } from "./protocol";
import { Refused, type Server } from "./server";

export class Visitor {
  session: Session | undefined;
  private asking: Promise<Session> | undefined;

  constructor(
    private readonly server: Server,
    private readonly keep: Keep,
    private readonly language: () => string,
    /** Called with each session, and with what was kept of the one before. */
    private readonly became: (session: Session, before: Kept["session"]) => void,
    /** Called when this page may not have the chat. */
    private readonly ended: () => void,
  ) {}

  /** Gives the session that is good now. Throws Ended, Later or Refused. */
  known(): Promise<Session> {
    return this.asking ?? this.inTurn(() => this.current());
  }

  /** Takes the shop's word for who it is. Throws Refused. */
  identify(identity: string): Promise<Session> {
    return this.inTurn(async () => {
      const { token } = await this.current();
      return this.become(await this.server.identify(token, identity, this.language()));
    });
  }

  /** Becomes a stranger, after `forget` was called. */
  leave(forget: () => void): Promise<Session> {
    return this.inTurn(() => {
      forget();
      return this.renew(undefined);
    });
  }

  /** Asks for the words of the language that was chosen. */
  speak(): Promise<Session> {
    return this.inTurn(() => this.renew(this.keep.all.session?.token));
  }

  /** Asks who the visitor is when that is settled which was asked before: the last word stands. */
  private inTurn(ask: () => Promise<Session>): Promise<Session> {
    const asking = Promise.resolve(this.asking)
      .catch(() => {})
      .then(ask)
      .finally(() => {
        if (this.asking === asking) this.asking = undefined;
      });
    this.asking = asking;
    return asking;
  }

  private async current(): Promise<Session> {
    const kept = this.keep.all.session;
    if (this.session && kept?.visitor === this.session.visitor && Date.now() < kept.renew_at) {
      this.session.token = kept.token; // another tab may have renewed it
      return this.session;
    }
    return this.renew(kept?.token);
  }

  private async renew(token: string | undefined): Promise<Session> {
    try {
      return this.become(await this.server.session(token, this.language()));
    } catch (error) {
      if (error instanceof Refused && token) {
        this.keep.put({ session: undefined }); // too old, or another key: a new visitor
        return this.become(await this.server.session(undefined, this.language()));
      }
      if (error instanceof Ended) this.ended();
      throw error;
    }
  }

  private become(session: Session): Session {
    const before = this.session ?? this.keep.all.session;
    this.session = session;
    this.became(session, before);
    return session;
  }
}
