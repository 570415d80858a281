import { describe, expect, test } from "vitest";
import { Orders } from "./orders";
import type { Action, ClientFrame } from "./wire";

const REPLY: Action = { do: "reply", conversation: "c1", content: { kind: "text", text: "Hello" }, seen: 1 };
const CLOSE: Action = { do: "close", conversation: "c1" };

function made() {
  const sent: ClientFrame[] = [];
  const clock = { now: 1_000_000 };
  let made = 0;
  const orders = new Orders(
    (frame) => sent.push(frame) > 0,
    () => clock.now,
    () => `id${++made}`,
  );
  const pass = (seconds: number) => {
    for (let i = 0; i < seconds; i += 1) {
      clock.now += 1_000;
      orders.tick();
    }
  };
  const state = (id: string) => orders.open.value.get(id)?.state;
  return { orders, sent, pass, state };
}

describe("a command", () => {
  test("is doubtful after two seconds, and repeated under the same id until it is answered", () => {
    const { orders, sent, pass, state } = made();
    void orders.give(REPLY);
    pass(1);
    expect(state("id1")).toBe("sent");
    pass(1);
    expect(state("id1")).toBe("not_confirmed");
    pass(4);
    expect(sent.map((frame) => frame.type === "command" && frame.id)).toEqual(["id1", "id1", "id1"]);
    orders.answered({ status: "confirmed", id: "id1" });
    pass(9);
    expect(sent).toHaveLength(3);
    expect(orders.open.value.size).toBe(0);
  });

  test("ends when its effect is on the screen, before its answer", async () => {
    const { orders } = made();
    const outcome = orders.give(REPLY);
    orders.took("id1");
    expect(await outcome).toEqual({ status: "confirmed" });
    orders.answered({ status: "confirmed", id: "id1" });
    expect(orders.open.value.size).toBe(0);
  });

  test("that holds words stays when it is refused, and is not repeated", async () => {
    const { orders, sent, pass } = made();
    const outcome = orders.give(REPLY);
    orders.answered({
      status: "refused",
      id: "id1",
      code: "stale",
      reason: "late",
      since: [{ id: "9.0", kind: "reply", at: 1 }],
    });
    expect(await outcome).toEqual({ status: "refused", code: "stale", reason: "late" });
    expect(orders.open.value.get("id1")?.since[0]?.id).toBe("9.0");
    pass(10);
    orders.repeatAll();
    expect(sent).toHaveLength(1);
    orders.discard("id1");
    expect(orders.open.value.size).toBe(0);
  });

  test("without words is given up after a minute, one with words never", async () => {
    const { orders, pass, state } = made();
    const outcome = orders.give(CLOSE);
    void orders.give(REPLY);
    pass(61);
    expect(await outcome).toEqual({ status: "lost" });
    expect(state("id2")).toBe("not_confirmed");
  });

  test("waits behind words of the same conversation that are not answered yet", () => {
    const { orders, sent } = made();
    const ids = () => sent.map((frame) => frame.type === "command" && frame.id);
    void orders.give(REPLY);
    void orders.give({ ...REPLY, conversation: "c2" });
    void orders.give(REPLY);
    void orders.give(CLOSE);
    expect(ids()).toEqual(["id1", "id2"]);
    orders.delayed("id1", "it could not be stored yet", 2);
    orders.repeatAll();
    expect(ids()).toEqual(["id1", "id2", "id1", "id2"]);
    orders.answered({ status: "confirmed", id: "id1" });
    expect(ids().slice(4)).toEqual(["id3"]);
    orders.answered({ status: "refused", id: "id3", code: "stale", reason: "late" });
    expect(ids().slice(5)).toEqual(["id4"]);
  });

  test("is said again after a new connection", () => {
    const { orders, sent } = made();
    void orders.give(REPLY);
    orders.repeatAll();
    expect(sent).toHaveLength(2);
  });

  test("that came too fast is repeated when the node says so", () => {
    const { orders, sent, pass } = made();
    void orders.give(REPLY);
    orders.delayed("id1", "too many commands", 1);
    pass(1);
    expect(sent).toHaveLength(2);
  });

  test("that is too large for the line is refused before it is said, words kept", async () => {
    const { orders, sent, state } = made();
    const outcome = orders.give({ ...REPLY, content: { kind: "text", text: "я".repeat(130_000) } });
    expect(await outcome).toMatchObject({ status: "refused", code: "too_large" });
    expect([sent.length, state("id1")]).toEqual([0, "refused"]);
  });
});
