// What is spoken with the server: docs/webchat-protocol.md.
import type { Frame } from "../shared/socket";
import type { Catalogue, Language } from "./texts";

export interface ShownFile {
  kind: "file";
  file: string;
  type: string;
  name: string;
  size: number;
  caption?: string;
  width?: number;
  height?: number;
  duration?: number;
  voice?: boolean;
}

export interface Choice {
  id: string;
  label: string;
  url?: string;
}

export type Shown =
  | { kind: "text"; text: string; files?: ShownFile[] }
  | ShownFile
  | { kind: "choice"; text?: string; options?: Choice[]; chosen?: string | null }
  | { kind: "rating"; score: number; scale: number; comment?: string }
  | { kind: "form"; name: "questions" | "offline"; answers: Record<string, string> }
  | { kind: "edit"; target: string; text: string }
  | { kind: "delete"; target: string };

export interface Speaker {
  name?: string;
  avatar?: string;
  system?: boolean;
}

export interface Item {
  kind: "message" | "reply" | "read" | "joined" | "closed";
  at: number;
  conversation: string;
  n?: number;
  id?: string;
  content?: Shown;
  author?: Speaker;
}

/** A message of ours until it is in the log. */
export interface Message {
  id: string;
  at: number;
  content: Shown;
  invitation?: string | undefined;
}

export type Words = Record<string, string>;

export interface Question {
  name: string;
  label: Words;
  kind?: "text" | "email" | "choice";
  required?: boolean;
  options?: { value: string; label: Words }[];
}

export interface Theme {
  color?: string;
  position?: "start" | "end";
  radius?: number;
  scheme?: "auto" | "light" | "dark";
}

export interface Texts {
  title?: string;
  subtitle?: string;
  greeting?: string;
  launcher?: string;
  write?: string;
  offline?: string;
}

export interface Variant {
  pages?: string[];
  department?: string;
  theme?: Theme;
  texts?: Record<string, Texts>;
}

export interface Invitation {
  name: string;
  when: {
    pages?: string[];
    seconds?: number;
    referrers?: string[];
    campaigns?: string[];
    languages?: string[];
    first_visit?: boolean;
    event?: string;
  };
  text: Words;
}

export interface Limits {
  per_visit: number;
  per_week: number;
  quiet: number;
}

export interface Look extends Limits {
  theme: Theme;
  variants: Variant[];
  questions: Question[];
  offline_form: boolean;
  rating: { choices?: 0 | 2 | 3; comment?: boolean };
  invitations: Invitation[];
  identify: boolean;
}

export interface Session {
  token: string;
  visitor: string;
  renew_at: number;
  preview: boolean;
  file_bytes: number;
  file_types: string[];
  texts?: Record<string, Texts> | undefined;
  look: Look;
  staffed: boolean;
  opens_at?: number;
  user?: string | undefined;
  /** What the chat says by itself, in the language that was asked for. */
  words: Catalogue;
  language: Language;
}

export type ServerFrame =
  | { type: "welcome"; preview: boolean }
  | { type: "items"; items: Item[]; cursor: string; more?: boolean }
  | { type: "ack"; id: string }
  | { type: "typing"; on: boolean; name?: string }
  | { type: "status"; staffed: boolean; ahead: number | null; opens_at?: number }
  | { type: "error"; code: string; message: string; field?: string; ref?: string; retry_after?: number };

export type ClientFrame = Frame & Record<string, unknown>;
