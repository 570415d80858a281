// Everything that can be done on the desk, each with a name and a key: buttons, keys, palette and cheat sheet share it.
import type { Summary } from "../protocol/wire";
import type { Desk } from "../store/desk";
import type { Editor } from "../store/editor";
import { isMine, type ListName, offerTo } from "../store/lists";
import type { Page, Places } from "../store/places";
import type { Settings } from "../store/settings";
import type { Thread } from "../store/threads";
import { addressesOf, callable } from "../store/ways";
import type { Key } from "../words";
import type { Chord } from "./chords";

export type Group = "go" | "conversation" | "write" | "desk";

export interface Deed {
  readonly id: string;
  readonly label: Key;
  readonly group: Group;
  /** The key while nothing is written; with Alt it works everywhere. A chord with a modifier works everywhere as it is. */
  readonly chord?: Chord;
  /** More keys for the same. */
  readonly also?: readonly Chord[];
  /** Asks whether it makes sense now. */
  readonly when?: () => boolean;
  readonly run: () => void;
}

export interface Parts {
  desk: Desk;
  editor: Editor;
  places: Places;
  settings: Settings;
}

export class Deeds {
  readonly all: readonly Deed[];

  constructor(parts: Parts) {
    this.all = [...going(parts), ...handling(parts), ...writing(parts), ...keeping(parts)];
  }

  get(id: string): Deed {
    const deed = this.all.find((each) => each.id === id);
    if (!deed) throw new Error(`there is no deed ${id}`);
    return deed;
  }

  /** Does it, if it makes sense now. */
  run(id: string): void {
    const deed = this.get(id);
    if (deed.when?.() !== false) deed.run();
  }

  possible(id: string): boolean {
    return this.get(id).when?.() !== false;
  }
}

interface Now {
  thread: Thread;
  summary: Summary;
  me: string;
}

function going({ desk, places }: Parts): Deed[] {
  const page = (name: Page) => () => {
    places.page.value = name;
    places.shut();
  };
  const list = (name: ListName) => () => {
    page("inbox")();
    desk.chooseList(name);
    places.focusList();
  };
  const supervisor = () => desk.isSupervisor.value;
  const inbox = () => places.page.value === "inbox";
  const onList = () => inbox();
  return [
    {
      id: "palette",
      label: "deed.palette",
      group: "go",
      chord: "mod+KeyK",
      run: () => places.ask({ kind: "palette" }),
    },
    { id: "next", label: "deed.next", group: "go", chord: "KeyJ", when: onList, run: () => places.step(1) },
    { id: "previous", label: "deed.previous", group: "go", chord: "KeyK", when: onList, run: () => places.step(-1) },
    {
      id: "open-next",
      label: "deed.open_next",
      group: "go",
      chord: "alt+ArrowDown",
      when: inbox,
      run: () => places.openBy(1),
    },
    {
      id: "open-previous",
      label: "deed.open_previous",
      group: "go",
      chord: "alt+ArrowUp",
      when: inbox,
      run: () => places.openBy(-1),
    },
    { id: "next-waiting", label: "deed.next_waiting", group: "go", chord: "KeyG", run: () => places.openWaiting() },
    { id: "mine", label: "list.mine", group: "go", chord: "Digit1", run: list("mine") },
    { id: "queue", label: "list.queue", group: "go", chord: "Digit2", run: list("queue") },
    { id: "all", label: "list.all", group: "go", chord: "Digit3", when: supervisor, run: list("all") },
    { id: "filter", label: "deed.filter", group: "go", chord: "Slash", when: inbox, run: () => places.focusFilter() },
    { id: "search", label: "page.search", group: "go", chord: "KeyS", run: page("search") },
    { id: "team", label: "page.team", group: "go", chord: "Digit4", when: supervisor, run: page("team") },
    { id: "reports", label: "page.reports", group: "go", chord: "Digit5", when: supervisor, run: page("reports") },
    { id: "answers", label: "page.answers", group: "go", chord: "Digit6", run: page("answers") },
    { id: "settings", label: "page.settings", group: "go", chord: "Comma", run: page("settings") },
  ];
}

function handling({ desk, places }: Parts): Deed[] {
  const now = (): Now | null => {
    const thread = desk.threads.current.value;
    const summary = thread?.summary.value;
    const me = desk.me.value?.id;
    return thread && summary && me && places.page.value === "inbox" ? { thread, summary, me } : null;
  };
  const with_ = (check: (now: Now) => boolean) => () => {
    const found = now();
    return found !== null && check(found);
  };
  const act = (run: (now: Now) => void) => () => {
    const found = now();
    if (found) run(found);
  };
  const isOpen = with_(({ summary }) => summary.status !== "closed");
  const mine = with_(({ summary, me }) => summary.owner === me && summary.status !== "closed");
  const offered = with_(({ summary, me }) => offerTo(summary, me) !== undefined);
  const supervisor = () => desk.isSupervisor.value;
  const settle = (how: "accept" | "decline") =>
    act(({ summary, me }) => {
      const offer = offerTo(summary, me);
      if (offer) void desk.do({ do: how, conversation: summary.id, offer: offer.id });
      places.focusReply();
    });
  return [
    { id: "accept", label: "deed.accept", group: "conversation", chord: "KeyA", when: offered, run: settle("accept") },
    {
      id: "decline",
      label: "deed.decline",
      group: "conversation",
      chord: "KeyD",
      when: offered,
      run: settle("decline"),
    },
    {
      id: "close",
      label: "deed.close",
      group: "conversation",
      chord: "KeyE",
      when: mine,
      run: act(({ summary }) => {
        if (desk.choices.value.results?.length) places.ask({ kind: "close" });
        else void desk.do({ do: "close", conversation: summary.id });
      }),
    },
    {
      id: "reopen",
      label: "deed.reopen",
      group: "conversation",
      chord: "KeyO",
      when: with_(({ summary }) => summary.status === "closed"),
      run: act(({ summary }) => void desk.do({ do: "reopen", conversation: summary.id, person: summary.person })),
    },
    {
      id: "transfer",
      label: "deed.transfer",
      group: "conversation",
      chord: "KeyT",
      when: mine,
      run: () => places.ask({ kind: "transfer" }),
    },
    {
      id: "release",
      label: "deed.release",
      group: "conversation",
      chord: "KeyB",
      when: mine,
      run: act(({ summary }) => void desk.do({ do: "release", conversation: summary.id })),
    },
    {
      id: "park",
      label: "deed.park",
      group: "conversation",
      chord: "KeyP",
      when: with_(({ summary, me }) => summary.owner === me && summary.status !== "closed" && !summary.parked),
      run: () => places.ask({ kind: "park" }),
    },
    {
      id: "wake",
      label: "deed.wake",
      group: "conversation",
      when: with_(({ summary, me }) => summary.owner === me && summary.parked !== null),
      run: act(({ summary }) => void desk.do({ do: "wake", conversation: summary.id })),
    },
    {
      id: "take",
      label: "deed.take",
      group: "conversation",
      chord: "KeyM",
      when: () => supervisor() && isOpen() && !mine(),
      run: act(({ summary, me }) => void desk.do({ do: "take", conversation: summary.id, operator: me })),
    },
    {
      id: "call",
      label: "deed.call",
      group: "conversation",
      chord: "KeyC",
      when: () =>
        mine() &&
        with_(
          ({ summary }) => !summary.call && callable(summary, desk.channels.value, desk.myself.value?.phone ?? false),
        )(),
      run: act(({ summary }) => void desk.do({ do: "call", conversation: summary.id })),
    },
    {
      id: "hang-up",
      label: "deed.hang_up",
      group: "conversation",
      chord: "KeyX",
      when: with_(({ summary, me }) => summary.call !== null && (isMine(summary, me) || supervisor())),
      run: act(({ summary }) => void desk.do({ do: "hang_up", conversation: summary.id })),
    },
    {
      id: "unread",
      label: "deed.unread",
      group: "conversation",
      chord: "KeyU",
      when: mine,
      run: act(({ thread }) => {
        desk.leaveUnread(thread);
        places.focusList();
      }),
    },
    {
      id: "why",
      label: "deed.why",
      group: "conversation",
      chord: "KeyW",
      when: with_(() => true),
      run: act(({ thread }) => places.ask({ kind: "why", conversation: thread.id, person: thread.person.value })),
    },
    {
      id: "link",
      label: "deed.link",
      group: "conversation",
      chord: "KeyL",
      when: with_(() => true),
      run: () => places.ask({ kind: "link" }),
    },
    {
      id: "unlink",
      label: "deed.unlink",
      group: "conversation",
      when: with_(({ summary }) => addressesOf(summary).length > 1),
      run: () => places.ask({ kind: "unlink", address: "" }),
    },
    {
      id: "card",
      label: "deed.card",
      group: "conversation",
      chord: "KeyI",
      when: with_(() => true),
      run: () => places.toggleCard(),
    },
  ];
}

function writing({ desk, editor, places }: Parts): Deed[] {
  const open = () => desk.threads.current.value !== null && places.page.value === "inbox";
  const owned = () => desk.threads.current.value?.summary.value?.owner !== "";
  return [
    { id: "reply", label: "deed.reply", group: "write", chord: "KeyR", when: open, run: () => editor.setNote(false) },
    {
      id: "note",
      label: "deed.note",
      group: "write",
      chord: "KeyN",
      when: open,
      run: () => editor.setNote(!editor.note.value),
    },
    {
      id: "whisper",
      label: "deed.whisper",
      group: "write",
      chord: "KeyH",
      when: () => open() && owned() && desk.isSupervisor.value,
      run: () => editor.setNote(true, true),
    },
    {
      id: "canned",
      label: "deed.canned",
      group: "write",
      chord: "mod+Slash",
      when: open,
      run: () => places.ask({ kind: "canned" }),
    },
    { id: "attach", label: "deed.attach", group: "write", chord: "KeyF", when: open, run: () => places.pickFile() },
    {
      id: "template",
      label: "deed.template",
      group: "write",
      chord: "KeyV",
      when: () => open() && editor.ways.value.templates.length > 0,
      run: () => editor.wantTemplate(),
    },
  ];
}

function keeping({ desk, places, settings }: Parts): Deed[] {
  return [
    { id: "keys", label: "deed.keys", group: "desk", chord: "?", run: () => places.ask({ kind: "keys" }) },
    { id: "back", label: "deed.back", group: "desk", chord: "Escape", run: () => places.back() },
    {
      id: "presence",
      label: "deed.presence",
      group: "desk",
      chord: "KeyZ",
      run: () => places.ask({ kind: "presence" }),
    },
    {
      id: "available",
      label: "deed.available",
      group: "desk",
      when: () => desk.myself.value?.state !== "available",
      run: () => desk.setPresence("available"),
    },
    {
      id: "import",
      label: "deed.import",
      group: "desk",
      run: () => {
        places.page.value = "answers";
        places.ask({ kind: "import" });
      },
    },
    {
      id: "sound",
      label: "deed.sound",
      group: "desk",
      run: () => {
        settings.sound.value = !settings.sound.value;
      },
    },
    {
      id: "theme",
      label: "deed.theme",
      group: "desk",
      run: () => {
        const dark = matchMedia("(prefers-color-scheme: dark)").matches;
        const now = settings.theme.value === "system" ? (dark ? "dark" : "light") : settings.theme.value;
        settings.theme.value = now === "dark" ? "light" : "dark";
      },
    },
    { id: "sign-out", label: "deed.sign_out", group: "desk", run: () => void desk.signOut() },
  ];
}
