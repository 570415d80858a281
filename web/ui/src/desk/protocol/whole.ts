// Fills in what may be absent because it holds its default.
import type { Item, Operator, SparseItem, SparseOperator, SparseSummary, Summary } from "./wire";

const SUMMARY = {
  n: 0,
  replied: 0,
  read: {},
  owner: "",
  owner_name: "",
  offers: [],
  unanswered: 0,
  waiting_since: 0,
  place: [0, 0, 0] as [number, number, number],
  rule: "",
  languages: [],
  addresses: [],
  routes: [],
  call: null,
  missed: false,
  undelivered: 0,
  name: "",
  preview: "",
  closed_at: 0,
  result: "",
  parked: null,
  warned: "",
  lacking: {},
  comment: "",
};
const ITEM = {
  n: 0,
  by: "",
  name: "",
  channel: "",
  address: "",
  content: null,
  outbound: "",
  receipt: null,
  code: "",
  error: "",
  again: "",
  command: "",
  mentions: [],
  what: "",
  operator: "",
  detail: "",
  attempts: [],
  replaced_by: "",
  whisper: "",
};
const OPERATOR = {
  load: 0,
  units: 0,
  held: 0,
  grace_until: 0,
  phone: false,
  talking: false,
  skills: {},
  languages: {},
  since: 0,
  reason: "",
  signed_in: 0,
  parked: 0,
  counts: {},
};

export const wholeSummary = (sparse: SparseSummary): Summary => ({ ...SUMMARY, ...sparse });
export const wholeItem = (sparse: SparseItem): Item => ({ ...ITEM, ...sparse });
export const wholeOperator = (sparse: SparseOperator): Operator => ({ ...OPERATOR, ...sparse });
