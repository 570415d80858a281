import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Ended, type Frame, Later, Line } from "./socket";

class Wire {
  static all: Wire[] = [];
  static readonly OPEN = 1;
  readyState = 0;
  sent: Frame[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor(readonly address: string) {
    Wire.all.push(this);
  }
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
  opens() {
    this.readyState = 1;
    this.onopen?.();
  }
  says(frame: Frame) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  closes(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

const wire = (place = -1) => Wire.all.at(place) as Wire;

let cursor = 0;
let states: string[] = [];
let taken: string[] = [];
let address: () => Promise<string>;
let made: Line<Frame>;

function line() {
  made = new Line<Frame>(
    {
      address: () => address(),
      hello: () => ({ type: "hello", cursor: ++cursor }) as Frame,
      take: (frame) => taken.push(frame.type),
      changed: (state) => states.push(state),
      final: (code) => code === 4401,
    },
    () => 0.5,
  );
  made.start();
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", Wire);
  Wire.all = [];
  states = [];
  taken = [];
  cursor = 0;
  address = async () => "wss://chat.example/socket";
});

afterEach(() => {
  made.end();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function welcomed() {
  line();
  await vi.advanceTimersByTimeAsync(0);
  wire().opens();
  wire().says({ type: "welcome" });
}

test("it says hello, and sends only when it is welcome", async () => {
  line();
  await vi.advanceTimersByTimeAsync(0);
  expect(made.send({ type: "send" })).toBe(false);
  wire().opens();
  expect(wire().sent).toEqual([{ type: "hello", cursor: 1 }]);
  expect(made.send({ type: "send" })).toBe(false);
  wire().says({ type: "welcome" });
  expect(made.send({ type: "send" })).toBe(true);
  expect(states).toEqual(["open"]);
  expect(taken).toEqual(["welcome"]);
});

test("a lost connection comes back with a new hello, waiting longer each time", async () => {
  await welcomed();
  wire().closes();
  expect(states).toEqual(["open", "lost"]);
  await vi.advanceTimersByTimeAsync(500);
  expect(Wire.all).toHaveLength(2);
  wire().closes();
  await vi.advanceTimersByTimeAsync(999);
  expect(Wire.all).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  wire().opens();
  wire().says({ type: "welcome" });
  expect(wire().sent).toEqual([{ type: "hello", cursor: 2 }]);
  expect(states).toEqual(["open", "lost", "open"]);
});

test("a connection that has died in silence is found by a ping without an answer", async () => {
  await welcomed();
  await vi.advanceTimersByTimeAsync(25_000);
  expect(wire().sent.at(-1)).toEqual({ type: "ping" });
  wire().says({ type: "pong" });
  await vi.advanceTimersByTimeAsync(25_000 + 10_000);
  expect(states).toEqual(["open", "lost"]);
  expect(taken).toEqual(["welcome"]);
});

test("waking up asks at once whether the other side is there", async () => {
  await welcomed();
  window.dispatchEvent(new Event("online"));
  expect(wire().sent.at(-1)).toEqual({ type: "ping" });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(states).toEqual(["open", "lost"]);
  window.dispatchEvent(new Event("online"));
  await vi.advanceTimersByTimeAsync(0);
  expect(Wire.all).toHaveLength(2);
});

test("a handshake that hangs is given up", async () => {
  line();
  await vi.advanceTimersByTimeAsync(20_000 + 500);
  expect(Wire.all).toHaveLength(2);
});

test("it waits as long as it is told to, and ends when it is told to", async () => {
  address = async () => {
    throw new Later(30);
  };
  line();
  await vi.advanceTimersByTimeAsync(29_000);
  expect(states).toEqual(["lost"]);
  address = async () => {
    throw new Ended();
  };
  await vi.advanceTimersByTimeAsync(1_000);
  expect(states).toEqual(["lost", "ended"]);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(Wire.all).toHaveLength(0);
});

test("a final close code ends it", async () => {
  await welcomed();
  wire().closes(4401);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(states).toEqual(["open", "ended"]);
  expect(Wire.all).toHaveLength(1);
});

test("nothing of an old connection is heard any more", async () => {
  await welcomed();
  const old = wire();
  made.again();
  await vi.advanceTimersByTimeAsync(0);
  old.says({ type: "items" });
  old.closes();
  expect(taken).toEqual(["welcome"]);
  expect(Wire.all).toHaveLength(2);
});

test("what has ended stays so, also when an address was being asked for", async () => {
  let fail = (_: Error) => {};
  address = () => new Promise((_, reject) => (fail = reject));
  line();
  made.end();
  fail(new Error("no network"));
  await vi.advanceTimersByTimeAsync(60_000);
  made.again();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(made.state).toBe("ended");
  expect(Wire.all).toEqual([]);
});

test("connecting again, nothing is sent before the new welcome", async () => {
  await welcomed();
  made.again();
  await vi.advanceTimersByTimeAsync(0);
  wire().opens();
  expect(made.send({ type: "send" })).toBe(false);
  wire().says({ type: "welcome" });
  expect(made.send({ type: "send" })).toBe(true);
  expect(wire().sent.map((frame) => frame.type)).toEqual(["hello", "send"]);
});
