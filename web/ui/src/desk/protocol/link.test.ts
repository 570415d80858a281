import { describe, expect, test, vi } from "vitest";
import { Link, type World } from "./link";
import type { ClientFrame, ServerFrame } from "./wire";

class Socket {
  readyState: number = WebSocket.OPEN;
  sent: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((closing: { code: number }) => void) | null = null;
  send(data: string): void {
    this.sent.push(data);
  }
  close(): void {
    this.readyState = WebSocket.CLOSED;
  }
  says(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

function made(signedIn = true) {
  const sockets: Socket[] = [];
  const timers: (() => void)[] = [];
  const pictures: (() => void)[] = [];
  const clock = { now: 0 };
  const bundles: (readonly ServerFrame[])[] = [];
  const states: string[] = [];
  const ended = vi.fn();
  const world: World = {
    open: () => {
      sockets.push(new Socket());
      return sockets.at(-1) as unknown as WebSocket;
    },
    now: () => clock.now,
    later: (run) => timers.push(run),
    forget: () => {},
    nextPicture: (run) => void pictures.push(run),
    signedIn: async () => signedIn,
  };
  const link = new Link(world, {
    hello: (): ClientFrame => ({ type: "hello", cursor: "c9", everything: false }),
    frames: (frames) => void bundles.push(frames),
    connection: (now) => void states.push(now),
    sessionEnded: ended,
  });
  link.start();
  const paint = () => {
    for (const run of pictures.splice(0)) run();
  };
  const wait = async () => {
    for (const run of timers.splice(0)) run();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { link, sockets, clock, bundles, states, ended, paint, wait };
}

const last = (sockets: Socket[]) => sockets.at(-1) as Socket;

describe("the link", () => {
  test("says hello with the newest cursor, and sends nothing before the welcome", () => {
    const { link, sockets } = made();
    last(sockets).onopen?.();
    expect(last(sockets).sent).toEqual(['{"type":"hello","cursor":"c9","everything":false}']);
    expect(link.send({ type: "active" })).toBe(false);
    last(sockets).says({ type: "welcome" });
    expect(link.send({ type: "active" })).toBe(true);
  });

  test("hands on what came between two pictures in one bundle, in order", () => {
    const { sockets, bundles, paint } = made();
    last(sockets).says({ type: "welcome" });
    last(sockets).says({ type: "beat", cursor: "a" });
    last(sockets).says({ type: "beat", cursor: "b" });
    expect(bundles).toEqual([]);
    paint();
    expect(bundles.map((bundle) => bundle.length)).toEqual([3]);
    paint();
    expect(bundles).toHaveLength(1);
  });

  test("connects again after a loss, and hands on what had come before", async () => {
    const { sockets, bundles, states, wait } = made();
    last(sockets).says({ type: "welcome" });
    last(sockets).onclose?.({ code: 1001 });
    expect(bundles).toHaveLength(1);
    expect(states).toEqual(["connecting", "connected", "lost"]);
    await wait();
    expect(sockets).toHaveLength(2);
  });

  test("gives a silent socket up", async () => {
    const { link, sockets, clock, states, wait } = made();
    last(sockets).says({ type: "welcome" });
    clock.now = 15_000;
    link.watchSilence();
    expect(states.at(-1)).toBe("connected");
    clock.now = 17_000;
    link.watchSilence();
    expect(states.at(-1)).toBe("lost");
    await wait();
    expect(sockets).toHaveLength(2);
  });

  test("has one socket, also when the network is back while the session is being asked for", async () => {
    const { link, sockets, wait } = made();
    last(sockets).onclose?.({ code: 1006 });
    await wait();
    last(sockets).onclose?.({ code: 1006 });
    const asked = wait();
    link.hurry();
    await asked;
    expect(sockets).toHaveLength(3);
  });

  test("ends with the session: told by the socket, or found out when it is refused", async () => {
    const told = made();
    last(told.sockets).onclose?.({ code: 4401 });
    expect(told.ended).toHaveBeenCalledOnce();
    const refused = made(false);
    last(refused.sockets).onclose?.({ code: 1006 });
    await refused.wait();
    last(refused.sockets).onclose?.({ code: 1006 });
    await refused.wait();
    expect(refused.ended).toHaveBeenCalledOnce();
  });
});
