// The editor below a conversation: text or note, files, an approved text; and what becomes of it when it is sent.
import { batch, computed, effect, type Signal, signal } from "@preact/signals";
import { Failed, upload } from "../protocol/http";
import type { Action, CannedAnswer, Content, Item, Media, Operator } from "../protocol/wire";
import { t } from "../words";
import { type Filling, fill, textOf } from "./canned";
import { type Desk, problemOf } from "./desk";
import { lastNumber, type Thread } from "./threads";
import { filled, isFilled, type Ways, waysOf } from "./ways";

/** A file on its way to the node, or there. */
export interface Attachment {
  readonly id: number;
  readonly file: File;
  readonly progress: Signal<number>;
  readonly media: Signal<Media | null>;
  readonly problem: Signal<string>;
  readonly stop: AbortController;
}

export class Editor {
  readonly text: Signal<string> = signal("");
  readonly note: Signal<boolean> = signal(false);
  readonly whisper: Signal<boolean> = signal(false);
  readonly files: Signal<readonly Attachment[]> = signal([]);
  /** The name of the approved text that is chosen; "?" while one is being looked for. */
  readonly template: Signal<string> = signal("");
  readonly values: Signal<Readonly<Record<string, string>>> = signal({});
  /** Asks the view to put the caret into the box, at a place. */
  readonly caret: Signal<{ at: number } | null> = signal(null);
  readonly ways = computed<Ways>(() => {
    const thread = this.desk.threads.current.value;
    const { channels } = this.desk;
    return waysOf(thread?.summary.value ?? null, thread?.route.value ?? "", channels.value, this.#minute.value);
  });
  readonly chosen = computed(() => this.ways.value.templates.find((each) => each.name === this.template.value));
  readonly ready = computed(() => this.#ready());
  #minute = computed(() => Math.floor(this.desk.clock.now.value / 1000) * 1000);
  #thread: Thread | null = null;
  #kept = new Map<string, readonly Attachment[]>();
  #next = 1;

  constructor(
    private readonly desk: Desk,
    private readonly sendFile: typeof upload = upload,
  ) {
    effect(() => this.#turnTo(desk.threads.current.value));
  }

  write(text: string): void {
    this.text.value = text;
    this.#keep();
    if (this.#thread && text && !this.note.peek()) this.desk.telling.typing(this.#thread.id);
  }

  /** Puts text in place of what stands between two places, and the caret behind it. */
  insert(text: string, from: number, to: number): void {
    const now = this.text.peek();
    this.write(now.slice(0, from) + text + now.slice(to));
    this.focus(from + text.length);
  }

  focus(at: number = this.text.peek().length): void {
    this.caret.value = { at };
  }

  setNote(note: boolean, whisper = false): void {
    batch(() => {
      this.note.value = note;
      this.whisper.value = whisper;
    });
    this.#keep();
    this.focus();
  }

  // --- canned answers ---------------------------------------------------------------------------------------------

  filling(): Filling {
    const summary = this.#thread?.summary.peek();
    const name = summary?.name ?? "";
    return {
      customer: name,
      first_name: name.split(/\s+/)[0] ?? "",
      operator: this.desk.me.peek()?.name ?? "",
      channel: summary?.channel ?? "",
      conversation: summary?.id ?? "",
      date: new Date(this.desk.clock.exact()).toLocaleDateString(
        summary?.languages[0] ?? this.desk.languages.peek()[0],
      ),
    };
  }

  /** The languages to look for, the customer's first. */
  tongues(): string[] {
    return [...(this.#thread?.summary.value?.languages ?? []), ...this.desk.languages.value];
  }

  textOf(answer: CannedAnswer): string {
    return fill(textOf(answer, this.tongues()), this.filling());
  }

  /** Shows the approved texts, or puts them away. */
  wantTemplate(): void {
    this.template.value = this.template.peek() ? "" : "?";
  }

  /** The approved text as the customer will read it. */
  filledTemplate(): string {
    const template = this.chosen.value;
    return template ? filled(template, this.values.value) : "";
  }

  // --- files ------------------------------------------------------------------------------------------------------

  attach(files: Iterable<File>): void {
    for (const file of files) this.#attach(file);
  }

  #attach(file: File): void {
    const attachment: Attachment = {
      id: this.#next++,
      file,
      progress: signal(0),
      media: signal(null),
      problem: signal(""),
      stop: new AbortController(),
    };
    this.files.value = [...this.files.peek(), attachment];
    this.#keepFiles();
    const told = (part: number) => {
      attachment.progress.value = part;
    };
    this.sendFile(file, told, attachment.stop.signal).then(
      (media) => {
        attachment.media.value = media;
      },
      (problem: unknown) => {
        attachment.problem.value = problem instanceof Failed && problem.status ? problemOf(problem) : t("file.failed");
      },
    );
  }

  detach(id: number): void {
    this.files
      .peek()
      .find((each) => each.id === id)
      ?.stop.abort();
    this.files.value = this.files.peek().filter((each) => each.id !== id);
    this.#keepFiles();
  }

  // --- sending ----------------------------------------------------------------------------------------------------

  /** Sends what stands there; says whether anything went out. */
  send(): boolean {
    const thread = this.#thread;
    if (!thread || !this.ready.peek()) return false;
    for (const content of this.#contents()) this.#give(thread, content);
    batch(() => {
      this.text.value = "";
      this.files.value = [];
      this.template.value = "";
      this.values.value = {};
      this.whisper.value = false;
    });
    this.#keep();
    this.#keepFiles();
    this.focus();
    return true;
  }

  /** Sends an answer again that did not arrive; one of which nothing is known may arrive twice, which the button says. */
  again(thread: Thread, { outbound, receipt }: Item): void {
    const anyway = receipt === "unknown" ? { anyway: true } : {};
    void this.desk.do({ do: "resend", conversation: thread.id, outbound, ...anyway });
  }

  /** A refused answer goes back into the editor. */
  takeBack(id: string): void {
    const order = this.desk.orders.open.peek().get(id);
    if (!order) return;
    const { action } = order;
    if (action.do !== "reply" && action.do !== "note") return;
    const words = action.content.kind === "text" ? action.content.text : "";
    this.write([this.text.peek(), words].filter(Boolean).join("\n"));
    this.desk.orders.discard(id);
    this.focus();
  }

  /** The operator has seen what came meanwhile, and sends the answer as it was. */
  sendAnyway(id: string): void {
    const action = this.desk.orders.open.peek().get(id)?.action;
    const thread = this.#thread;
    if (action?.do !== "reply" || !thread) return;
    this.desk.orders.discard(id);
    void this.desk.do({ ...action, seen: lastNumber(thread), anyway: true });
  }

  #give(thread: Thread, content: Content): void {
    const conversation = thread.id;
    if (this.note.peek()) {
      const mentions = mentioned(this.text.peek(), this.desk.colleagues.peek());
      const whisper = this.whisper.peek() ? { whisper: true } : {};
      void this.desk.do({ do: "note", conversation, content, ...(mentions.length ? { mentions } : {}), ...whisper });
      return;
    }
    const address = this.ways.peek().route?.address;
    const action: Action = { do: "reply", conversation, content, seen: lastNumber(thread) };
    void this.desk.do(address ? { ...action, address } : action);
  }

  /** Mail carries text and files in one message, other channels a file each, the text under the first. */
  #contents(): Content[] {
    const template = this.note.peek() ? undefined : this.chosen.peek();
    if (template) {
      const variables = this.values.peek();
      return [{ kind: "template", name: template.name, text: filled(template, variables), variables }];
    }
    const text = this.text.peek().trim();
    const files = this.files.peek().flatMap((each) => each.media.peek() ?? []);
    if (!files.length) return [{ kind: "text", text }];
    const type = this.desk.channels.peek()[this.ways.peek().route?.channel ?? ""]?.type;
    if (type === "email" && !this.note.peek()) return [{ kind: "text", text, attachments: files }];
    return files.map((media, i) => ({ ...media, kind: "media", caption: i === 0 ? text : "" }));
  }

  #ready(): boolean {
    const thread = this.desk.threads.current.value;
    const summary = thread?.summary.value ?? null;
    const { nowhere, shut } = this.ways.value;
    if (!thread || !summary) return false;
    const uploaded = this.files.value.every((each) => each.media.value !== null);
    const something = this.text.value.trim() !== "" || this.files.value.length > 0;
    if (this.note.value) return something && uploaded;
    if (!this.desk.mayReply(summary) || nowhere) return false;
    const template = this.chosen.value;
    if (template) return isFilled(template, this.values.value);
    return !shut && something && uploaded;
  }

  #turnTo(thread: Thread | null): void {
    if (thread === this.#thread) return;
    this.#thread = thread;
    const draft = thread ? this.desk.drafts.of(thread.id) : { text: "", note: false };
    batch(() => {
      this.text.value = draft.text;
      this.note.value = draft.note;
      this.whisper.value = false;
      this.files.value = (thread && this.#kept.get(thread.id)) ?? [];
      this.template.value = "";
      this.values.value = {};
    });
    if (thread) this.focus();
  }

  #keep(): void {
    if (this.#thread) this.desk.drafts.keep(this.#thread.id, { text: this.text.peek(), note: this.note.peek() });
  }

  #keepFiles(): void {
    if (this.#thread) this.#kept.set(this.#thread.id, this.files.peek());
  }
}

/** The colleagues whose name or id stands behind an at-sign. */
export function mentioned(text: string, operators: Iterable<Operator>): string[] {
  const low = text.toLocaleLowerCase();
  return [...operators]
    .filter(
      (each) => low.includes(`@${each.name.toLocaleLowerCase()}`) || low.includes(`@${each.id.toLocaleLowerCase()}`),
    )
    .map((each) => each.id);
}
