// Commands on their way: sent under an id of ours, repeated with the same id until they are answered.
import { type Signal, signal } from "@preact/signals";
import { newId } from "../../shared/ids";
import { wholeItem } from "./whole";
import type { Action, Answer, ClientFrame, Item } from "./wire";

const DOUBTFUL = 2_000; // ms without an answer after which we say so
const REPEATED = 3_000; // ms between repetitions
const MOST = 250_000; // bytes of an action: a node closes the line on a frame of much more, and decides on no more
const GIVEN_UP = 60_000; // ms after which an action that holds no words of the operator is given up

export interface Order {
  readonly id: string;
  readonly action: Action;
  readonly at: number;
  readonly repeated: number;
  readonly state: "sent" | "not_confirmed" | "refused";
  readonly code: string;
  readonly reason: string;
  readonly since: readonly Item[];
}

/** How a command ended. `lost`: nobody has ever said. */
export type Outcome =
  | { status: "confirmed" }
  | { status: "refused"; code: string; reason: string }
  | { status: "lost" };

/** Whether a command holds words of the operator, which must never vanish. */
export const isWords = (action: Action): boolean => action.do === "reply" || action.do === "note";

const conversationOf = (action: Action): string => ("conversation" in action ? action.conversation : "");

/**
 * What an operator has given and nobody has answered. What concerns a conversation waits until the words given before it
 * are answered: words that the node could not store at once would else be overtaken by the next ones.
 */
export class Orders {
  readonly open: Signal<ReadonlyMap<string, Order>> = signal(new Map());
  #said = new Set<string>();
  #waiting = new Map<string, (outcome: Outcome) => void>();

  constructor(
    private readonly send: (frame: ClientFrame) => boolean,
    private readonly now: () => number = () => Date.now(),
    private readonly makeId: () => string = newId,
  ) {}

  /** Gives a command; the promise says how it ended. */
  give(action: Action): Promise<Outcome> {
    const at = this.now();
    const order: Order = {
      id: this.makeId(),
      action,
      at,
      repeated: at,
      state: "sent",
      code: "",
      reason: "",
      since: [],
    };
    const answer = new Promise<Outcome>((resolve) => this.#waiting.set(order.id, resolve));
    this.#put(order);
    if (new TextEncoder().encode(JSON.stringify(action)).length > MOST)
      this.#refuse(order, "too_large", "too large", []);
    else if (!this.#held(order)) this.#say(order);
    return answer;
  }

  answered(answer: Answer): void {
    const order = this.open.peek().get(answer.id);
    if (!order) return;
    if (answer.status === "confirmed") this.#end(order, { status: "confirmed" });
    else if (answer.status === "not_confirmed") {
      this.#put({ ...order, state: "not_confirmed", reason: answer.reason });
    } else this.#refuse(order, answer.code, answer.reason, (answer.since ?? []).map(wholeItem));
  }

  /** The command's effect is on the screen: nothing needs to be shown of it any more. */
  took(id: string): void {
    const order = this.open.peek().get(id);
    if (order) this.#end(order, { status: "confirmed" });
  }

  /** The node could not take the frame now: it is repeated later. */
  delayed(id: string, reason: string, retryAfter: number): void {
    const order = this.open.peek().get(id);
    if (!order) return;
    const repeated = this.now() + retryAfter * 1_000 - REPEATED;
    this.#put({ ...order, state: "not_confirmed", reason, repeated });
  }

  /** After a new connection everything that is not answered is said again. */
  repeatAll(): void {
    for (const order of this.open.peek().values()) if (order.state !== "refused") this.#repeat(order);
  }

  /** To be called once a second. */
  tick(): void {
    const now = this.now();
    for (const order of this.open.peek().values()) {
      if (order.state === "refused") continue;
      if (now - order.at > GIVEN_UP && !isWords(order.action)) this.#end(order, { status: "lost" });
      else if (now - order.repeated >= REPEATED) this.#repeat({ ...order, state: "not_confirmed" });
      else if (order.state === "sent" && now - order.at >= DOUBTFUL) this.#put({ ...order, state: "not_confirmed" });
    }
  }

  /** Words that were refused are put away: they are back in the editor, or not wanted. */
  discard(id: string): void {
    const left = new Map(this.open.peek());
    if (left.delete(id)) this.open.value = left;
    this.#said.delete(id);
  }

  clear(): void {
    this.open.value = new Map();
    this.#said.clear();
    this.#waiting.clear();
  }

  #repeat(order: Order): void {
    this.#put({ ...order, repeated: this.now() });
    if (!this.#held(order)) this.#say(order);
  }

  #say(order: Order): void {
    this.#said.add(order.id);
    this.send({ type: "command", id: order.id, action: order.action });
  }

  #held(order: Order): boolean {
    const conversation = conversationOf(order.action);
    for (const earlier of this.open.peek().values()) {
      if (earlier.id === order.id) break;
      const words = earlier.state !== "refused" && isWords(earlier.action);
      if (words && conversation && conversationOf(earlier.action) === conversation) return true;
    }
    return false;
  }

  #sayHeld(): void {
    for (const order of this.open.peek().values()) {
      if (order.state !== "refused" && !this.#said.has(order.id) && !this.#held(order)) this.#say(order);
    }
  }

  #refuse(order: Order, code: string, reason: string, since: Item[]): void {
    if (isWords(order.action)) {
      this.#put({ ...order, state: "refused", code, reason, since });
      this.#sayHeld();
      this.#settle(order.id, { status: "refused", code, reason });
    } else this.#end(order, { status: "refused", code, reason });
  }

  #end(order: Order, outcome: Outcome): void {
    this.discard(order.id);
    this.#sayHeld();
    this.#settle(order.id, outcome);
  }

  #settle(id: string, outcome: Outcome): void {
    this.#waiting.get(id)?.(outcome);
    this.#waiting.delete(id);
  }

  #put(order: Order): void {
    this.open.value = new Map(this.open.peek()).set(order.id, order);
  }
}
