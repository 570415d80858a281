import { expect, test } from "vitest";
import type { ClientFrame } from "../protocol/wire";
import { Telling } from "./telling";

function made() {
  const sent: ClientFrame[] = [];
  const world = { now: 1_000_000, connected: true };
  const telling = new Telling(
    (frame) => {
      if (world.connected) sent.push(frame);
      return world.connected;
    },
    () => world.now,
  );
  return { telling, sent, world };
}

test("somebody who reads for long is said to be here once a minute", () => {
  const { telling, sent, world } = made();
  for (let second = 0; second < 150; second += 1) {
    telling.here();
    world.now += 1_000;
  }
  expect(sent).toEqual([{ type: "active" }, { type: "active" }, { type: "active" }]);
});

test("it is said in good time where the node waits for less than a minute", () => {
  const { telling, sent, world } = made();
  telling.idleAfter(30_000);
  telling.here();
  world.now += 10_000;
  telling.here();
  expect(sent).toHaveLength(2);
});

test("what did not go out is said again at the next touch", () => {
  const { telling, sent, world } = made();
  world.connected = false;
  telling.here();
  world.connected = true;
  telling.here();
  expect(sent).toHaveLength(1);
});

test("the customer is told that we type every three seconds", () => {
  const { telling, sent, world } = made();
  for (const ms of [0, 1_000, 1_000, 1_000]) {
    world.now += ms;
    telling.typing("c1");
  }
  expect(sent).toEqual([
    { type: "typing", conversation: "c1", on: true },
    { type: "typing", conversation: "c1", on: true },
  ]);
});
