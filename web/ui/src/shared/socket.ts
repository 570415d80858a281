// A WebSocket that comes back by itself: after a deploy, a tunnel, sleep, a cable pulled out. It knows three frames of
// both our protocols: `welcome` (the peer has let us in), `ping` and `pong`; all others are its user's. What is to be
// resumed, and what is to be sent again, is decided by the user in `hello` and on `welcome`.
import { pause } from "./backoff";

/** `open`: welcome. `lost`: it was there, or could not be reached, and will be tried again. `ended`: not any more. */
export type LineState = "connecting" | "open" | "lost" | "ended";

export interface Frame {
  type: string;
}

export interface Wiring<In extends Frame> {
  /** Gives the address to connect to; may fetch a session first. Throw `Ended` to give up, anything else to retry. */
  address(): Promise<string> | string;
  /** The first frame, made anew for each connection, with the latest cursor. */
  hello(): Frame;
  /** Called for each frame but `pong`; `welcome` comes after the state has become `open`. */
  take(frame: In): void;
  /** Called when the state has changed. */
  changed?(state: LineState): void;
  /** Says for a close code that there is no use in trying again. */
  final?(code: number): boolean;
}

/** Thrown by `address`: trying again is of no use. */
export class Ended extends Error {}

/** Thrown by `address`: not before so many seconds. */
export class Later extends Error {
  constructor(readonly seconds: number) {
    super("later");
  }
}

const PING = 25_000;
const ANSWER = 10_000;

export class Line<In extends Frame> {
  state: LineState = "connecting";
  private socket: WebSocket | undefined;
  private attempt = 0;
  private busy = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private beat: ReturnType<typeof setInterval> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly wiring: Wiring<In>,
    private readonly random: () => number = Math.random,
  ) {}

  /** Connects, and stays connected until `end`. */
  start(): void {
    addEventListener("online", this.wake);
    addEventListener("pageshow", this.wake);
    document.addEventListener("visibilitychange", this.wake);
    void this.connect();
  }

  /** Ends for good. */
  end(): void {
    removeEventListener("online", this.wake);
    removeEventListener("pageshow", this.wake);
    document.removeEventListener("visibilitychange", this.wake);
    this.drop();
    clearTimeout(this.timer);
    this.turn("ended");
  }

  /** Sends a frame if we are welcome; false: it has not gone out. */
  send(frame: Frame): boolean {
    return this.state === "open" && this.put(frame);
  }

  /** Connects anew at once, with a new `hello`. */
  again(): void {
    this.drop();
    this.attempt = 0;
    clearTimeout(this.timer);
    this.turn("connecting");
    void this.connect();
  }

  /** Looks at once whether the connection is alive, or tries at once to have one: something has changed outside. */
  readonly wake = (): void => {
    if (document.hidden || this.state === "ended") return;
    if (this.socket?.readyState === WebSocket.OPEN) this.ping();
    else if (!this.socket && !this.busy) this.again();
  };

  private async connect(): Promise<void> {
    if (this.busy || this.socket || this.state === "ended") return;
    this.busy = true;
    let wait = 0;
    try {
      this.open(await this.wiring.address());
    } catch (error) {
      if (error instanceof Ended) this.end();
      else wait = error instanceof Later ? error.seconds * 1000 : 1;
    }
    this.busy = false;
    if (wait) this.retry(wait);
  }

  private open(address: string): void {
    if (this.state === "ended") return;
    const socket = new WebSocket(address);
    this.socket = socket;
    this.expect(ANSWER * 2); // a handshake may hang as well
    socket.onopen = () => this.put(this.wiring.hello());
    socket.onmessage = (event: MessageEvent<string>) => this.hear(event.data);
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.drop();
      if (this.wiring.final?.(event.code)) this.end();
      else this.retry();
    };
  }

  private hear(data: string): void {
    clearTimeout(this.silence);
    this.silence = undefined;
    const frame = JSON.parse(data) as In;
    if (frame.type === "pong") return;
    if (frame.type === "welcome") {
      this.attempt = 0;
      this.beat = setInterval(() => this.ping(), PING);
      this.turn("open");
    }
    this.wiring.take(frame);
  }

  private put(frame: Frame): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  private ping(): void {
    if (this.put({ type: "ping" })) this.expect(ANSWER);
  }

  /** Counts the connection as dead unless something comes in time. */
  private expect(within: number): void {
    this.silence ??= setTimeout(() => {
      this.drop();
      this.retry();
    }, within);
  }

  private drop(): void {
    clearInterval(this.beat);
    clearTimeout(this.silence);
    this.silence = undefined;
    const socket = this.socket;
    this.socket = undefined;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  private retry(least = 0): void {
    this.turn("lost");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.connect(), Math.max(least, pause(this.attempt++, this.random)));
  }

  private turn(state: LineState): void {
    if (this.state === state || this.state === "ended") return;
    this.state = state;
    this.wiring.changed?.(state);
  }
}
