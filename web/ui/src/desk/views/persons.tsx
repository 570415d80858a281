// Two customers who are one, and one who is two after all: never by guessing, always with a word why, and to be undone.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { type App, useApp } from "../app";
import { type Candidate, indexed, known, together } from "../store/persons";
import type { Thread } from "../store/threads";
import { addressesOf } from "../store/ways";
import { t } from "../words";
import { Avatar, Dialog } from "./bits";
import { addressShown, calledIn } from "./naming";
import { Picker } from "./picker";

const PAUSE = 200; // ms without a key before the index is asked

const nameOf = ({ name, addresses, person }: Candidate): string =>
  calledIn({ name, address: addresses[0] ?? "", id: person });

/** Finds the other one, then asks. */
export function LinkWith() {
  const { desk, places } = useApp();
  const wanted = useSignal("");
  const more = useSignal<readonly Candidate[]>([]);
  const other = useSignal<Candidate | null>(null);
  const thread = desk.threads.current.value;
  const me = thread?.person.value ?? "";
  const words = wanted.value.trim();
  useEffect(() => {
    let current = true;
    more.value = [];
    const timer = setTimeout(async () => {
      const found = await indexed(words);
      if (current) more.value = found;
    }, PAUSE);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [words]);
  // Followed, so that who comes meanwhile is found as well.
  const rows = desk.lists.orders.all.value.ids.flatMap((id) => desk.lists.row(id)?.value ?? []);
  const found = together(known(rows, words, me), more.value, me);
  if (!thread) return null;
  if (other.value) return <Join thread={thread} other={other.value} />;
  return (
    <Picker
      id="others"
      title={t("deed.link")}
      label={t("link.find")}
      wanted={wanted}
      found={found}
      keyOf={(each) => each.person}
      draw={(each) => (
        <>
          <Avatar name={nameOf(each)} id={each.person} size="small" />
          <span class="hit-label">{nameOf(each)}</span>
          <span class="quiet">{each.name ? each.addresses.map(addressShown).join(" · ") : each.about}</span>
        </>
      )}
      none={t("link.none")}
      onTake={(each) => {
        other.value = each;
      }}
      onClose={() => places.shut()}
    />
  );
}

function Join({ thread, other }: { thread: Thread; other: Candidate }) {
  const { desk, places } = useApp();
  const person = thread.person.value;
  const summary = thread.summary.value;
  const one = summary ? calledIn(summary) : person;
  const join = async (evidence: string) => {
    places.shut();
    const outcome = await desk.do({ do: "link", person, other: other.person, evidence });
    if (outcome.status !== "confirmed") return;
    desk.threads.watchAgain(thread.id); // what the other has said is part of its past now
    const [address, ...more] = other.addresses;
    const undo = () => void desk.do({ do: "unlink", person, address: address ?? "", evidence: t("action.undo") });
    // More than one address would not come back as one customer: those are separated on the card.
    const act = address && !more.length ? { label: t("action.undo"), run: undo } : undefined;
    desk.notices.say(t("link.done", { one, other: nameOf(other) }), "good", act);
  };
  return (
    <Sure title={t("link.title")} deed={t("link.do")} onSure={(evidence) => void join(evidence)}>
      <p>{t("link.about", { one, other: nameOf(other) })}</p>
      <p class="quiet">{t("link.undo")}</p>
    </Sure>
  );
}

/** Asks which address, if none is named, and whether really. */
export function Separate({ address }: { address: string }) {
  const app = useApp();
  const { desk } = app;
  const chosen = useSignal(address);
  const thread = desk.threads.current.value;
  const summary = thread?.summary.value;
  if (!thread || !summary) return null;
  const all = addressesOf(summary);
  const which = chosen.value || all.at(-1) || "";
  return (
    <Sure
      title={t("deed.unlink")}
      deed={t("unlink.do")}
      onSure={(evidence) => void separate(app, thread.person.peek(), which, evidence)}
    >
      {!address && (
        <>
          <label for="which-address">{t("unlink.which")}</label>
          <select
            id="which-address"
            value={which}
            onChange={(event) => {
              chosen.value = event.currentTarget.value;
            }}
          >
            {all.map((each) => (
              <option key={each} value={each}>
                {addressShown(each)}
              </option>
            ))}
          </select>
        </>
      )}
      <p>{t("unlink.about", { address: addressShown(which) })}</p>
    </Sure>
  );
}

async function separate({ desk, places }: App, person: string, address: string, evidence: string): Promise<void> {
  places.shut();
  const outcome = await desk.do({ do: "unlink", person, address, evidence });
  if (outcome.status === "confirmed") desk.notices.say(t("unlink.done", { address: addressShown(address) }), "good");
}

/** A question with a word why; it is kept in the log with the deed. */
function Sure({
  title,
  deed,
  onSure,
  children,
}: {
  title: string;
  deed: string;
  onSure: (evidence: string) => void;
  children: ComponentChildren;
}) {
  const { places } = useApp();
  const evidence = useSignal("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    onSure(evidence.value.trim());
  };
  return (
    <Dialog title={title} onClose={() => places.shut()}>
      <form class="form" onSubmit={submit}>
        {children}
        <label for="evidence">{t("link.why")}</label>
        <input
          id="evidence"
          required
          autofocus
          maxLength={500}
          pattern=".*\S.*"
          value={evidence.value}
          placeholder={t("link.why_place")}
          onInput={(event) => {
            evidence.value = event.currentTarget.value;
          }}
        />
        <div class="form-deeds">
          <button type="button" class="button" onClick={() => places.shut()}>
            {t("deed.cancel")}
          </button>
          <button type="submit" class="button primary">
            {deed}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
