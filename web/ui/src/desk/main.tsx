// The desk begins here.
import { effect } from "@preact/signals";
import { render } from "preact";
import { type App, AppContext } from "./app";
import { follow } from "./follow";
import { Deeds } from "./keys/deeds";
import { listen } from "./keys/listen";
import { feel } from "./keys/presence";
import { browserWorld } from "./protocol/link";
import { Attention } from "./store/attention";
import { Desk } from "./store/desk";
import { Editor } from "./store/editor";
import { Places } from "./store/places";
import { Search } from "./store/search";
import { browserKeeper, Settings } from "./store/settings";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/list.css";
import "./styles/conversation.css";
import "./styles/timeline.css";
import "./styles/content.css";
import "./styles/card.css";
import "./styles/composer.css";
import "./styles/dialogs.css";
import "./styles/pages.css";
import { Root } from "./views/root";

const keeper = browserKeeper();
const settings = new Settings(keeper, navigator.languages);
const attention = new Attention(settings, document);
const desk = new Desk(browserWorld, keeper, attention.ring);
const editor = new Editor(desk);
const places = new Places(desk, settings);
const deeds = new Deeds({ desk, editor, places, settings });
const app: App = { desk, editor, places, settings, deeds, search: new Search() };

attention.attend(desk, places);
listen(app);
follow(app);
effect(() => {
  document.documentElement.lang = settings.language.value;
  document.documentElement.dataset.theme = settings.theme.value;
});
setInterval(() => desk.tick(), 1_000);
window.addEventListener("online", () => desk.hurry());
document.addEventListener("visibilitychange", () => {
  desk.visible.value = !document.hidden;
});
feel(() => desk.telling.here());
if ("serviceWorker" in navigator && window.isSecureContext) {
  void navigator.serviceWorker.register("/desk/sw.js", { scope: "/desk/" });
}

const root = document.getElementById("root");
if (root) {
  render(
    <AppContext.Provider value={app}>
      <Root />
    </AppContext.Provider>,
    root,
  );
}
void desk.start();
