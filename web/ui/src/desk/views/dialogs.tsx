// Questions that a deed asks before it is done: to whom, with which result, until when, why.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { useApp } from "../app";
import { ask } from "../protocol/http";
import type { Presence } from "../protocol/wire";
import { problemOf } from "../store/desk";
import { t } from "../words";
import { Dialog } from "./bits";
import { CannedPicker } from "./canned";
import { ImportAnswers } from "./import";
import { Viewer } from "./media";
import { CheatSheet, Palette } from "./palette";
import { LinkWith, Separate } from "./persons";

export function Dialogs() {
  const { places } = useApp();
  const dialog = places.dialog.value;
  switch (dialog?.kind) {
    case undefined:
      return null;
    case "palette":
      return <Palette />;
    case "keys":
      return <CheatSheet />;
    case "transfer":
      return <TransferTo />;
    case "close":
      return <CloseWith />;
    case "park":
      return <ParkUntil />;
    case "canned":
      return <CannedPicker />;
    case "presence":
      return <PresenceOf />;
    case "import":
      return <ImportAnswers />;
    case "link":
      return <LinkWith />;
    case "unlink":
      return <Separate address={dialog.address} />;
    case "why":
      return <Why conversation={dialog.conversation} person={dialog.person} />;
    case "picture":
      return <Viewer pictures={dialog.pictures} at={dialog.at} />;
  }
}

function Choice({
  onClick,
  children,
  first = false,
}: {
  onClick: () => void;
  children: ComponentChildren;
  first?: boolean;
}) {
  return (
    <li>
      <button type="button" class="option" autofocus={first} onClick={onClick}>
        {children}
      </button>
    </li>
  );
}

function TransferTo() {
  const { desk, places } = useApp();
  const to = useSignal("");
  const note = useSignal("");
  const conversation = desk.threads.current.value?.id ?? "";
  const me = desk.me.value?.id;
  const { queues = [], skills = [] } = desk.choices.value;
  useEffect(() => void desk.lookForColleagues(), []);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const [kind, ...rest] = to.value.split(":");
    const name = rest.join(":");
    void desk.do({
      do: "transfer",
      conversation,
      ...(kind === "operator" ? { operator: name } : {}),
      ...(kind === "queue" ? { queue: name } : {}),
      ...(kind === "skill" ? { skills: { [name]: 1 } } : {}),
      ...(note.value ? { note: note.value } : {}),
    });
    places.shut();
  };
  return (
    <Dialog title={t("deed.transfer")} onClose={() => places.shut()}>
      <form class="form" onSubmit={submit}>
        <label for="transfer-to">{t("transfer.to")}</label>
        <select
          id="transfer-to"
          value={to.value}
          onChange={(event) => {
            to.value = event.currentTarget.value;
          }}
        >
          <option value="">{t("transfer.anyone")}</option>
          <optgroup label={t("transfer.operators")}>
            {desk.colleagues.value
              .filter((each) => each.id !== me)
              .map((each) => (
                <option key={each.id} value={`operator:${each.id}`} disabled={!each.online}>
                  {each.name} ({t(`presence.${each.online ? each.state : "offline"}`)})
                </option>
              ))}
          </optgroup>
          {queues.length > 0 && (
            <optgroup label={t("transfer.queues")}>
              {queues.map((each) => (
                <option key={each} value={`queue:${each}`}>
                  {each}
                </option>
              ))}
            </optgroup>
          )}
          {skills.length > 0 && (
            <optgroup label={t("transfer.skills")}>
              {skills.map((each) => (
                <option key={each} value={`skill:${each}`}>
                  {each}
                </option>
              ))}
            </optgroup>
          )}
        </select>
        <label for="transfer-note">{t("transfer.note")}</label>
        <textarea
          id="transfer-note"
          rows={3}
          maxLength={1000}
          value={note.value}
          onInput={(event) => {
            note.value = event.currentTarget.value;
          }}
        />
        <div class="form-deeds">
          <button type="button" class="button" onClick={() => places.shut()}>
            {t("deed.cancel")}
          </button>
          <button type="submit" class="button primary">
            {t("deed.transfer")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function CloseWith() {
  const { desk, places } = useApp();
  const conversation = desk.threads.current.value?.id ?? "";
  const close = (result: string) => {
    places.shut();
    void desk.do({ do: "close", conversation, result });
  };
  return (
    <Dialog title={t("close.title")} onClose={() => places.shut()}>
      <ul class="options">
        {(desk.choices.value.results ?? []).map((each, i) => (
          <Choice key={each} first={i === 0} onClick={() => close(each)}>
            {each}
          </Choice>
        ))}
      </ul>
    </Dialog>
  );
}

const HOUR = 3_600_000;

function ParkUntil() {
  const { desk, places } = useApp();
  const conversation = desk.threads.current.value?.id ?? "";
  const now = desk.clock.now.peek();
  const tomorrow = new Date(now + 24 * HOUR).setHours(9, 0, 0, 0);
  const park = (until: number) => {
    places.shut();
    void desk.do({ do: "park", conversation, ...(until ? { until } : {}) });
  };
  return (
    <Dialog title={t("park.title")} onClose={() => places.shut()}>
      <p class="quiet">{t("park.about")}</p>
      <ul class="options">
        <Choice first onClick={() => park(0)}>
          {t("park.writes")}
        </Choice>
        <Choice onClick={() => park(now + HOUR)}>{t("park.hour")}</Choice>
        <Choice onClick={() => park(now + 4 * HOUR)}>{t("park.hours")}</Choice>
        <Choice onClick={() => park(tomorrow)}>{t("park.tomorrow")}</Choice>
      </ul>
    </Dialog>
  );
}

const STATES: readonly Presence[] = ["available", "away", "break", "draining"];

function PresenceOf() {
  const { desk, places } = useApp();
  const reason = useSignal("");
  const set = (state: Presence) => {
    places.shut();
    desk.setPresence(state, state === "away" || state === "break" ? reason.value : "");
  };
  return (
    <Dialog title={t("deed.presence")} onClose={() => places.shut()}>
      <ul class="options">
        {STATES.map((state, i) => (
          <Choice key={state} first={i === 0} onClick={() => set(state)}>
            <span class={`dot ${state}`} aria-hidden="true" />
            <span>
              <b>{t(`presence.${state}`)}</b>
              <span class="quiet block">
                {t(`presence.about_${state as "available" | "away" | "break" | "draining"}`)}
              </span>
            </span>
          </Choice>
        ))}
      </ul>
      <label class="form-line">
        {t("presence.reason")}
        <input
          maxLength={100}
          value={reason.value}
          placeholder={t("presence.reason_place")}
          onInput={(event) => {
            reason.value = event.currentTarget.value;
          }}
        />
      </label>
    </Dialog>
  );
}

function Why({ conversation, person }: { conversation: string; person: string }) {
  const { places } = useApp();
  const told = useSignal<readonly string[] | null>(null);
  const problem = useSignal("");
  useEffect(() => {
    ask<{ told: string[] }>("GET", `/conversations/${conversation}/explain?person=${encodeURIComponent(person)}`).then(
      (answer) => {
        told.value = answer.told;
      },
      (failed: unknown) => {
        problem.value = problemOf(failed);
      },
    );
  }, [conversation]);
  return (
    <Dialog title={t("why.title")} onClose={() => places.shut()} wide>
      {problem.value && <p class="problem">{problem.value}</p>}
      <ol class="told">
        {told.value?.map((sentence, i) => (
          <li key={i}>{sentence}</li>
        ))}
      </ol>
    </Dialog>
  );
}
