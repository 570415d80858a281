// What goes over the line between the desk and its node, as docs/desk-protocol.md describes it.
// Times are in milliseconds since the epoch. Fields with their default may be absent: `whole...` fill them in.

export type Role = "operator" | "supervisor";
export type Kind = "interactive" | "deferrable" | "exclusive";
export type Receipt = "queued" | "unknown" | "sent" | "failed" | "delivered" | "read";
export type Presence = "available" | "away" | "break" | "draining" | "not_responding" | "offline";

export interface Me {
  id: string;
  name: string;
  role: Role;
  expires: number;
  avatar?: string;
}

export interface Operator {
  id: string;
  name: string;
  role: Role;
  state: Presence;
  online: boolean;
  load: number;
  units: number;
  held: number;
  grace_until: number;
  phone: boolean;
  talking: boolean;
  skills: Record<string, number>;
  languages: Record<string, number>;
  since: number;
  reason: string;
  signed_in: number;
  parked: number;
  counts: Record<string, number>;
}

export interface Offer {
  id: string;
  operator: string;
  expires?: number;
  from?: string;
  comment?: string;
}

export interface Route {
  address: string;
  channel: string;
  writes?: boolean;
  window_until?: number;
}

export interface Call {
  id: string;
  address: string;
  direction: "in" | "out";
  state: "ringing" | "answered";
  operator?: string;
}

export interface Parked {
  at: number;
  until?: number;
  by?: string;
}

export interface Summary {
  id: string;
  person: string;
  channel: string;
  address: string;
  kind: Kind;
  status: string;
  opened_at: number;
  n: number;
  replied: number;
  read: Record<string, number>;
  owner: string;
  owner_name: string;
  offers: Offer[];
  unanswered: number;
  waiting_since: number;
  place: [number, number, number];
  rule: string;
  languages: string[];
  addresses: string[];
  routes: Route[];
  others: string[];
  call: Call | null;
  missed: boolean;
  undelivered: number;
  name: string;
  preview: string;
  heard: number[];
  closed_at: number;
  result: string;
  parked: Parked | null;
  warned: string;
  lacking: Record<string, number>;
  comment: string;
}

export interface StoredFile {
  name: string;
  size: number;
}

export interface Media {
  kind?: "media";
  file: StoredFile;
  type: string;
  filename?: string;
  caption?: string;
  width?: number;
  height?: number;
  duration?: number;
  voice?: boolean;
  inline?: string;
}

export interface Option {
  id: string;
  label: string;
  url?: string;
}

export interface TextContent {
  kind: "text";
  text: string;
  full?: string;
  subject?: string;
  attachments?: Media[];
  html?: StoredFile;
}

export type CallEvent =
  | "initiated"
  | "ringing"
  | "answered"
  | "held"
  | "transferred"
  | "ended"
  | "failed"
  | "recording";

export interface CallContent {
  kind: "call";
  call: string;
  event: CallEvent;
  reason?: string;
  to?: string;
  duration?: number;
  recording?: Media;
}

export type Content =
  | TextContent
  | (Media & { kind: "media" })
  | { kind: "template"; name: string; text: string; variables?: Record<string, string> }
  | { kind: "choice"; text?: string; options?: Option[]; chosen?: string }
  | { kind: "location"; latitude: number; longitude: number; name?: string; address?: string }
  | { kind: "contact"; name: string; phones?: string[]; emails?: string[] }
  | { kind: "reaction"; target: string; emoji?: string }
  | { kind: "edit"; target: string; text: string }
  | { kind: "delete"; target: string }
  | CallContent
  | { kind: "form"; answers: Record<string, string>; name?: string }
  | { kind: "rating"; score: number; scale?: number; comment?: string }
  | { kind: "unsupported"; what: string };

export interface Attempt {
  outbound: string;
  at: number;
  by?: string;
  receipt?: Receipt;
  code?: string;
  error?: string;
}

export interface Item {
  id: string;
  kind: "message" | "reply" | "note" | "event";
  at: number;
  n: number;
  by: string;
  name: string;
  channel: string;
  address: string;
  content: Content | null;
  attributes: Record<string, string>;
  outbound: string;
  receipt: Receipt | null;
  code: string;
  error: string;
  again: string;
  command: string;
  mentions: string[];
  what: string;
  operator: string;
  detail: string;
  attempts: Attempt[];
  replaced_by: string;
  whisper: string;
}

export interface Template {
  name: string;
  language: string;
  text: string;
  variables: string[];
}

export interface Channel {
  type: string;
  kind: Kind;
  accept: string;
  offer_timeout: number;
  phone?: boolean;
  templates?: Template[];
}

export interface Choices {
  results?: string[];
  queues?: string[];
  skills?: string[];
  variables?: string[];
}

export interface CannedText {
  folder?: string;
  title: string;
  shortcut?: string;
  texts: Record<string, string>;
}

export interface CannedAnswer extends CannedText {
  id: string;
  personal?: boolean;
  from_file?: boolean;
  version?: number;
  by?: string;
  at?: number;
}

export interface Queue {
  rule: string;
  kind: Kind;
  language?: string;
  waiting: number;
  oldest: number;
  unstaffed?: number;
  unroutable?: number;
  lacking?: Record<string, number>;
}

/** Summaries, items and cards as they come: whatever holds its default may be absent. */
export type Sparse<T, Needed extends keyof T> = Pick<T, Needed> & Partial<T>;
export type SparseSummary = Sparse<Summary, "id" | "person" | "channel" | "address" | "kind" | "status" | "opened_at">;
export type SparseItem = Sparse<Item, "id" | "kind" | "at">;
export type SparseOperator = Sparse<Operator, "id" | "name" | "role" | "state" | "online">;

export type Change =
  | { event: "conversation"; summary: SparseSummary; listed: boolean }
  | { event: "gone"; conversation: string }
  | { event: "item"; conversation: string; item: SparseItem }
  | {
      event: "receipt";
      conversation: string;
      outbound: string;
      receipt: Receipt;
      code?: string;
      error?: string;
      replaced_by?: string;
    }
  | { event: "operator"; operator: SparseOperator }
  | { event: "waiting"; count: number }
  | { event: "mention"; conversation: string; person: string; by: string }
  | { event: "whisper"; conversation: string; by: string; name: string; text: string }
  | { event: "answer"; answer: CannedAnswer }
  | { event: "answer_gone"; answer: string };

export interface Opened {
  conversation: string;
  person: string;
  items: SparseItem[];
  summary?: SparseSummary;
  more?: boolean;
  past?: string[];
}

export type Answer =
  | { status: "confirmed"; id: string }
  | { status: "refused"; id: string; code: string; reason: string; since?: SparseItem[] }
  | { status: "not_confirmed"; id: string; reason: string };

/** From when on a wait is due, and from when on too long, in ms. */
export interface Level {
  due: number;
  late: number;
}

export type ServiceLevels = Record<Kind, Level> & { rules?: Record<string, Level> };

export interface Welcome {
  type: "welcome";
  me: Me;
  now: number;
  rules: number;
  languages: string[];
  channels: Record<string, Channel>;
  resumed: boolean;
  idle_after?: number;
  service_levels?: ServiceLevels;
}

export interface View {
  type: "view";
  cursor: string;
  everything: boolean;
  conversations: SparseSummary[];
  operators: SparseOperator[];
  waiting: number;
  choices?: Choices;
}

export type ServerFrame =
  | Welcome
  | View
  | { type: "changes"; cursor: string; events: Change[] }
  | { type: "watched"; opened: Opened }
  | { type: "answer"; answer: Answer }
  | { type: "answers"; cursor?: string; answers: CannedAnswer[] }
  | { type: "queues"; queues: Queue[] }
  | { type: "beat"; now: number; lag: number; cursor: string }
  | { type: "typing"; conversation: string; text?: string; on?: boolean }
  | { type: "error"; code: string; message: string; field?: string; ref?: string; retry_after?: number };

export type Action =
  | { do: "presence"; state: Presence; reason?: string }
  | { do: "accept" | "decline"; conversation: string; offer: string }
  | {
      do: "reply";
      conversation: string;
      content: Content;
      seen: number;
      address?: string;
      anyway?: boolean;
      again?: string;
    }
  | { do: "resend"; conversation: string; outbound: string; anyway?: boolean }
  | { do: "note"; conversation: string; content: Content; mentions?: string[]; whisper?: boolean }
  | {
      do: "transfer";
      conversation: string;
      operator?: string;
      queue?: string;
      skills?: Record<string, number>;
      note?: string;
    }
  | { do: "close"; conversation: string; result?: string }
  | { do: "reopen"; conversation: string; person: string }
  | { do: "park"; conversation: string; until?: number }
  | { do: "take"; conversation: string; operator: string; force?: boolean; reason?: string }
  | { do: "wake" | "release" | "hang_up"; conversation: string }
  | { do: "call"; conversation: string; address?: string }
  | { do: "read" | "unread"; conversation: string; upto: number }
  | { do: "link"; person: string; other: string; evidence: string }
  | { do: "unlink"; person: string; address: string; evidence: string }
  | {
      do: "save_answer";
      answer?: string;
      version?: number;
      personal?: boolean;
      folder: string;
      title: string;
      shortcut: string;
      texts: Record<string, string>;
    }
  | { do: "delete_answer"; answer: string }
  | { do: "import_answers"; answers: CannedText[]; personal?: boolean };

export type ClientFrame =
  | { type: "hello"; cursor: string; everything: boolean }
  | { type: "show"; everything: boolean }
  | { type: "watch"; conversation: string; person: string | null }
  | { type: "unwatch"; conversation: string }
  | { type: "command"; id: string; action: Action }
  | { type: "typing"; conversation: string; on: boolean }
  | { type: "active" };
