// The operators' console: one screen over the socket of docs/desk-protocol.md. Texts are only ever set as text.

const $ = (id) => document.getElementById(id);
const COMMAND_TIMES_OUT = 60_000; // ms after which a command that nobody has answered is given up
const SILENCE = 16_000; // three beats of the server
const WATCH_AGAIN = 2000;

const state = {
  me: null,
  channels: {},
  lists: new Map(), // conversation id to summary
  operators: new Map(),
  waiting: 0,
  view: "mine",
  everything: false,
  cursor: "",
  skew: 0, // server's clock minus ours
  open: null, // {id, person, summary, items: Map, more}
  pending: new Map(), // command id to {action, status, reason, sent, since}
  media: null, // an uploaded file that waits to be sent
  justSignedIn: false,
};

// --- ids and times ---------------------------------------------------------------------------------------------

/** A UUIDv7 (RFC 9562 section 5.7). */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let now = Date.now();
  for (let i = 5; i >= 0; i -= 1) {
    bytes[i] = now % 256;
    now = Math.floor(now / 256);
  }
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((each) => each.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const serverNow = () => Date.now() + state.skew;

function ago(at) {
  const seconds = Math.max(0, Math.round((serverNow() - at) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}

// --- elements --------------------------------------------------------------------------------------------------

/** Make an element; children are elements or texts. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("aria-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

function button(label, action, className = "") {
  const element = make("button", { type: "button", className }, label);
  element.addEventListener("click", action);
  return element;
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

// --- sign-in ---------------------------------------------------------------------------------------------------

async function ask(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await fetch(`/desk${path}`, { method, headers, body: body && JSON.stringify(body) });
  const payload = response.status === 204 ? null : await response.json();
  if (!response.ok) throw Object.assign(new Error(payload?.error?.message ?? response.statusText), { status: response.status });
  return payload;
}

function showSignIn(problem = "") {
  $("desk").hidden = true;
  $("sign-in").hidden = false;
  $("sign-in-problem").textContent = problem;
  $("operator").focus();
}

async function signIn(event) {
  event.preventDefault();
  $("sign-in-problem").textContent = "";
  try {
    await ask("POST", "/session", { operator: $("operator").value, password: $("password").value });
  } catch (problem) {
    $("sign-in-problem").textContent = problem.message;
    return;
  }
  $("password").value = "";
  state.justSignedIn = true;
  await start();
}

async function signOut() {
  link.stop();
  try {
    await ask("DELETE", "/session");
  } catch (problem) {
    if (problem.status !== 401) {
      notice(`Not signed out: ${problem.message}`);
      link.start();
      return;
    }
  }
  forget();
  showSignIn();
}

function forget() {
  state.me = null;
  state.cursor = "";
  state.lists.clear();
  state.operators.clear();
  state.pending.clear();
  state.open = null;
  state.everything = false;
  state.view = "mine";
}

async function start() {
  try {
    state.me = await ask("GET", "/me");
  } catch (problem) {
    showSignIn(problem.status === 401 ? "" : problem.message);
    return;
  }
  $("sign-in").hidden = true;
  $("desk").hidden = false;
  $("me").textContent = state.me.name;
  $("tab-all").hidden = state.me.role !== "supervisor";
  render();
  link.start();
  await lookForAlarms();
}

// --- the socket ------------------------------------------------------------------------------------------------

const link = {
  socket: null,
  attempt: 0,
  timer: 0,
  heard: 0,
  running: false,
  welcomed: false,

  start() {
    this.running = true;
    this.connect();
  },

  stop() {
    this.running = false;
    clearTimeout(this.timer);
    this.socket?.close(1000);
  },

  connect() {
    clearTimeout(this.timer);
    if (!this.running) return;
    showConnection("connecting");
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/desk/socket`);
    this.socket = socket;
    this.welcomed = false;
    this.heard = Date.now();
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify({ type: "hello", cursor: state.cursor, everything: state.everything }));
    });
    socket.addEventListener("message", (message) => {
      if (socket !== this.socket) return;
      this.heard = Date.now();
      take(JSON.parse(message.data));
    });
    socket.addEventListener("close", (closing) => socket === this.socket && this.lost(closing.code));
  },

  lost(code) {
    this.socket = null;
    if (!this.running) return;
    if (code === 4401) {
      this.running = false;
      forget();
      showSignIn("Your session has ended, please sign in again.");
      return;
    }
    const wait = Math.min(15_000, 300 * 2 ** this.attempt) * (0.5 + Math.random());
    this.attempt += 1;
    showConnection("lost");
    this.timer = setTimeout(() => this.checkAndConnect(), wait);
  },

  /** A handshake that is refused looks like any other failure: ask over HTTP whether we are still signed in. */
  async checkAndConnect() {
    if (this.attempt > 1) {
      try {
        await ask("GET", "/me");
      } catch (problem) {
        if (problem.status === 401) {
          this.lost(4401);
          return;
        }
      }
    }
    this.connect();
  },

  send(frame) {
    if (this.welcomed && this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(frame));
      return true;
    }
    return false;
  },

  watchSilence() {
    if (this.socket && Date.now() - this.heard > SILENCE) {
      const silent = this.socket;
      this.socket = null;
      silent.close();
      this.lost(0);
    }
  },
};

function showConnection(what) {
  $("connection").dataset.state = what;
  $("connection").textContent = { connected: "connected", connecting: "connecting…", lost: "no connection, trying again" }[what];
}

function take(frame) {
  if (frame.cursor) state.cursor = frame.cursor;
  ({ welcome, view, changes, watched, answer, beat, typing, error: failed })[frame.type]?.(frame);
}

function welcome(frame) {
  state.me = frame.me;
  state.channels = frame.channels;
  state.skew = frame.now - Date.now();
  link.welcomed = true;
  link.attempt = 0;
  showConnection("connected");
  if (state.open) link.send({ type: "watch", conversation: state.open.id, person: state.open.person || null });
  for (const [id, command] of state.pending) if (command.status !== "refused") link.send({ type: "command", id, action: command.action });
  if (state.justSignedIn) {
    state.justSignedIn = false;
    command({ do: "presence", state: "available" });
  }
}

function view(frame) {
  state.everything = frame.everything;
  state.lists = new Map(frame.conversations.map((each) => [each.id, each]));
  state.operators = new Map(frame.operators.map((each) => [each.id, each]));
  state.waiting = frame.waiting;
  render();
}

function changes(frame) {
  for (const event of frame.events) apply(event);
  render();
}

function apply(event) {
  const open = state.open;
  switch (event.event) {
    case "conversation":
      if (event.listed) state.lists.set(event.summary.id, event.summary);
      else state.lists.delete(event.summary.id);
      if (open?.id === event.summary.id) open.summary = event.summary;
      break;
    case "gone":
      state.lists.delete(event.conversation);
      if (open?.id === event.conversation && !mayStay(open)) {
        notice("That conversation belongs to somebody else now.");
        state.open = null;
      }
      break;
    case "item":
      if (open?.id === event.conversation) {
        open.items.set(event.item.id, event.item);
        state.pending.delete(event.item.command);
        if (event.item.kind === "message") open.typing = "";
      }
      break;
    case "receipt":
      if (open?.id !== event.conversation) break;
      for (const item of open.items.values()) {
        if (item.outbound === event.outbound) Object.assign(item, { receipt: event.receipt, code: event.code ?? "", error: event.error ?? "" });
      }
      break;
    case "operator":
      state.operators.set(event.operator.id, event.operator);
      break;
    case "waiting":
      state.waiting = event.count;
      break;
    case "mention":
      notice(`${event.by} asks you something in conversation ${event.conversation}.`);
      break;
  }
}

const mayStay = (open) => open.summary?.status === "closed";

function watchAgain(id) {
  if (state.open?.id === id) link.send({ type: "watch", conversation: id, person: state.open.person || null });
}

function watched(frame) {
  const { conversation, person, items, summary, more } = frame.opened;
  if (state.open?.id !== conversation) return;
  for (const item of items) state.pending.delete(item.command);
  Object.assign(state.open, { person, summary: summary ?? null, more: Boolean(more), items: new Map(items.map((each) => [each.id, each])), loaded: true });
  render();
  scrollDown();
}

function beat(frame) {
  state.skew = frame.now - Date.now();
  $("behind").hidden = frame.lag < 2;
  $("behind").textContent = `What you see is ${Math.round(frame.lag)} s old: the desk is catching up.`;
}

function typing(frame) {
  if (state.open?.id !== frame.conversation) return;
  state.open.typing = frame.on === false ? "" : frame.text ? `Typing: ${frame.text}` : "The customer is typing…";
  $("typing").textContent = state.open.typing;
}

function failed(frame) {
  if (frame.code === "not_found" && frame.ref === state.open?.id) state.open = null;
  if (frame.code === "unavailable" && frame.ref === state.open?.id) setTimeout(() => watchAgain(frame.ref), WATCH_AGAIN);
  const waiting = state.pending.get(frame.ref);
  if (waiting) Object.assign(waiting, { status: "not_confirmed", reason: frame.message });
  notice(frame.message);
  render();
}

// --- commands --------------------------------------------------------------------------------------------------

function command(action, more = {}) {
  const id = newId();
  state.pending.set(id, { action, status: "sent", reason: "", sent: Date.now(), ...more });
  link.send({ type: "command", id, action });
  render();
  return id;
}

function answer({ answer: given }) {
  const waiting = state.pending.get(given.id);
  if (!waiting) return;
  if (given.status === "confirmed") {
    state.pending.delete(given.id);
  } else {
    waiting.status = given.status;
    waiting.reason = given.reason;
    if (given.code === "stale") offerAnyway(given.id, waiting, given.since ?? []);
    else if (given.status === "refused" && !isText(waiting.action)) {
      state.pending.delete(given.id);
      notice(given.reason);
    }
  }
  render();
}

const isText = (action) => action.do === "reply" || action.do === "note";

/** What is not confirmed is repeated under the same id: it cannot take effect twice. */
function repeatUnconfirmed() {
  for (const [id, waiting] of state.pending) {
    if (waiting.status === "refused") continue;
    if (Date.now() - waiting.sent > COMMAND_TIMES_OUT && !isText(waiting.action)) {
      state.pending.delete(id);
      notice("One of your actions was never confirmed. Look at how things are now.");
    } else if (waiting.status === "not_confirmed") link.send({ type: "command", id, action: waiting.action });
    else if (Date.now() - waiting.sent > 3_000) waiting.status = "not_confirmed";
  }
}

function offerAnyway(id, waiting, since) {
  if (waiting.action.conversation !== state.open?.id) return;
  state.pending.delete(id);
  $("stale-items").replaceChildren(...since.map((item) => itemElement(item)));
  $("stale").hidden = false;
  $("stale-send").onclick = () => {
    $("stale").hidden = true;
    send({ ...waiting.action, seen: lastNumber(), anyway: true });
  };
  $("stale-keep").onclick = () => {
    $("stale").hidden = true;
    if (!$("text").value) $("text").value = waiting.action.content.text ?? "";
    saveDraft();
    $("text").focus();
  };
  $("stale-send").focus();
}

function send(action) {
  command(action);
  scrollDown();
}

const lastNumber = () => Math.max(0, ...[...(state.open?.items.values() ?? [])].map((item) => item.n ?? 0));

function sendReply(event) {
  event?.preventDefault();
  if (!state.open) return;
  const conversation = state.open.id;
  const note = $("as-note").checked;
  if (!note && chosenTemplate()) {
    send({ do: "reply", conversation, content: templateContent(), seen: lastNumber(), address: chosenRoute().address });
    $("template").value = "";
    render();
    return;
  }
  const text = $("text").value.trim();
  if (!text && !state.media) return;
  const content = state.media ? { kind: "media", ...state.media, caption: text } : { kind: "text", text };
  if (note) send({ do: "note", conversation, content });
  else send({ do: "reply", conversation, content, seen: lastNumber(), address: chosenRoute()?.address ?? null });
  $("text").value = "";
  state.media = null;
  $("attached").textContent = "";
  saveDraft();
}

// --- ways to answer --------------------------------------------------------------------------------------------

const writable = (summary) => (summary?.routes ?? []).filter((route) => route.writes !== false);
const summaryOf = (opened) => opened?.summary ?? state.lists.get(opened?.id);

/** The way that is chosen; while none is, where the customer wrote last, and never a phone. */
function chosenRoute() {
  const ways = writable(summaryOf(state.open));
  return ways.find((route) => route.address === state.open?.route) ?? ways[0];
}

const isClosed = (route) => Boolean(route?.window_until) && serverNow() >= route.window_until;
const templatesOf = (route) => state.channels[route?.channel]?.templates ?? [];
const chosenTemplate = () => ($("templates").hidden ? undefined : templatesOf(chosenRoute()).find((each) => each.name === $("template").value));

function templateContent() {
  const template = chosenTemplate();
  const variables = Object.fromEntries([...$("template-values").querySelectorAll("input")].map((input) => [input.dataset.name, input.value.trim()]));
  return { kind: "template", name: template.name, text: filled(template, variables), variables };
}

const filled = (template, variables) => template.text.replace(/\{\{\s*(\w+)\s*\}\}/g, (hole, name) => variables[name] || hole);

function remaining(until) {
  const minutes = Math.max(0, Math.floor((until - serverNow()) / 60_000));
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Show where the answer goes, for how long that is open, and the approved texts when it is not. */
function drawWays(summary, note) {
  const ways = writable(summary);
  const route = chosenRoute();
  $("ways").hidden = note || ways.length === 0;
  show($("route"), ways.map((each) => [each.address, each.channel, () => make("option", { value: each.address }, `${each.channel}: ${each.address}`)]));
  if (route && document.activeElement !== $("route")) $("route").value = route.address;
  const shut = !note && isClosed(route);
  $("window").classList.toggle("late", shut);
  $("window").textContent = !route?.window_until ? "" : shut ? "The time to answer freely is over: choose an approved text, or another way." : `open for ${remaining(route.window_until)} more`;
  const templates = templatesOf(route);
  $("templates").hidden = note || templates.length === 0 || !(shut || state.open.wantsTemplate);
  const choices = [{ name: "", text: "" }, ...templates];
  show($("template"), choices.map((each) => [`t-${each.name}`, each.text, () => make("option", { value: each.name }, each.name ? `${each.name} (${each.language})` : "(none)")]));
  const template = chosenTemplate();
  show($("template-values"), (template?.variables ?? []).map((name) => [`${template.name}-${name}`, "", () => variableElement(name)]));
  $("template-text").textContent = template ? templateContent().text : "";
  $("text").disabled = shut || Boolean(template);
  return { nowhere: !note && ways.length === 0 && (summary?.routes ?? []).length > 0, shut, template };
}

function variableElement(name) {
  const input = make("input", { maxLength: 1000, data: { name } });
  input.addEventListener("input", render);
  return make("label", {}, `{{${name}}} `, input);
}

async function attach() {
  const file = $("file").files[0];
  $("file").value = "";
  if (!file) return;
  $("attached").textContent = `Uploading ${file.name}…`;
  const headers = { "Content-Type": "application/octet-stream", "X-Filename": encodeURIComponent(file.name) };
  try {
    const response = await fetch("/desk/files", { method: "POST", headers, body: file });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error.message);
    state.media = body.media;
    $("attached").textContent = file.name;
  } catch (problem) {
    $("attached").textContent = `Not uploaded: ${problem.message}`;
  }
}

// --- drafts ----------------------------------------------------------------------------------------------------

const draftKey = () => `desk-draft:${state.me.id}:${state.open.id}`;

function saveDraft() {
  if (!state.open) return;
  if ($("text").value) localStorage.setItem(draftKey(), $("text").value);
  else localStorage.removeItem(draftKey());
}

// --- opening ---------------------------------------------------------------------------------------------------

function open(id) {
  if (state.open?.id === id) return;
  if (state.open) link.send({ type: "unwatch", conversation: state.open.id });
  const summary = state.lists.get(id) ?? null;
  state.open = { id, person: summary?.person ?? "", summary, items: new Map(), more: false, typing: "", loaded: false };
  $("text").value = localStorage.getItem(draftKey()) ?? "";
  $("stale").hidden = true;
  link.send({ type: "watch", conversation: id, person: summary?.person ?? null });
  notice("");
  render();
  $("text").focus();
}

async function showEarlier() {
  const first = $("items").firstElementChild;
  const [before] = state.open.items.keys();
  const person = encodeURIComponent(state.open.person);
  try {
    const page = await ask("GET", `/conversations/${state.open.id}?before=${before}&person=${person}`);
    state.open.items = new Map([...page.items.map((each) => [each.id, each]), ...state.open.items]);
    state.open.more = Boolean(page.more);
    render();
    first?.scrollIntoView();
  } catch (problem) {
    notice(problem.message);
  }
}

/** Tell colleagues and the customer what has been seen, when it really is on the screen. */
function markRead() {
  const upto = lastNumber();
  const { open: opened } = state;
  if (document.hidden || !opened?.loaded || !opened.summary || opened.summary.owner !== state.me.id) return;
  if (upto > Math.max(opened.summary.read?.[state.me.id] ?? 0, opened.marked ?? 0)) {
    opened.marked = upto;
    command({ do: "read", conversation: opened.id, upto });
  }
}

// --- drawing ---------------------------------------------------------------------------------------------------

/** Show `[key, version, build]` entries, touching only what has changed: focus, clicks and screen readers stay calm. */
function show(parent, entries) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  entries.forEach(([key, version, build], index) => {
    let child = known.get(key);
    known.delete(key);
    if (child?.dataset.version !== version) {
      const fresh = build();
      Object.assign(fresh.dataset, { key, version });
      if (child) {
        const focused = child.contains(document.activeElement);
        child.replaceWith(fresh);
        if (focused) fresh.querySelector("button")?.focus();
      }
      child = fresh;
    }
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  for (const child of known.values()) child.remove();
}

let drawing = false;

function render() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    if (!state.me) return;
    drawHeader();
    drawList();
    drawConversation();
    markRead();
  });
}

function drawHeader() {
  const mine = state.operators.get(state.me.id);
  if (mine && document.activeElement !== $("presence")) $("presence").value = mine.state;
  $("count-mine").textContent = String(inView("mine").length);
  $("count-queue").textContent = String(state.waiting);
}

const isMine = (each) => each.owner === state.me.id || (each.offers ?? []).some((offer) => offer.operator === state.me.id);
const isQueued = (each) => each.status === "waiting" || each.status === "open";

function inView(name) {
  const all = [...state.lists.values()];
  if (name === "mine") return all.filter(isMine).sort((a, b) => a.opened_at - b.opened_at);
  if (name === "queue") return all.filter(isQueued).sort((a, b) => comparePlaces(a.place, b.place));
  return all.sort((a, b) => a.opened_at - b.opened_at);
}

function comparePlaces(a = [0, 0, 0], b = [0, 0, 0]) {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function drawList() {
  for (const tab of $("tabs").children) tab.setAttribute("aria-selected", String(tab.dataset.view === state.view));
  $("list").setAttribute("aria-labelledby", `tab-${state.view}`);
  const shown = inView(state.view);
  const version = (each) => JSON.stringify([each, state.open?.id === each.id, each.unanswered ? ago(each.unanswered) : ""]);
  show($("list"), shown.map((each) => [each.id, version(each), () => make("li", {}, lineElement(each))]));
  const hidden = state.view === "queue" ? state.waiting - shown.length : 0;
  $("list-note").textContent = shown.length ? (hidden > 0 ? `${hidden} more are waiting.` : "") : "Nothing here.";
}

function lineElement(each) {
  const unread = each.n - (each.read?.[state.me.id] ?? 0);
  const late = each.unanswered && serverNow() - each.unanswered > 60_000;
  const offered = (each.offers ?? []).some((offer) => offer.operator === state.me.id);
  const status = [callStatus(each), each.undelivered ? "not delivered" : "", offered ? "offered to you" : each.owner_name || each.status].filter(Boolean).join(" · ");
  const line = button("", () => open(each.id));
  line.setAttribute("aria-current", String(state.open?.id === each.id));
  line.append(
    make("span", { className: "name" }, each.name || each.address || each.id),
    unread > 0 && isMine(each) ? make("span", { className: "badge", "aria-label": `${unread} unread` }, String(unread)) : make("span"),
    make("span", { className: "preview" }, each.preview || "…"),
    make("span", { className: late ? "late" : "hint" }, each.unanswered ? `waits ${ago(each.unanswered)}` : ""),
    make("span", { className: "hint" }, `${each.channel} · ${status}`),
  );
  return line;
}

function callStatus(each) {
  if (each.call) return each.call.state === "answered" ? "on the phone" : each.call.direction === "in" ? "calling" : "being called";
  return each.missed ? "missed call" : "";
}

function drawConversation() {
  const { open: opened } = state;
  $("nothing").hidden = Boolean(opened);
  $("desk").classList.toggle("reading", Boolean(opened));
  $("opened").hidden = !opened;
  if (!opened) return;
  const summary = opened.summary ?? state.lists.get(opened.id);
  $("title").textContent = summary?.name || summary?.address || opened.id;
  $("subtitle").textContent = summary ? `${summary.channel} · ${summary.status}${summary.owner_name ? ` · ${summary.owner_name}` : ""} · answers go to ${summary.address}` : "archived";
  show($("actions"), actions(opened, summary));
  $("earlier").hidden = !opened.more;
  $("typing").textContent = opened.typing;
  const atEnd = isAtEnd();
  const items = [...opened.items.values()].map((item) => [`${opened.id}/${item.id}`, JSON.stringify(item), () => itemElement(item)]);
  show($("items"), [...items, ...pendingElements(opened.id)]);
  if (atEnd) scrollDown();
  const note = $("as-note").checked;
  const may = note || summary?.owner === state.me.id || (state.me.role === "supervisor" && summary && summary.status !== "closed");
  $("reply").classList.toggle("note", note);
  $("text-label").textContent = note ? "Note, seen by colleagues only" : "Reply";
  const { nowhere, shut, template } = drawWays(summary, note);
  const ready = may && !nowhere && (!shut || template);
  $("send").disabled = !ready;
  $("send").title = !may ? "Only the owner of the conversation can answer; accept it first." : nowhere ? "The customer is known by phone only: call them." : "";
}

/** What can be done with the conversation, as entries for show(). */
function actions(opened, summary) {
  if (!summary) return [];
  const conversation = opened.id;
  const made = [];
  const add = (label, action, className = "") => made.push([label, JSON.stringify(action) ?? "", () => button(label, typeof action === "function" ? action : () => command(action), className)]);
  const offer = (summary.offers ?? []).find((each) => each.operator === state.me.id);
  const mine = summary.owner === state.me.id;
  if (offer) {
    add("Accept", { do: "accept", conversation, offer: offer.id }, "primary");
    add("Decline", { do: "decline", conversation, offer: offer.id });
  }
  add("Why?", askWhy);
  if (summary.status === "closed") {
    add("Reopen", { do: "reopen", conversation, person: summary.person });
    return made;
  }
  if (state.me.role === "supervisor" && !mine) add("Take", { do: "take", conversation, operator: state.me.id });
  if (summary.call) add("Hang up", { do: "hang_up", conversation });
  else if (mine && callable(summary)) add("Call", { do: "call", conversation });
  if (mine) {
    if (templatesOf(chosenRoute()).length) add("Approved text", wantTemplate);
    add("Transfer", askTransfer);
    add("Back to the queue", { do: "release", conversation });
    add("Close", { do: "close", conversation });
  }
  return made;
}

/** Whether there is a number to call, a phone to call it with, and one of the operator's own. */
function callable(summary) {
  const phone = Object.values(state.channels).some((channel) => channel.phone);
  return phone && state.operators.get(state.me.id)?.phone && (summary.addresses ?? []).some((address) => /^(tel|sip):/.test(address));
}

function wantTemplate() {
  state.open.wantsTemplate = !state.open.wantsTemplate;
  render();
}

/** Put a conversation away. */
function put(id) {
  if (state.open?.id === id) state.open = null;
  link.send({ type: "unwatch", conversation: id });
  render();
}

async function askWhy() {
  const { id, person } = state.open;
  try {
    const { told } = await ask("GET", `/conversations/${id}/explain?person=${encodeURIComponent(person)}`);
    $("why-items").replaceChildren(...told.map((sentence) => make("li", {}, sentence)));
    $("why").showModal();
  } catch (problem) {
    notice(problem.message);
  }
}

async function askTransfer() {
  try {
    const { operators } = await ask("GET", "/operators");
    const others = operators.filter((each) => each.id !== state.me.id);
    $("transfer-to").replaceChildren(make("option", { value: "" }, "Anyone suitable"), ...others.map((each) => make("option", { value: each.id, disabled: !each.online }, `${each.name} (${each.online ? each.state : "not here"})`)));
    $("transfer-note").value = "";
    $("transfer").showModal();
  } catch (problem) {
    notice(problem.message);
  }
}

function transfer() {
  if ($("transfer").returnValue !== "ok" || !state.open) return;
  command({ do: "transfer", conversation: state.open.id, operator: $("transfer-to").value || null, note: $("transfer-note").value });
}

const EVENTS = {
  "conversation.opened": (item) => `New conversation on ${item.detail}`,
  "conversation.queued": (item) => `In the queue (${item.detail})`,
  "conversation.unroutable": (item) => `Cannot be routed: ${item.detail}`,
  "offer.made": (item) => `Offered to ${item.operator}`,
  "offer.ended": (item) => `Offer to ${item.operator} ended (${item.detail})`,
  "conversation.assigned": (item) => `${item.operator} has it now`,
  "conversation.unassigned": (item) => `${item.operator} has it no more (${item.detail})`,
  "conversation.reopened": (item) => (item.detail ? `Reopened: the answer ${item.detail} did not arrive` : `Reopened${item.name ? ` by ${item.name}` : ""}`),
  "conversation.closed": (item) => `Closed${item.name ? ` by ${item.name}` : ""}`,
};

function itemElement(item) {
  const time = new Date(item.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (item.kind === "event") {
    return make("li", { className: "item event" }, `${time} · ${EVENTS[item.what]?.(item) ?? item.what}`);
  }
  const who = item.kind === "message" ? item.name || item.address : item.name || "automatic";
  const meta = make("div", { className: "meta" }, make("span", {}, who), make("time", { dateTime: new Date(item.at).toISOString() }, time));
  if (item.kind === "note") meta.append(make("span", {}, "note"));
  if (item.kind === "reply") meta.append(...receiptElements(item));
  return make("li", { className: `item ${item.kind}`, data: { n: String(item.n ?? 0) } }, ...contentElements(item.content, item.kind === "reply"), meta);
}

function receiptElements(item) {
  const made = [make("span", { className: "receipt", data: { state: item.receipt }, title: item.error ?? "" }, item.error ? `${item.receipt}: ${item.error}` : item.receipt)];
  if (item.receipt === "failed" || item.receipt === "unknown") {
    const { open: opened } = state;
    const again = { do: "reply", conversation: opened.id, content: item.content, seen: lastNumber(), address: item.address, again: item.outbound, anyway: item.receipt === "unknown" };
    made.push(button(item.receipt === "unknown" ? "Send again (may arrive twice)" : "Send again", () => send(again)));
  }
  return made;
}

function contentElements(content, outward = false) {
  const text = (value) => make("div", { className: "text" }, value);
  switch (content.kind) {
    case "text":
      return [content.subject ? make("strong", {}, content.subject) : "", text(content.text), ...quotedElements(content), ...layoutElements(content), ...(content.attachments ?? []).map(fileElement)];
    case "template":
      return [text(content.text)];
    case "media":
      return [fileElement(content), content.caption ? text(content.caption) : ""];
    case "choice":
      return [text(content.text || content.chosen || ""), ...(content.options ?? []).map((option) => text(`• ${option.label}`))];
    case "location":
      return [text(`Location ${content.name ?? ""} ${content.latitude}, ${content.longitude}`)];
    case "contact":
      return [text([content.name, ...(content.phones ?? []), ...(content.emails ?? [])].join("\n"))];
    case "reaction":
      return [text(content.emoji || "(reaction taken back)")];
    case "edit":
      return [text(`Changed to: ${content.text}`)];
    case "delete":
      return [text("(took a message back)")];
    case "form":
      return [text(Object.entries(content.answers).map(([question, given]) => `${question}: ${given}`).join("\n"))];
    case "rating":
      return [text(`Rating ${content.score} of ${content.scale ?? 5} ${content.comment ?? ""}`)];
    case "call":
      return [text(callText(content, outward)), content.recording ? fileElement(content.recording) : ""];
    default:
      return [text(`(${content.what ?? content.kind})`)];
  }
}

const CALLS = { initiated: "Call begins", ringing: "Call is ringing", answered: "Call answered", held: "Call on hold", transferred: "Call transferred", ended: "Call ended", failed: "Call not answered", recording: "Recording of the call" };

const WISHES = { ringing: "Rings at", initiated: "Calls the customer from", ended: "Hangs up" };

function callText(content, outward) {
  const wish = outward && (content.event === "ringing" && !content.to ? "Rings nowhere" : WISHES[content.event]);
  const parts = [wish || CALLS[content.event] || `Call ${content.event}`];
  if (content.to) parts.push(content.to);
  if (content.duration) parts.push(`${Math.round(content.duration / 1000)} s`);
  if (content.reason) parts.push(content.reason);
  return parts.join(" · ");
}

/** What was trimmed from a mail, on demand. */
function quotedElements(content) {
  if (!content.full || content.full === content.text) return [];
  return [make("details", {}, make("summary", {}, "Show quoted"), make("div", { className: "text" }, content.full))];
}

/** A mail as it was laid out, on demand, in a frame in which nothing runs. */
function layoutElements(content) {
  if (!content.html) return [];
  const { open: opened } = state;
  const details = make("details", {}, make("summary", {}, "Show as laid out by the author"));
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("iframe")) return;
    const frame = make("iframe", { className: "layout", title: "The message as its author laid it out", referrerPolicy: "no-referrer" });
    frame.setAttribute("sandbox", "");
    frame.src = `/desk/conversations/${opened.id}/layouts/${content.html.name}?person=${encodeURIComponent(opened.person)}`;
    details.append(frame);
  });
  return [details];
}

function fileElement(media) {
  const { open: opened } = state;
  const href = `/desk/conversations/${opened.id}/files/${media.file.name}?person=${encodeURIComponent(opened.person)}`;
  return make("div", {}, make("a", { href, target: "_blank", rel: "noopener" }, `${media.filename || media.type} (${Math.ceil(media.file.size / 1000)} kB)`));
}

/** One's own messages that are not confirmed yet, as entries for show(). */
function pendingElements(conversation) {
  const mine = [...state.pending].filter(([, waiting]) => isText(waiting.action) && waiting.action.conversation === conversation);
  return mine.map(([id, waiting]) => [id, waiting.status + waiting.reason, () => pendingElement(id, waiting)]);
}

function pendingElement(id, { action, status, reason }) {
  const receipt = make("span", { className: "receipt", data: { state: status } }, PENDING[status] + (reason ? `: ${reason}` : ""));
  const meta = make("div", { className: "meta" }, receipt);
  if (status === "refused") meta.append(button("Edit", () => takeBack(id)), button("Discard", () => discard(id)));
  const text = make("div", { className: "text" }, action.content.text ?? action.content.caption ?? "");
  return make("li", { className: `item pending ${action.do}` }, text, meta);
}

const PENDING = { sent: "sending…", not_confirmed: "not confirmed, trying again", refused: "not sent" };

function discard(id) {
  state.pending.delete(id);
  render();
}

function takeBack(id) {
  const { action } = state.pending.get(id);
  $("text").value = [$("text").value, action.content.text ?? ""].filter(Boolean).join("\n");
  saveDraft();
  $("text").focus();
  discard(id);
}

const isAtEnd = () => $("items").scrollHeight - $("items").scrollTop - $("items").clientHeight < 60;

function scrollDown() {
  requestAnimationFrame(() => {
    $("items").scrollTop = $("items").scrollHeight;
  });
}

// --- alarms ----------------------------------------------------------------------------------------------------

/** Supervisors see what somebody has to look at; while nobody can be asked, what was shown stands. */
async function lookForAlarms() {
  if (state.me?.role !== "supervisor") {
    $("alarms").hidden = true;
    return;
  }
  let alarms;
  try {
    ({ alarms } = await ask("GET", "/alarms"));
  } catch {
    return;
  }
  $("alarms").replaceChildren(
    ...alarms.map((each) => make("li", { data: { alarm: each.name } }, make("b", {}, each.text), ` ${each.remedy} (for ${ago(each.since)})`)),
  );
  $("alarms").hidden = !alarms.length;
}

// --- wiring ----------------------------------------------------------------------------------------------------

let toldTyping = 0;

$("sign-in-form").addEventListener("submit", signIn);
$("sign-out").addEventListener("click", signOut);
$("presence").addEventListener("change", () => command({ do: "presence", state: $("presence").value }));
$("reply").addEventListener("submit", sendReply);
$("as-note").addEventListener("change", render);
$("file").addEventListener("change", attach);
$("route").addEventListener("change", () => {
  state.open.route = $("route").value;
  render();
});
$("template").addEventListener("change", render);
$("back").addEventListener("click", () => put(state.open.id));
$("earlier").addEventListener("click", showEarlier);
$("transfer").addEventListener("close", transfer);
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!$("send").disabled) sendReply();
  }
});
$("text").addEventListener("input", () => {
  saveDraft();
  if (state.open && !$("as-note").checked && Date.now() - toldTyping > 3_000) {
    toldTyping = Date.now();
    link.send({ type: "typing", conversation: state.open.id, on: true });
  }
});
$("tabs").addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-view]")?.dataset.view;
  if (!chosen) return;
  state.view = chosen;
  const everything = chosen === "all";
  if (everything !== state.everything) {
    state.everything = everything;
    link.send({ type: "show", everything });
  }
  render();
});
$("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const tabs = [...$("tabs").children].filter((tab) => !tab.hidden);
  const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
  next.focus();
  next.click();
});
document.addEventListener("visibilitychange", render);
window.addEventListener("online", () => link.running && !link.socket && link.connect());
setInterval(lookForAlarms, 15_000);
setInterval(() => {
  link.watchSilence();
  repeatUnconfirmed();
  render();
}, 2_000);

start();
