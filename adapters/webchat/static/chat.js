/* The visitor's side of the web chat; docs/webchat-protocol.md describes what it speaks.
   One file, no dependencies, nothing inline; text is only ever set as textContent. */
(() => {
  "use strict";
  const script = document.currentScript;
  const base = new URL(".", script.src);
  const PING = 25000, ANSWER = 10000, RETRY = 1000, LONGEST = 30000, TYPING = 300;

  const WORDS = {
    en: { title: "Chat with us", greeting: "How can we help?", write: "Write a message", send: "Send", file: "Attach a file", open: "Open chat", close: "Close chat",
      offline: "Connecting…", sending: "sending", taken: "sent", read: "read", failed: "could not be sent", joined: "%s is here for you", closed: "The conversation is over. Write again whenever you like.",
      typing: "%s is typing…", someone: "Somebody", preview: "What you type can be seen before you send it.", refused: "The chat is not available on this page." },
    ru: { title: "Напишите нам", greeting: "Чем помочь?", write: "Сообщение", send: "Отправить", file: "Прикрепить файл", open: "Открыть чат", close: "Закрыть чат",
      offline: "Соединяемся…", sending: "отправляется", taken: "отправлено", read: "прочитано", failed: "не отправлено", joined: "С вами %s", closed: "Разговор закончен. Пишите снова в любое время.",
      typing: "%s печатает…", someone: "Собеседник", preview: "Набираемый текст виден до отправки.", refused: "Чат на этой странице недоступен." },
    pl: { title: "Napisz do nas", greeting: "W czym możemy pomóc?", write: "Wiadomość", send: "Wyślij", file: "Dołącz plik", open: "Otwórz czat", close: "Zamknij czat",
      offline: "Łączenie…", sending: "wysyłanie", taken: "wysłano", read: "przeczytano", failed: "nie wysłano", joined: "Rozmawia z Tobą %s", closed: "Rozmowa zakończona. Pisz, kiedy chcesz.",
      typing: "%s pisze…", someone: "Ktoś", preview: "Tekst widać, zanim go wyślesz.", refused: "Czat nie jest dostępny na tej stronie." },
  };
  const language = [script.dataset.lang, document.documentElement.lang, ...navigator.languages].filter(Boolean)
    .map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => WORDS[tag]) || "en";
  let words = WORDS[language];

  /* --- what survives a reload: the session, and messages that were not acknowledged --- */

  const store = {
    name: `trunkline ${base.href}`,
    load() { try { return JSON.parse(localStorage.getItem(this.name)) || {}; } catch { return this.kept || {}; } },
    save(change) { this.kept = { ...this.load(), ...change }; try { localStorage.setItem(this.name, JSON.stringify(this.kept)); } catch { /* private window: this page only */ } },
    pending() { return this.load().pending || []; },
    add(message) { this.save({ pending: [...this.pending(), message] }); },
    drop(id) { this.save({ pending: this.pending().filter((message) => message.id !== id) }); },
  };

  function uuid7() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    for (let i = 0, time = Date.now(); i < 6; i++) bytes[5 - i] = Math.floor(time / 256 ** i) % 256;
    bytes[6] = 0x70 | (bytes[6] & 15);
    bytes[8] = 0x80 | (bytes[8] & 63);
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  /* --- the connection: resumes by cursor, repeats what was not acknowledged, backs off with jitter --- */

  class Line extends EventTarget {
    cursor = null; tries = 0; stopped = false; session = null; welcome = false;

    async start() {
      addEventListener("online", () => this.now());
      document.addEventListener("visibilitychange", () => { if (!document.hidden) this.now(); });
      addEventListener("pagehide", () => this.socket?.close());
      addEventListener("pageshow", (event) => { if (event.persisted) this.now(); });
      await this.connect();
    }

    tell(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }

    now() {
      if (this.stopped) return;
      if (this.socket?.readyState === WebSocket.OPEN) return this.ping(); // it may be dead after sleep
      if (!this.connecting) { clearTimeout(this.timer); this.tries = 0; this.connect(); }
    }

    later(seconds) {
      clearTimeout(this.timer);
      const wait = Math.max((seconds || 0) * 1000, Math.min(LONGEST, RETRY * 2 ** this.tries++) * (0.5 + Math.random()));
      this.timer = setTimeout(() => this.connect(), wait);
    }

    async connect() {
      if (this.connecting || this.stopped) return;
      this.connecting = true;
      try {
        await this.renew();
        await this.open();
      } catch (error) {
        if (error.final) { this.stopped = true; this.tell("refused"); } else this.later(error.after);
      } finally { this.connecting = false; }
    }

    async renew() {
      const known = store.load().session;
      if (known && this.session && Date.now() < known.renew_at) { this.session = known; return; }
      const answer = await this.ask("session", { method: "POST" }, known?.token);
      if (answer.status === 401) { store.save({ session: null }); this.cursor = null; throw new Error("a new visitor"); }
      if (!answer.ok) throw Object.assign(new Error("no session"), { final: answer.status === 403, after: +answer.headers.get("Retry-After") });
      this.session = await answer.json();
      store.save({ session: this.session });
      this.tell("session", this.session);
    }

    ask(path, options, token = this.session?.token) {
      const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
      return fetch(new URL(path, base), { ...options, headers, credentials: "omit", referrerPolicy: "origin" });
    }

    open() {
      const url = new URL("socket", base);
      url.protocol = url.protocol.replace("http", "ws");
      return new Promise((resolve) => {
        const socket = this.socket = new WebSocket(url);
        socket.onopen = () => {
          this.send({ type: "hello", token: this.session.token, cursor: this.cursor, page: location.href.slice(0, 1000), title: document.title.slice(0, 300), language });
          this.beat = setInterval(() => this.ping(), PING);
          resolve();
        };
        socket.onmessage = (event) => { clearTimeout(this.silence); this.silence = null; this.take(JSON.parse(event.data)); };
        socket.onclose = () => {
          if (this.socket !== socket) return;
          clearInterval(this.beat); clearTimeout(this.silence); this.silence = null;
          this.welcome = false; this.tell("state");
          this.later();
          resolve();
        };
      });
    }

    send(frame) { if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame)); }

    ping() {
      this.send({ type: "ping" });
      this.silence ??= setTimeout(() => { const dead = this.socket; dead.onclose(); dead.onclose = dead.onmessage = null; dead.close(); }, ANSWER);
    }

    take(frame) {
      if (frame.type === "welcome") {
        this.welcome = true; this.tries = 0; this.tell("state");
        store.pending().forEach((message) => this.send({ type: "send", ...message }));
      } else if (frame.type === "items") {
        this.cursor = frame.cursor;
        this.tell("items", frame.items);
      } else if (frame.type === "ack") {
        store.drop(frame.id); this.tell("ack", frame.id);
      } else if (frame.type === "typing") {
        this.tell("typing", frame);
      } else if (frame.type === "error") this.mend(frame);
    }

    mend(fault) {
      if (fault.code.startsWith("token_")) store.save({ session: null });
      if (fault.code.startsWith("cursor_") || fault.code.startsWith("token_")) { this.session = null; this.cursor = null; this.tell("again"); }
      const message = store.pending().find((each) => each.id === fault.ref);
      if (message && fault.retry_after) setTimeout(() => this.send({ type: "send", ...message }), fault.retry_after * 1000);
      else if (message) { store.drop(message.id); this.tell("failed", message.id); }
    }

    say(content) {
      const message = { id: uuid7(), content };
      store.add(message);
      if (this.welcome) this.send({ type: "send", ...message });
      return message;
    }

    async upload(file) {
      const headers = { "X-Filename": encodeURIComponent(file.name), "X-Upload-Id": uuid7(), "Content-Type": "application/octet-stream" };
      const answer = await this.ask("files", { method: "POST", body: file, headers });
      const body = await answer.json();
      if (!answer.ok) throw new Error(body.error.message);
      return body;
    }

    async fetchFile(reference) {
      const answer = await this.ask(`files/${reference}`, {});
      if (!answer.ok) throw new Error("the file cannot be fetched");
      return URL.createObjectURL(await answer.blob());
    }
  }

  /* --- what is seen --- */

  const ICONS = {
    chat: "M4 4h16a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2H9l-5 4v-4a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2z",
    send: "M3 20l18-8L3 4v6l12 2-12 2z",
    clip: "M16 6l-7.5 7.5a1.5 1.5 0 0 0 2 2L18 8a3.5 3.5 0 0 0-5-5L5 11a5.5 5.5 0 0 0 8 8l6-6-1.400-1.400-6 6a3.500 3.500 0 0 1-5-5l8-8a1.500 1.500 0 0 1 2 2z",
  };

  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 24 24"); svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", ICONS[name]); path.setAttribute("fill", "currentColor");
    svg.append(path);
    return svg;
  }

  function button(className, label, face) {
    const element = make("button", className);
    element.type = "button"; element.title = label; element.setAttribute("aria-label", label);
    element.append(face);
    return element;
  }

  /* Text with its links, as nodes. */
  function linked(text) {
    const fragment = document.createDocumentFragment();
    text.split(/(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]])/g).forEach((part, place) => {
      if (place % 2 === 0) return fragment.append(part);
      const link = make("a", "", part);
      link.href = part; link.target = "_blank"; link.rel = "noopener noreferrer nofollow";
      fragment.append(link);
    });
    return fragment;
  }

  class Chat extends HTMLElement {
    connectedCallback() {
      if (this.line) return;
      this.line = new Line();
      this.known = new Set(); this.own = new Map(); this.targets = new Map();
      this.seenBy = {}; this.unread = 0; this.lastReply = null; this.reported = {};
      this.build();
      this.listen();
      this.showPending();
      this.line.start();
      if (this.getAttribute("mode") === "page") this.open();
    }

    build() {
      const root = this.attachShadow({ mode: "open" });
      const style = make("link"); style.rel = "stylesheet"; style.href = new URL("chat.css", base).href;
      style.onload = () => { this.style.visibility = ""; };
      this.style.visibility = "hidden";
      this.panel = make("section", "panel"); this.panel.hidden = true;
      this.panel.setAttribute("role", "dialog");
      const head = make("div", "head"), heading = make("div");
      this.heading = make("h2"); this.operator = make("p");
      heading.append(this.heading, this.operator);
      const shut = button("shut", words.close, "×"); shut.onclick = () => this.close();
      head.append(heading, shut);
      this.state = make("div", "note", words.offline); this.state.setAttribute("role", "status");
      this.log = make("div", "log"); this.log.setAttribute("role", "log"); this.log.setAttribute("aria-live", "polite"); this.log.tabIndex = 0;
      this.empty = make("p", "empty"); this.log.append(this.empty);
      this.typing = make("div", "typing"); this.typing.setAttribute("aria-live", "polite");
      this.panel.append(head, this.state, this.log, this.typing, this.buildForm());
      this.hint = make("div", "hint", words.preview); this.hint.hidden = true;
      this.panel.append(this.hint);
      this.launcher = button("launcher", words.open, icon("chat"));
      this.badge = make("span", "badge"); this.badge.hidden = true; this.launcher.append(this.badge);
      this.launcher.onclick = () => (this.panel.hidden ? this.open() : this.close());
      this.panel.onkeydown = (event) => { if (event.key === "Escape" && this.getAttribute("mode") !== "page") this.close(); };
      root.append(style, this.panel, this.launcher);
      this.rename();
    }

    buildForm() {
      const form = make("form");
      this.text = make("textarea"); this.text.rows = 1; this.text.maxLength = 10000;
      this.text.placeholder = words.write; this.text.setAttribute("aria-label", words.write);
      this.text.oninput = () => { this.fit(); this.tellTyping(); };
      this.text.onkeydown = (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); } };
      this.text.onpaste = (event) => { if (event.clipboardData.files.length) { event.preventDefault(); this.attach(event.clipboardData.files); } };
      const picker = make("input"); picker.type = "file"; picker.hidden = true;
      picker.onchange = () => { this.attach(picker.files); picker.value = ""; };
      this.clip = button("", words.file, icon("clip")); this.clip.onclick = () => picker.click();
      const send = button("", words.send, icon("send")); send.type = "submit";
      form.append(picker, this.clip, this.text, send);
      form.onsubmit = (event) => {
        event.preventDefault();
        const text = this.text.value.trim();
        if (!text) return;
        this.text.value = ""; this.fit(); this.stopTyping();
        this.showOwn(this.line.say({ kind: "text", text }));
      };
      return form;
    }

    listen() {
      const on = (name, act) => this.line.addEventListener(name, (event) => act(event.detail));
      on("state", () => { this.state.hidden = this.line.welcome; });
      on("session", (session) => {
        const own = session.texts?.[language] || Object.values(session.texts || {})[0] || {};
        words = { ...words, ...own };
        this.hint.hidden = !(this.preview = session.preview);
        this.clip.hidden = !session.file_types.length;
        this.rename();
      });
      on("items", (items) => items.forEach((item) => this.take(item)));
      on("ack", (id) => this.mark(id, words.taken));
      on("failed", (id) => this.mark(id, words.failed, true));
      on("typing", (frame) => this.showTyping(frame));
      on("refused", () => { this.state.textContent = words.refused; this.state.hidden = false; });
      on("again", () => { this.known.clear(); this.own.clear(); this.targets.clear(); this.log.replaceChildren(this.empty); this.showPending(); });
      document.addEventListener("visibilitychange", () => this.reportRead());
      addEventListener("storage", () => this.showPending());
    }

    rename() {
      this.heading.textContent = words.title;
      this.empty.textContent = words.greeting;
      this.panel.setAttribute("aria-label", words.title);
      if (this.getAttribute("mode") === "page") { document.title = words.title; document.documentElement.lang = language; }
    }

    open() { this.panel.hidden = false; this.launcher.setAttribute("aria-expanded", "true"); this.text.focus(); this.toEnd(); this.unread = 0; this.count(); this.reportRead(); }
    close() { this.panel.hidden = true; this.launcher.setAttribute("aria-expanded", "false"); this.launcher.focus(); }

    /* An item is known by its kind, conversation, n, id and at: the last ones may come twice. */
    take(item) {
      const key = [item.kind, item.conversation, item.n, item.id, item.at].join(" ");
      if (this.known.has(key)) return;
      this.known.add(key);
      if (item.kind === "message") this.takeOwn(item);
      else if (item.kind === "reply") this.takeReply(item);
      else if (item.kind === "read") this.takeRead(item);
      else if (item.kind === "joined") { this.operator.textContent = item.author?.name || ""; this.event(words.joined.replace("%s", item.author?.name || words.someone)); }
      else if (item.kind === "closed") { this.operator.textContent = ""; this.event(words.closed); }
    }

    takeOwn(item) {
      const line = this.own.get(item.id) || this.showOwn({ id: item.id, content: item.content });
      line.n = item.n; line.conversation = item.conversation;
      this.log.append(line.element); // the log's order is the one that holds; what waits stays at the end
      this.own.forEach((other) => { if (!other.n) this.log.append(other.element); });
      this.mark(item.id, (this.seenBy[item.conversation] || 0) >= item.n ? words.read : words.taken);
      this.toEnd();
    }

    takeReply(item) {
      this.showTyping({ on: false });
      const { content } = item;
      if (content.kind === "edit" || content.kind === "delete") return this.change(content);
      const element = this.bubble(content, false, item);
      this.targets.set(item.id, element);
      if (item.author?.name && this.speaker !== item.author.name) element.prepend(make("span", "who", item.author.name));
      this.speaker = item.author?.name;
      this.place(element);
      this.lastReply = item.id;
      if (this.panel.hidden) { this.unread++; this.count(); }
      if (!this.reportRead()) this.report("delivered");
    }

    takeRead(item) {
      this.seenBy[item.conversation] = Math.max(this.seenBy[item.conversation] || 0, item.n);
      this.own.forEach((line, id) => { if (line.n && line.conversation === item.conversation && line.n <= item.n) this.mark(id, words.read); });
    }

    change(content) {
      const bubble = this.targets.get(content.target)?.querySelector(".bubble");
      if (!bubble) return;
      if (content.kind === "delete") bubble.parentElement.remove(); else bubble.replaceChildren(linked(content.text));
    }

    showPending() { store.pending().forEach((message) => { if (!this.own.has(message.id)) this.showOwn(message); }); }

    showOwn(message) {
      const element = this.bubble(message.content, true), line = { element, meta: make("span", "meta", words.sending) };
      element.append(line.meta);
      this.own.set(message.id, line);
      this.speaker = null;
      this.place(element);
      return line;
    }

    place(element) { this.empty.hidden = true; this.log.append(element); this.own.forEach((line) => { if (!line.n) this.log.append(line.element); }); this.toEnd(); }
    event(text) { this.speaker = null; this.place(make("p", "event", text)); }
    toEnd() { this.log.scrollTop = this.log.scrollHeight; }

    mark(id, text, bad) {
      const meta = this.own.get(id)?.meta;
      if (meta) { meta.textContent = text; meta.classList.toggle("bad", !!bad); }
    }

    bubble(content, own) {
      const element = make("div", own ? "line own" : "line"), bubble = make("div", "bubble");
      if (content.kind === "rating") bubble.append(`${content.score} / ${content.scale} ${content.comment || ""}`);
      else if (content.text || content.caption) bubble.append(linked(content.text || content.caption));
      if (content.kind === "choice" && content.chosen && !content.text) bubble.append(content.chosen);
      const files = content.kind === "file" ? [content] : content.files || [];
      files.forEach((file) => bubble.append(this.file(file)));
      element.append(bubble);
      if (content.options?.length) element.append(this.options(content.options));
      return element;
    }

    options(options) {
      const row = make("div", "options");
      options.forEach((option) => {
        const choice = make(option.url ? "a" : "button", "", option.label);
        if (option.url && /^https?:/.test(option.url)) { choice.href = option.url; choice.target = "_blank"; choice.rel = "noopener noreferrer"; }
        else choice.onclick = () => { row.remove(); this.showOwn(this.line.say({ kind: "choice", chosen: option.id, text: option.label })); };
        row.append(choice);
      });
      return row;
    }

    file(file) {
      const holder = make("div"), name = make("button", "file", file.name || "📎"), kind = (file.type || "").split("/")[0];
      name.type = "button";
      name.onclick = async () => { const link = make("a"); link.href = await this.line.fetchFile(file.file); link.download = file.name || "file"; link.click(); };
      holder.append(name);
      if (["image", "audio", "video"].includes(kind)) this.show(file, kind, holder, name);
      return holder;
    }

    async show(file, kind, holder, name) {
      try {
        const media = make(kind === "image" ? "img" : kind);
        if (kind === "image") media.alt = file.name || ""; else media.controls = true;
        media.src = await this.line.fetchFile(file.file);
        media.onload = () => this.toEnd();
        if (kind === "image") media.onclick = () => name.onclick();
        holder.replaceChildren(media);
      } catch { /* its name stays, and can be asked for again */ }
    }

    async attach(files) {
      for (const file of files) {
        try {
          const grant = await this.line.upload(file);
          this.showOwn(this.line.say({ kind: "file", file: grant.file, name: grant.name, type: grant.type }));
        } catch (error) { this.event(`${file.name}: ${error.message}`); }
      }
    }

    count() { this.badge.hidden = !this.unread; this.badge.textContent = this.unread > 99 ? "99+" : this.unread; }
    /* One report for many answers: both states hold for everything before as well. */
    report(state) {
      if (!this.lastReply || this.reported[state] === this.lastReply) return;
      clearTimeout(this.reportTimer);
      this.reportTimer = setTimeout(() => { this.reported[state] = this.lastReply; this.line.send({ type: state, upto: this.lastReply }); }, 500);
    }

    reportRead() {
      const seen = !this.panel.hidden && !document.hidden;
      if (seen) this.report("read");
      return seen;
    }

    showTyping({ on, name }) {
      clearTimeout(this.typingTimer);
      this.typing.textContent = on ? words.typing.replace("%s", name || words.someone) : "";
      if (on) this.typingTimer = setTimeout(() => { this.typing.textContent = ""; }, 8000);
    }

    tellTyping() {
      this.typingAt ??= setTimeout(() => { this.typingAt = null; const text = this.text.value; this.line.send({ type: "typing", on: !!text, ...(this.preview ? { preview: text.slice(0, 2000) } : {}) }); }, TYPING);
    }
    stopTyping() { clearTimeout(this.typingAt); this.typingAt = null; }
    fit() { this.text.style.height = "auto"; this.text.style.height = `${this.text.scrollHeight + 2}px`; }
  }

  customElements.define("trunkline-chat", Chat);
  const chat = document.createElement("trunkline-chat");
  if (script.dataset.mode) chat.setAttribute("mode", script.dataset.mode);
  document.body.append(chat);
})();
