// The desk's socket: connects again by itself, resumes by cursor, and hands frames on in bundles, once per picture.
import { pause } from "../../shared/backoff";
import type { ClientFrame, ServerFrame } from "./wire";

export type Connection = "connecting" | "connected" | "lost";

const SILENCE = 16_000; // three beats of the node
const SESSION_ENDED = 4401;
const HIDDEN_MEANWHILE = 200; // ms; a page that was hidden before it was painted gets no picture

/** What the link needs of the page and of the clock; tests give their own. */
export interface World {
  open(): WebSocket;
  now(): number;
  later(run: () => void, ms: number): number;
  forget(timer: number): void;
  /** Runs before the next picture is painted, or soon if none is. */
  nextPicture(run: () => void): void;
  /** Asks whether the session still stands: a refused handshake looks like any other failure. */
  signedIn(): Promise<boolean>;
}

/** Who is told. */
export interface Listener {
  hello(): ClientFrame;
  frames(frames: readonly ServerFrame[]): void;
  connection(now: Connection): void;
  sessionEnded(): void;
}

export class Link {
  #socket: WebSocket | null = null;
  #running = false;
  #welcomed = false;
  #attempt = 0;
  #timer = 0;
  #heard = 0;
  #arrived: ServerFrame[] = [];

  constructor(
    private readonly world: World,
    private readonly listener: Listener,
  ) {}

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#attempt = 0;
    this.#connect();
  }

  stop(): void {
    this.#running = false;
    this.world.forget(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    this.#arrived = [];
    socket?.close(1000);
  }

  /** Connects at once, when the network is back. */
  hurry(): void {
    if (this.#running && !this.#socket) this.#connect();
  }

  /** Sends a frame if the node has said welcome; says whether it went out. */
  send(frame: ClientFrame): boolean {
    if (!this.#welcomed || this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** To be called now and then: a socket that says nothing is given up. */
  watchSilence(): void {
    const silent = this.#socket;
    if (!silent || this.world.now() - this.#heard <= SILENCE) return;
    this.#socket = null;
    silent.close();
    this.#lost(0);
  }

  #connect(): void {
    this.world.forget(this.#timer);
    if (!this.#running || this.#socket) return;
    this.listener.connection("connecting");
    const socket = this.world.open();
    this.#socket = socket;
    this.#welcomed = false;
    this.#heard = this.world.now();
    socket.onopen = () => socket.send(JSON.stringify(this.listener.hello()));
    socket.onmessage = (message) => {
      if (socket === this.#socket) this.#take(JSON.parse(String(message.data)) as ServerFrame);
    };
    socket.onclose = (closing) => {
      if (socket === this.#socket) this.#lost(closing.code);
    };
  }

  #take(frame: ServerFrame): void {
    this.#heard = this.world.now();
    if (frame.type === "welcome") {
      this.#welcomed = true;
      this.#attempt = 0;
      this.listener.connection("connected");
    }
    this.#arrived.push(frame);
    if (this.#arrived.length === 1) this.world.nextPicture(() => this.#handOn());
  }

  #handOn(): void {
    const arrived = this.#arrived;
    this.#arrived = [];
    if (arrived.length) this.listener.frames(arrived);
  }

  #lost(code: number): void {
    this.#handOn();
    this.#socket = null;
    this.#welcomed = false;
    if (!this.#running) return;
    if (code === SESSION_ENDED) {
      this.#running = false;
      this.listener.sessionEnded();
      return;
    }
    this.listener.connection("lost");
    this.#timer = this.world.later(() => void this.#again(), pause(this.#attempt));
    this.#attempt += 1;
  }

  async #again(): Promise<void> {
    if (this.#attempt > 1 && !(await this.world.signedIn())) this.#lost(SESSION_ENDED);
    else this.#connect();
  }
}

/** The real world. */
export function browserWorld(signedIn: () => Promise<boolean>): World {
  return {
    open: () => new WebSocket(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/desk/socket`),
    now: () => Date.now(),
    later: (run, ms) => window.setTimeout(run, ms),
    forget: (timer) => window.clearTimeout(timer),
    nextPicture: (run) => {
      if (document.hidden) window.setTimeout(run, 0);
      else {
        requestAnimationFrame(run);
        window.setTimeout(run, HIDDEN_MEANWHILE);
      }
    },
    signedIn,
  };
}
