// Where on the desk the operator is: the page, the place in the list, the dialog. Views do what is asked of them here.
import { batch, type Signal, signal } from "@preact/signals";
import type { Media } from "../protocol/wire";
import type { Desk } from "./desk";
import type { Settings } from "./settings";

export const PAGES = ["inbox", "search", "team", "reports", "answers", "settings"] as const;
export type Page = (typeof PAGES)[number];

export interface Picture {
  readonly url: string;
  readonly media: Media;
}

export type Dialog =
  | { kind: "palette" | "keys" | "transfer" | "close" | "park" | "canned" | "presence" | "import" | "link" }
  | { kind: "unlink"; address: string }
  | { kind: "why"; conversation: string; person: string }
  | { kind: "picture"; pictures: readonly Picture[]; at: number };

export interface Place {
  readonly page: Page;
  readonly conversation: string;
  readonly person: string;
}

/** Reads a place from the fragment of an address: `#/c/c17/p4` or `#/team`. */
export function placeOf(fragment: string): Place {
  const [, first = "", conversation = "", person = ""] = fragment.replace(/^#/, "").split("/").map(decodeURIComponent);
  if (first === "c" && conversation) return { page: "inbox", conversation, person };
  return { page: PAGES.find((each) => each === first) ?? "inbox", conversation: "", person: "" };
}

export function fragmentOf({ page, conversation, person }: Place): string {
  if (page === "inbox" && conversation) return `#/c/${encodeURIComponent(conversation)}/${encodeURIComponent(person)}`;
  return page === "inbox" ? "#/" : `#/${page}`;
}

/** What a view is asked to focus. */
export type Wish = { what: "list" | "filter" | "reply" | "file" };

export class Places {
  readonly page: Signal<Page> = signal("inbox");
  readonly dialog: Signal<Dialog | null> = signal(null);
  /** The row that the keys stand on. */
  readonly cursor: Signal<string> = signal("");
  readonly filter: Signal<string> = signal("");
  /** The ids that the list shows now, in its order. */
  readonly listed: Signal<readonly string[]> = signal([]);
  readonly wish: Signal<Wish | null> = signal(null);
  /** On a narrow screen the card of the person lies over the conversation. */
  readonly sheet: Signal<boolean> = signal(false);

  constructor(
    private readonly desk: Desk,
    private readonly settings: Settings,
  ) {}

  ask(dialog: Dialog): void {
    this.dialog.value = dialog;
  }

  shut(): void {
    this.dialog.value = null;
  }

  open(conversation: string, person = ""): void {
    batch(() => {
      this.page.value = "inbox";
      this.sheet.value = false;
      this.shut();
      this.desk.open(conversation, person);
      this.cursor.value = conversation;
    });
  }

  /** Moves the cursor of the list. */
  step(by: number): void {
    this.cursor.value = this.#from(this.cursor.peek(), by) ?? "";
    this.focusList();
  }

  /** Opens what stands below or above in the list. */
  openBy(by: number): void {
    const next = this.#from(this.desk.threads.current.peek()?.id ?? this.cursor.peek(), by);
    if (next) this.open(next);
  }

  /** Opens whoever waits for me, the longest wait first; offers before all. */
  openWaiting(): void {
    const { ids, urgent } = this.desk.lists.orders.mine.peek();
    const current = this.desk.threads.current.peek()?.id;
    const next = ids.slice(0, urgent).find((id) => id !== current);
    if (!next) return;
    this.desk.chooseList("mine");
    this.open(next);
  }

  /** Steps back: out of the dialog, the sheet, the editor, the conversation, the page. */
  back(): void {
    if (this.dialog.peek()) this.shut();
    else if (this.sheet.peek()) this.sheet.value = false;
    else if (this.page.peek() !== "inbox") this.page.value = "inbox";
    else if (document.activeElement?.closest(".conversation")) this.focusList();
    else if (this.filter.peek()) this.filter.value = "";
    else this.desk.threads.hide();
  }

  toggleCard(): void {
    if (isNarrow()) this.sheet.value = !this.sheet.peek();
    else this.settings.card.value = !this.settings.card.peek();
  }

  /** For a view: whether this is wished for. A wish is granted once, also by a view that comes later. */
  granted(what: Wish["what"]): boolean {
    if (this.wish.value?.what !== what) return false;
    this.wish.value = null;
    return true;
  }

  focusList(): void {
    this.wish.value = { what: "list" };
  }

  focusFilter(): void {
    this.wish.value = { what: "filter" };
  }

  focusReply(): void {
    this.wish.value = { what: "reply" };
  }

  pickFile(): void {
    this.wish.value = { what: "file" };
  }

  #from(id: string, by: number): string | undefined {
    const ids = this.listed.peek();
    const at = ids.indexOf(id);
    return ids[at < 0 ? (by > 0 ? 0 : ids.length - 1) : Math.min(ids.length - 1, Math.max(0, at + by))];
  }
}

/** Whether there is room for one column only. */
export const isNarrow = (): boolean => matchMedia("(max-width: 47.99rem)").matches;
