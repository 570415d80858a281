// The visitor's chat without its looks: session, connection, what was said, what waits, files. It tells `changed` when
// something has to be shown anew, and `happened` what a shop's own script may want to know.
import { newId } from "../shared/ids";
import { Line, type LineState } from "../shared/socket";
import { type Attributes, bounded, cut } from "./bounds";
import { Files } from "./files";
import type { Keep, Kept } from "./keep";
import type { ClientFrame, Message, ServerFrame, Session, Shown } from "./protocol";
import type { Server } from "./server";
import { type Bubble, entries, isChange, type Note, type Standing, standing, Transcript } from "./transcript";
import { Visitor } from "./visitor";

/** What the page knows of itself and its visitor, for operators and rules. */
export interface Page {
  language(): string;
  referrer: string;
  campaign: string;
  department: string;
}

export type Happened = "message" | "sent" | "unread" | "conversation" | "closed" | "identified" | "error";

const TYPING_EVERY = 300;
const TYPING_SHOWN = 8_000;
const REPORT_AFTER = 300;

export class Chat {
  /** `idle`: nothing was said yet, so there is no connection. */
  state: LineState | "idle" = "idle";
  staffed = true;
  ahead: number | null = null;
  /** When somebody will be here by the opening hours (ms); 0: nothing is known. */
  opensAt = 0;
  typing: string | undefined;
  /** What a screen reader says next. */
  news: { name: string; text: string; at: number } | undefined;
  /** The invitation that the visitor has answered by opening the chat. */
  invitation: string | undefined;
  now: Standing = standing([]);
  /** How often a session came, with the words and questions of its language. */
  sessions = 0;
  changed: () => void = () => {};
  happened: (event: Happened, data?: unknown) => void = () => {};
  readonly files: Files;
  private readonly visitor: Visitor;
  private readonly transcript = new Transcript();
  private readonly acked = new Set<string>();
  private stored: Message[] = [];
  private attributes: Attributes = {};
  private line: Line<ServerFrame> | undefined;
  private cursor: string | undefined;
  private looking = false;
  private caughtUp = false;
  private fresh = false;
  private told = "";
  private reported: Record<string, string> = {};
  private held: ReturnType<typeof setTimeout> | undefined;
  private stills = 0;
  private reporting: ReturnType<typeof setTimeout> | undefined;
  private typingEnds: ReturnType<typeof setTimeout> | undefined;
  private typingTold: ReturnType<typeof setTimeout> | undefined;
  private unreadTold = 0;

  constructor(
    readonly server: Server,
    readonly keep: Keep,
    readonly page: Page,
  ) {
    this.draft = keep.tab.draft ?? "";
    this.files = new Files(this);
    this.visitor = new Visitor(
      server,
      keep,
      page.language,
      (session, before) => this.become(session, before),
      () => {
        this.state = "ended";
        this.changed();
      },
    );
    keep.onChange(() => {
      const { session, talked } = keep.all;
      if (talked) this.connect();
      if (session && this.session && session.visitor !== this.session.visitor) this.known().catch(() => {});
      this.report();
      this.changed();
    });
    document.addEventListener("visibilitychange", () => this.report());
  }

  // --- the session ---

  /** Becomes known to the server, and connects if there is anything to read or to send. Throws what `session` throws. */
  async begin(): Promise<Session> {
    const session = await this.known();
    if (this.keep.all.talked || this.keep.pending.length) this.connect();
    return session;
  }

  /** Connects, for good; does nothing if it has. */
  connect(): void {
    if (this.line) return;
    this.line = new Line<ServerFrame>({
      address: async () => {
        await this.known();
        return this.server.socket;
      },
      hello: () => this.hello(),
      take: (frame) => this.take(frame),
      changed: (state) => {
        this.state = state;
        if (state !== "open") this.caughtUp = false;
        this.changed();
      },
    });
    this.state = "connecting";
    this.line.start();
  }

  /** Takes the shop's word for who the visitor is; null: nobody any more. Throws Refused. */
  async identify(identity: string | null): Promise<void> {
    if (identity === null) {
      await this.visitor.leave(() => {
        this.keep.put({ session: undefined, pending: [], failed: [], talked: false, answers: {} });
        this.keep.putTab({ answers: {} });
        this.note("");
      });
    } else {
      this.stills++; // whatever was sent meanwhile would be taken twice, as of two people
      try {
        for (let n = 40; n-- && this.state === "open" && this.keep.pending.length; )
          await new Promise((done) => setTimeout(done, 50));
        await this.visitor.identify(identity);
      } finally {
        this.stills--;
        this.flush();
      }
      this.connect(); // there may be a conversation, begun on another device
    }
    this.happened("identified", { user: this.session?.user ?? "" });
  }

  /** Asks for the words of the language that was chosen; again with the next connection if there is none. */
  speak(): void {
    this.visitor.speak().catch(() => {});
  }

  get session(): Session | undefined {
    return this.visitor.session;
  }

  known(): Promise<Session> {
    return this.visitor.known();
  }

  private become(session: Session, before: Kept["session"]): void {
    this.sessions++;
    this.staffed = session.staffed;
    this.opensAt = session.opens_at ?? 0;
    const { token, visitor, renew_at, user, look, texts, words, language } = session;
    this.keep.put({
      session: { token, visitor, renew_at, user },
      look: { look, words, language, texts },
    });
    const other = before && before.visitor !== visitor;
    if (other) {
      this.forget();
      if (before.user) this.keep.put({ failed: [], ...(user && { pending: [] }) });
      this.keep.put({ seen: "", rated: "" });
    }
    if (other || before?.user !== user) this.line?.again();
    this.changed();
  }

  private forget(): void {
    this.cursor = undefined;
    this.transcript.clear();
    this.stored = [];
    this.now = standing([]);
  }

  // --- what the server says ---

  private hello(): ClientFrame {
    this.fresh = this.cursor === undefined;
    const { referrer, campaign, department } = this.page;
    const frame = { type: "hello", token: this.session?.token, cursor: this.cursor ?? null, ...this.place() };
    return {
      ...frame,
      referrer: cut(referrer, 1000),
      campaign: cut(campaign, 300),
      department: cut(department, 40),
      language: this.page.language(),
    };
  }

  private place(): Record<string, unknown> {
    this.told = location.href;
    return { page: cut(location.href, 1000), title: cut(document.title, 300), attributes: this.attributes };
  }

  private take(frame: ServerFrame): void {
    switch (frame.type) {
      case "welcome":
        this.reported = {};
        if (this.session?.language !== this.page.language()) this.speak();
        this.flush();
        break;
      case "items":
        this.cursor = frame.cursor;
        this.learn(frame);
        break;
      case "ack":
        this.accept(frame.id);
        break;
      case "typing":
        this.showTyping(frame.on ? frame.name || "" : undefined);
        break;
      case "status":
        this.staffed = frame.staffed;
        this.ahead = frame.ahead;
        this.opensAt = frame.opens_at ?? 0;
        break;
      case "error":
        this.mend(frame);
    }
    this.changed();
  }

  private learn({ items, more }: Extract<ServerFrame, { type: "items" }>): void {
    const fresh = this.transcript.add(items);
    const known = new Set(fresh.map((item) => item.id));
    this.stored = this.stored.filter((message) => !known.has(message.id));
    const before = this.now;
    this.now = standing(this.transcript.items);
    const history = this.fresh && !this.caughtUp;
    for (const item of fresh) {
      if (item.id && item.kind === "message") this.keep.drop(item.id);
      if (item.kind === "closed" || item.kind === "reply") this.showTyping(undefined);
      if (item.kind !== "reply" || history || isChange(item.content)) continue;
      const { content, author } = item;
      const text = content && "text" in content ? (content.text ?? "") : "";
      this.news = { name: author?.name ?? "", text, at: item.at };
      this.happened("message", { text, name: author?.name ?? "" });
    }
    if (fresh.length && !this.keep.all.talked) this.keep.put({ talked: true });
    if (!history && this.now.open !== before.open) this.happened(this.now.open ? "conversation" : "closed");
    if (!more) this.caughtUp = true;
    this.report();
  }

  private accept(id: string): void {
    const message = this.keep.pending.find((each) => each.id === id);
    this.keep.drop(id);
    this.acked.add(id);
    const there = this.transcript.items.some((item) => item.id === id);
    if (message && !there) this.stored.push(message);
    this.happened("sent", { id });
  }

  private mend(fault: Extract<ServerFrame, { type: "error" }>): void {
    const { code, ref, retry_after: wait } = fault;
    if (code.startsWith("token_")) this.keep.put({ session: undefined });
    if (code.startsWith("cursor_")) this.forget();
    const message = this.keep.pending.find((each) => each.id === ref);
    if (message && wait) {
      this.held ??= setTimeout(() => {
        this.held = undefined;
        this.flush();
      }, wait * 1000);
    } else if (message) {
      this.keep.drop(message.id);
      this.keep.put({ failed: [...this.failed, message] });
    }
    this.happened("error", { code, message: fault.message });
  }

  private showTyping(name: string | undefined): void {
    clearTimeout(this.typingEnds);
    this.typing = name;
    if (name !== undefined) {
      this.typingEnds = setTimeout(() => {
        this.typing = undefined;
        this.changed();
      }, TYPING_SHOWN);
    }
  }

  // --- what the visitor says ---

  /** Sends a message; it is kept until it is stored, over any number of connections and reloads. */
  say(content: Shown): void {
    const message: Message = { id: newId(), at: Date.now(), content, invitation: this.invitation };
    this.invitation = undefined;
    this.stopTyping();
    this.keep.add(message);
    this.connect();
    if (this.told !== location.href) this.tellPlace();
    this.put(message);
    if (content.kind === "rating") this.keep.put({ rated: this.now.closed });
    this.changed();
  }

  /** Sends again, or forgets, what was refused. */
  settle(id: string, again: boolean): void {
    const message = this.failed.find((each) => each.id === id);
    this.keep.put({ failed: this.failed.filter((each) => each.id !== id) });
    if (message && again) this.say(message.content);
    this.changed();
  }

  /** Tells operators that the visitor types, at most every 300 ms. */
  type(text: string): void {
    this.note(text);
    if (this.state !== "open" || this.typingTold) return;
    this.typingTold = setTimeout(() => {
      this.typingTold = undefined;
      this.tellTyping();
    }, TYPING_EVERY);
  }

  /** Keeps what is half written, and tells nobody. */
  note(text: string): void {
    this.draft = text;
    this.keep.putTab({ draft: text });
    this.changed();
  }

  /** What stands in the field now. */
  draft: string;

  /** Tells what the shop says of its visitor. */
  set(attributes: Record<string, unknown>): void {
    this.attributes = bounded({ ...this.attributes, ...attributes });
    this.tellPlace();
  }

  private tellPlace(): void {
    this.line?.send({ type: "about", ...this.place() } as ClientFrame);
  }

  private tellTyping(): void {
    const { draft } = this;
    const preview = this.session?.preview ? cut(draft, 2000) : undefined;
    this.line?.send({ type: "typing", on: draft.trim() !== "", preview } as ClientFrame);
  }

  private stopTyping(): void {
    clearTimeout(this.typingTold);
    this.typingTold = undefined;
  }

  private flush(): void {
    for (const message of this.keep.pending) this.put(message);
  }

  private put({ id, content, invitation = "" }: Message): void {
    if (!this.held && !this.stills) this.line?.send({ type: "send", id, content, invitation } as ClientFrame);
  }

  // --- what is seen ---

  /** Everything to show. */
  get entries(): (Bubble | Note)[] {
    return entries(this.transcript.items, this.ours, this.acked, this.failed);
  }

  /** What is not in the log yet. */
  private get ours(): Message[] {
    return [...this.stored, ...this.keep.pending];
  }

  /** What was refused, until the visitor sends it again or removes it. */
  private get failed(): Message[] {
    return this.keep.all.failed ?? [];
  }

  get empty(): boolean {
    return !this.entries.length;
  }

  /** Whether something that the visitor has written is not in the log yet. */
  get waiting(): boolean {
    return this.ours.some((message) => message.content.kind !== "rating");
  }

  /** Whether a rating is on its way. */
  get rating(): boolean {
    return this.ours.some((message) => message.content.kind === "rating");
  }

  /** How many answers came since the visitor looked. */
  get unread(): number {
    const replies = this.transcript.items.filter((item) => item.kind === "reply");
    const seen = replies.map((item) => item.id).lastIndexOf(this.keep.all.seen ?? "");
    return replies.slice(seen + 1).filter((item) => !isChange(item.content)).length;
  }

  /** Whether the visitor has the conversation before their eyes. */
  look(looking: boolean): void {
    this.looking = looking;
    this.report();
  }

  private report(): void {
    const { lastReply } = this.now;
    const seen = this.looking && !document.hidden;
    if (seen && lastReply && this.keep.all.seen !== lastReply) this.keep.put({ seen: lastReply });
    if (this.unreadTold !== this.unread) {
      this.unreadTold = this.unread;
      this.happened("unread", { count: this.unread });
    }
    const state = seen ? "read" : "delivered";
    if (!lastReply || this.reported[state] === lastReply || this.reported.read === lastReply) return;
    clearTimeout(this.reporting);
    this.reporting = setTimeout(() => {
      if (this.line?.send({ type: state, upto: lastReply } as ClientFrame)) this.reported[state] = lastReply;
    }, REPORT_AFTER);
  }
}
