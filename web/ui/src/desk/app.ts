// What every view needs, put together once and handed down.
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Deeds } from "./keys/deeds";
import type { Desk } from "./store/desk";
import type { Editor } from "./store/editor";
import type { Places } from "./store/places";
import type { Search } from "./store/search";
import type { Settings } from "./store/settings";

export interface App {
  readonly desk: Desk;
  readonly editor: Editor;
  readonly places: Places;
  readonly settings: Settings;
  readonly deeds: Deeds;
  readonly search: Search;
}

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error("a view of the desk stands outside of AppContext");
  return app;
}
