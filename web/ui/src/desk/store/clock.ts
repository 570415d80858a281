// One clock for everything that ages on the screen: the node's time, moved on once a second by one timer.
import { type Signal, signal } from "@preact/signals";

export class Clock {
  readonly now: Signal<number>;
  #skew = 0;

  constructor(private readonly read: () => number = () => Date.now()) {
    this.now = signal(read());
  }

  /** The node has said what time it is. */
  set(nodeTime: number): void {
    this.#skew = nodeTime - this.read();
    this.tick();
  }

  tick(): void {
    this.now.value = this.exact();
  }

  /** The node's time now, to the millisecond; not followed by what is on the screen. */
  exact(): number {
    return this.read() + this.#skew;
  }
}
