import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Chat } from "./chat";
import { Keep } from "./keep";
import type { Session } from "./protocol";
import type { Server } from "./server";

class Silent {
  static readonly OPEN = 1;
  close() {}
}

/** A connection that stands at once. */
class Standing {
  static readonly OPEN = 1;
  static all: Standing[] = [];
  readonly readyState = 1;
  readonly said: string[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  constructor() {
    Standing.all.push(this);
    queueMicrotask(() => this.onopen?.());
  }
  send(text: string) {
    const frame = JSON.parse(text);
    if (frame.type === "hello") this.hear({ type: "welcome", status: {} });
    if (frame.type === "send") this.said.push(frame.content.text);
  }
  hear(frame: object) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  close() {}
}

const page = { language: () => "en", referrer: "", campaign: "", department: "" };
let answers: (() => void)[] = [];

/** Users are the same visitor everywhere; a token is the visitor's name. */
function session(visitor: string): Session {
  const user = visitor.startsWith("u-") ? visitor : "";
  return { token: visitor, visitor, language: "en", renew_at: Date.now() + 60_000, ...(user && { user }) } as Session;
}

/** Answers in the order in which `answers` are called, and not before. */
const server = {
  socket: "wss://chat.example/socket",
  session: (token: string | undefined) => later(session(token ?? "stranger")),
  identify: (_: string, identity: string) => later(session(`u-${identity}`)),
} as unknown as Server;

function later(answer: Session): Promise<Session> {
  return new Promise((resolve) => answers.push(() => resolve(answer)));
}

async function answer() {
  await vi.waitFor(() => expect(answers).not.toEqual([]));
  answers.shift()?.();
}

function chatOf(kept?: string): Chat {
  const keep = new Keep("chat");
  if (kept) keep.put({ session: session(kept), talked: true });
  return new Chat(server, keep, page);
}

beforeEach(() => {
  vi.stubGlobal("WebSocket", Silent);
  answers = [];
  localStorage.clear();
});

afterEach(() => vi.unstubAllGlobals());

test("who signs out leaves nothing that they have written", async () => {
  const chat = chatOf("u-anna");
  const begun = chat.begin();
  await answer();
  await begun;
  chat.keep.put({ answers: { email: "anna@shop.example" } });
  chat.type("half a sent");
  chat.say({ kind: "text", text: "of Anna" });
  const out = chat.identify(null);
  await answer();
  await out;
  expect([chat.keep.pending, chat.keep.all.answers, chat.keep.tab.draft, chat.draft]).toEqual([[], {}, "", ""]);
});

test("who signs out while the page is loading is signed out", async () => {
  const chat = chatOf("u-anna");
  const begun = chat.begin();
  const out = chat.identify(null);
  await answer();
  await answer();
  await Promise.all([begun, out]);
  expect(chat.session?.visitor).toBe("stranger");
  expect(chat.keep.all.session?.visitor).toBe("stranger");
});

test("what one user has written is never sent as another one", async () => {
  const chat = chatOf("u-anna");
  const begun = chat.begin();
  await answer();
  await begun;
  chat.say({ kind: "text", text: "of Anna" });
  const other = chat.identify("boris");
  await answer();
  await other;
  expect(chat.keep.pending).toEqual([]);
  expect(chat.entries).toEqual([]);
});

test("what a stranger has written is sent as the user who they turn out to be", async () => {
  const chat = chatOf();
  const begun = chat.begin();
  await answer();
  await begun;
  chat.say({ kind: "text", text: "mine" });
  const known = chat.identify("anna");
  await answer();
  await known;
  expect(chat.keep.pending.map((each) => each.content)).toEqual([{ kind: "text", text: "mine" }]);
});

test("nothing goes out between the words of a stranger and who they turn out to be", async () => {
  Standing.all = [];
  vi.stubGlobal("WebSocket", Standing);
  const chat = chatOf();
  const begun = chat.begin();
  await answer();
  await begun;
  chat.say({ kind: "text", text: "first" });
  await vi.waitFor(() => expect(Standing.all[0]?.said).toEqual(["first"]));
  const known = chat.identify("anna");
  await new Promise((done) => setTimeout(done)); // whatever it does at once is done
  expect(answers).toEqual([]); // the first is not stored yet: whose would it be?
  Standing.all[0]?.hear({ type: "ack", id: chat.keep.pending[0]?.id });
  await vi.waitFor(() => expect(answers).not.toEqual([]));
  chat.say({ kind: "text", text: "second" });
  await answer();
  await known;
  await vi.waitFor(() => expect(Standing.all.map((each) => each.said)).toEqual([["first"], ["second"]]));
});

test("a message is kept for this page when the store is full", () => {
  const keep = new Keep("chat");
  const setItem = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  vi.stubGlobal("localStorage", { getItem: () => '{"talked":true}', setItem });
  keep.add({ id: "1", at: 1, content: { kind: "text", text: "kept" } });
  expect(keep.pending.map((each) => each.id)).toEqual(["1"]);
});
