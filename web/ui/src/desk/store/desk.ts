// The desk: everything that is known and can be done, put together. Views read its signals and call its methods.
import { batch, computed, effect, type Signal, signal } from "@preact/signals";
import { ask, Failed } from "../protocol/http";
import { type Connection, Link, type World } from "../protocol/link";
import { isWords, type Order, Orders, type Outcome } from "../protocol/orders";
import { wholeOperator } from "../protocol/whole";
import type {
  Action,
  Channel,
  Choices,
  Me,
  Operator,
  Presence,
  Queue,
  ServerFrame,
  ServiceLevels,
  SparseOperator,
  Summary,
  Welcome,
} from "../protocol/wire";
import { coded, t } from "../words";
import { type Ring, ringFor } from "./bell";
import { Canned } from "./canned";
import { applyChange } from "./changes";
import { Clock } from "./clock";
import { Drafts } from "./drafts";
import { USUAL } from "./lateness";
import { type ListName, Lists } from "./lists";
import { Notices } from "./notices";
import { Marks, readBack } from "./reading";
import type { Keeper } from "./settings";
import { Telling } from "./telling";
import { type Thread, Threads } from "./threads";

export interface Alarm {
  name: string;
  text: string;
  remedy: string;
  since: number;
}

/** Who is told when something calls for attention. */
export type Ringer = (ring: Ring, title: string, body: string, conversation: string) => void;

export class Desk {
  readonly me: Signal<Me | null> = signal(null);
  /** Why nobody is signed in any more, in words. */
  readonly ended: Signal<string> = signal("");
  readonly starting: Signal<boolean> = signal(true);
  readonly connection: Signal<Connection> = signal("connecting");
  readonly lag: Signal<number> = signal(0);
  readonly channels: Signal<Readonly<Record<string, Channel>>> = signal({});
  readonly languages: Signal<readonly string[]> = signal([]);
  readonly serviceLevels: Signal<ServiceLevels> = signal(USUAL);
  readonly choices: Signal<Choices> = signal({});
  readonly operators: Signal<ReadonlyMap<string, Operator>> = signal(new Map());
  /** Everybody in the rules, as last asked; for a supervisor as of now. */
  readonly everybody: Signal<readonly Operator[]> = signal([]);
  readonly colleagues = computed(() => {
    const live = this.operators.value;
    return live.size > 1 ? [...live.values()] : this.everybody.value;
  });
  readonly queues: Signal<readonly Queue[]> = signal([]);
  readonly alarms: Signal<readonly Alarm[]> = signal([]);
  readonly list: Signal<ListName> = signal("mine");
  /** A view has come: before it, empty lists mean nothing. */
  readonly ready: Signal<boolean> = signal(false);
  /** Whether somebody can see the page. */
  readonly visible: Signal<boolean> = signal(!document.hidden);
  readonly canned = new Canned();
  readonly clock = new Clock();
  readonly notices = new Notices();
  readonly lists: Lists;
  readonly threads: Threads;
  readonly orders: Orders;
  readonly telling: Telling;
  readonly isSupervisor = computed(() => this.me.value?.role === "supervisor");
  readonly myself = computed(() => this.operators.value.get(this.me.value?.id ?? ""));
  /** The words to the customer or to colleagues that the node would not take as they were. */
  readonly refused = computed(() => [...this.orders.open.value.values()].filter((each) => each.state === "refused"));
  #link: Link;
  #cursor = "";
  #everything = false;
  #fresh = false; // signed in on this page just now: available from the first moment
  #marks = new Marks();
  #drafts: Drafts | null = null;

  constructor(
    world: (signedIn: () => Promise<boolean>) => World,
    private readonly keeper: Keeper,
    private readonly ring: Ringer,
  ) {
    this.lists = new Lists((now, before) => this.#heard(now, before));
    this.#link = new Link(
      world(() => this.#stillSignedIn()),
      {
        hello: () => ({ type: "hello", cursor: this.#cursor, everything: this.#everything }),
        frames: (frames) => this.#take(frames),
        connection: (now) => {
          this.connection.value = now;
        },
        sessionEnded: () => this.#forget(t("signin.ended")),
      },
    );
    const send = this.#link.send.bind(this.#link);
    this.threads = new Threads(send);
    this.orders = new Orders(send);
    this.telling = new Telling(send, () => this.clock.exact());
    effect(() => this.#markRead());
  }

  // --- the session -----------------------------------------------------------------------------------------------

  /** Looks whether somebody is signed in already. */
  async start(): Promise<void> {
    try {
      this.#enter(await ask<Me>("GET", "/me"));
    } catch (problem) {
      if (!(problem instanceof Failed) || problem.status !== 401) this.ended.value = String(problem);
    }
    this.starting.value = false;
  }

  /** Throws Failed with the node's words. */
  async signIn(operator: string, password: string): Promise<void> {
    const me = await ask<Me>("POST", "/session", { operator, password });
    this.#fresh = true;
    this.#enter(me);
  }

  async signOut(everywhere = false): Promise<void> {
    try {
      await ask("DELETE", `/session${everywhere ? "?everywhere=true" : ""}`);
    } catch (problem) {
      if (!(problem instanceof Failed) || problem.status !== 401) {
        this.notices.say(t("signin.not_out", { reason: String(problem) }), "bad");
        return;
      }
    }
    this.#link.stop();
    this.#forget("");
  }

  get drafts(): Drafts {
    this.#drafts ??= new Drafts(this.keeper, this.me.peek()?.id ?? "");
    return this.#drafts;
  }

  #enter(me: Me): void {
    this.#drafts = null;
    this.ended.value = "";
    this.lists.signIn(me.id);
    this.me.value = me;
    this.#link.start();
    void this.lookForAlarms();
    void this.lookForColleagues();
  }

  #forget(why: string): void {
    batch(() => {
      this.ended.value = why;
      this.me.value = null;
      this.#cursor = "";
      this.#everything = false;
      this.list.value = "mine";
      this.ready.value = false;
      this.lists.clear();
      this.threads.clear();
      this.orders.clear();
      this.operators.value = new Map();
      this.queues.value = [];
      this.alarms.value = [];
      this.#marks.clear();
    });
  }

  async #stillSignedIn(): Promise<boolean> {
    try {
      await ask("GET", "/me");
    } catch (problem) {
      return !(problem instanceof Failed && problem.status === 401);
    }
    return true;
  }

  // --- once a second ---------------------------------------------------------------------------------------------

  tick(): void {
    batch(() => {
      this.clock.tick();
      this.orders.tick();
    });
    this.#link.watchSilence();
  }

  /** The network is back. */
  hurry(): void {
    this.#link.hurry();
  }

  async lookForAlarms(): Promise<void> {
    if (!this.isSupervisor.peek()) return;
    const found = await ask<{ alarms: Alarm[] }>("GET", "/alarms").catch(() => null);
    if (found) this.alarms.value = found.alarms; // while nobody can be asked, what was shown stands
  }

  async lookForColleagues(): Promise<void> {
    const found = await ask<{ operators: SparseOperator[] }>("GET", "/operators").catch(() => null);
    if (found) this.everybody.value = found.operators.map(wholeOperator);
  }

  // --- what comes ------------------------------------------------------------------------------------------------

  #take(frames: readonly ServerFrame[]): void {
    batch(() => {
      for (const frame of frames) this.#frame(frame);
      this.lists.settle();
    });
  }

  #frame(frame: ServerFrame): void {
    if ("cursor" in frame && frame.cursor) this.#cursor = frame.cursor;
    switch (frame.type) {
      case "welcome":
        this.#welcome(frame);
        break;
      case "view":
        this.#everything = frame.everything;
        this.lists.replace(frame.conversations, frame.waiting);
        this.operators.value = new Map(frame.operators.map((each) => [each.id, wholeOperator(each)]));
        this.choices.value = frame.choices ?? this.choices.peek();
        this.ready.value = true;
        break;
      case "changes":
        for (const change of frame.events) applyChange(this, change);
        break;
      case "watched":
        for (const item of frame.opened.items) if (item.command) this.orders.took(item.command);
        this.threads.opened(frame.opened);
        break;
      case "answer":
        this.orders.answered(frame.answer);
        break;
      case "answers":
        this.canned.replace(frame.answers);
        break;
      case "queues":
        this.queues.value = frame.queues;
        break;
      case "beat":
        this.clock.set(frame.now);
        this.lag.value = frame.lag;
        break;
      case "typing":
        this.threads.typing(frame.conversation, frame.on === false ? null : (frame.text ?? ""));
        break;
      case "error":
        this.#failed(frame.code, frame.message, frame.ref ?? "", frame.retry_after ?? 1);
        break;
    }
  }

  #welcome(frame: Welcome): void {
    this.me.value = frame.me;
    this.channels.value = frame.channels;
    this.languages.value = frame.languages;
    this.serviceLevels.value = frame.service_levels ?? USUAL;
    this.clock.set(frame.now);
    this.telling.idleAfter(frame.idle_after ?? 0);
    if (frame.resumed) this.ready.value = true;
    this.threads.watchAll();
    this.orders.repeatAll();
    if (this.#fresh) {
      this.#fresh = false;
      void this.do({ do: "presence", state: "available" });
    }
  }

  /** A conversation has left my lists; what is closed may stay on the screen. */
  gone(id: string): void {
    this.lists.remove(id);
    const thread = this.threads.get(id);
    if (!thread || thread.summary.peek()?.status === "closed") return;
    if (this.threads.current.peek() === thread) this.notices.say(t("notice.gone"));
    this.threads.drop(id);
  }

  /** Somebody calls me into a conversation. */
  calls(conversation: string, person: string, title: string, body = ""): void {
    const open = () => this.open(conversation, person);
    this.notices.say(body ? `${title}: ${body}` : title, "news", { label: t("action.open"), run: open });
    this.ring("mention", title, body, conversation);
  }

  #heard(now: Summary, before: Summary | undefined): void {
    const me = this.me.peek()?.id ?? "";
    const ring = ringFor(now, before, me);
    const byMe = [...this.orders.open.peek().values()].some(
      ({ action }) => (action.do === "note" || action.do === "accept") && action.conversation === now.id,
    );
    if (ring && !byMe) this.ring(ring, now.name || now.address, now.preview, now.id);
  }

  #failed(code: string, message: string, ref: string, retryAfter: number): void {
    if (this.orders.open.peek().has(ref)) {
      this.orders.delayed(ref, message, retryAfter);
      return;
    }
    if (code === "not_found" && this.threads.get(ref)) this.threads.drop(ref);
    else if (code === "unavailable" && this.threads.get(ref)) {
      setTimeout(() => this.threads.watchAgain(ref), 2_000);
    }
    this.notices.say(reasonOf(code, message), "bad");
  }

  // --- what the operator does ------------------------------------------------------------------------------------

  /** Gives a command. A refusal is said, save of words: those are shown where they were to stand. */
  async do(action: Action): Promise<Outcome> {
    const outcome = await this.orders.give(action);
    if (!isWords(action) || outcome.status === "lost") this.told(outcome);
    return outcome;
  }

  /** Says what has become of a command, if that is not what was wished. */
  told(outcome: Outcome): void {
    if (outcome.status === "refused") this.notices.say(reasonOf(outcome.code, outcome.reason), "bad");
    if (outcome.status === "lost") this.notices.say(t("notice.lost"), "bad");
  }

  setPresence(state: Presence, reason = ""): void {
    void this.do({ do: "presence", state, ...(reason ? { reason } : {}) });
  }

  chooseList(name: ListName): void {
    this.list.value = name;
    const everything = name === "all";
    if (everything && !this.#everything) this.#showEverything(true);
  }

  /** The supervisor's pages need everybody, too. */
  seeEverything(): void {
    if (this.isSupervisor.peek() && !this.#everything) this.#showEverything(true);
  }

  #showEverything(everything: boolean): void {
    this.#everything = everything;
    this.#link.send({ type: "show", everything });
  }

  /** Puts a conversation on the screen. */
  open(id: string, person = ""): Thread {
    const summary = this.lists.row(id)?.peek() ?? null;
    return batch(() => this.threads.show(id, person || (summary?.person ?? ""), summary, this.me.peek()?.id ?? ""));
  }

  /** Leaves the last entries of the customer unread, and puts the conversation away. */
  leaveUnread(thread: Thread): void {
    this.threads.hide();
    void this.do(this.#marks.unseen(thread));
  }

  /** Reads earlier items back, or the conversation before this one when there are none. */
  async readBack(thread: Thread): Promise<void> {
    try {
      await readBack(this.threads, thread);
    } catch (problem) {
      this.notices.say(problemOf(problem), "bad");
    }
  }

  nameOf(operator: string): string {
    return (
      (this.operators.value.get(operator) ?? this.everybody.value.find((each) => each.id === operator))?.name ??
      operator
    );
  }

  /** Orders that hold words for a conversation, oldest first: they stand below what is confirmed. */
  wordsFor(conversation: string): Order[] {
    return [...this.orders.open.value.values()].filter(
      ({ action }) => (action.do === "reply" || action.do === "note") && action.conversation === conversation,
    );
  }

  /** Whether I may write to the customer: the owner may, and a supervisor. */
  mayReply(summary: Summary | null): boolean {
    if (!summary || summary.status === "closed") return summary?.owner === this.me.value?.id && summary !== null;
    return summary.owner === this.me.value?.id || this.isSupervisor.value;
  }

  /** Tells colleagues and the customer what has been seen, when it really is on the screen. */
  #markRead(): void {
    const thread = this.threads.current.value;
    const me = this.me.value?.id;
    const seen = this.visible.value && thread?.loaded.value && thread.items.value.length;
    const action = thread && seen && me ? this.#marks.seen(thread, me) : null;
    if (action) void this.orders.give(action);
  }
}

/** The words for a code of ours, else what the node says. */
export function reasonOf(code: string, reason: string): string {
  const known = coded("refused", code);
  return known === code ? reason : known;
}

/** What went wrong with a request, in the operator's language if there are words for it. */
export function problemOf(problem: unknown): string {
  return problem instanceof Failed ? reasonOf(problem.code, problem.message) : String(problem);
}
