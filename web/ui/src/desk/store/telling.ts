// What is told the node beside commands, now and then only: that somebody is here, and that we type to a customer.
import type { ClientFrame } from "../protocol/wire";

const TYPING = 3_000; // ms between two words to the customer that we type
const HERE = 60_000; // ms between two words to the node that somebody is here

export class Telling {
  #here = HERE;
  #toldHere = Number.NEGATIVE_INFINITY;
  #toldTyping = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly send: (frame: ClientFrame) => boolean,
    private readonly now: () => number,
  ) {}

  /** The node sets away whom it has not heard of for `ms` (0: nobody); well before that it is told. */
  idleAfter(ms: number): void {
    this.#here = ms ? Math.min(HERE, ms / 3) : HERE;
  }

  /** A key, wheel, pointer or finger was used. */
  here(): void {
    const now = this.now();
    if (now - this.#toldHere >= this.#here && this.send({ type: "active" })) this.#toldHere = now;
  }

  typing(conversation: string): void {
    const now = this.now();
    if (now - this.#toldTyping < TYPING) return;
    this.#toldTyping = now;
    this.send({ type: "typing", conversation, on: true });
  }
}
