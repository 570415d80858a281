// The address bar follows the desk and the other way round: reload, "back" on a phone and a link all do what they should.
import { effect } from "@preact/signals";
import type { App } from "./app";
import { fragmentOf, placeOf } from "./store/places";

export function follow({ desk, places }: App): void {
  let first = true;
  const arrive = () => {
    const place = placeOf(location.hash);
    if (place.page === "inbox") {
      places.page.value = "inbox";
      if (place.conversation) {
        if (desk.threads.current.peek()?.id !== place.conversation) places.open(place.conversation, place.person);
      } else desk.threads.hide();
    } else places.page.value = place.page;
  };
  window.addEventListener("popstate", arrive);
  effect(() => {
    if (!desk.ready.value) return;
    const page = places.page.value;
    const thread = desk.threads.current.value;
    if (first) {
      first = false;
      arrive();
      return;
    }
    const fragment = fragmentOf({ page, conversation: thread?.id ?? "", person: thread?.person.peek() ?? "" });
    if (placeText(fragment) === placeText(location.hash)) return;
    // Between conversations the entry is replaced: "back" leads to the list, as on a phone.
    if (location.hash.startsWith("#/c/") && fragment.startsWith("#/c/")) history.replaceState(null, "", fragment);
    else history.pushState(null, "", fragment);
  });
}

const placeText = (fragment: string): string => {
  const { page, conversation } = placeOf(fragment);
  return `${page}/${conversation}`;
};
