// Takes canned answers in from a file or the clipboard: first it is shown what would become of each.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { useApp } from "../app";
import { problemOf, reasonOf } from "../store/desk";
import { type AnswerSeen, lookAt, portions, worthwhile } from "../store/importing";
import { t } from "../words";
import { Dialog } from "./bits";
import { Icon } from "./icons";

export function ImportAnswers() {
  const { desk, places } = useApp();
  const seen = useSignal<readonly AnswerSeen[] | null>(null);
  const personal = useSignal(!desk.isSupervisor.peek());
  const pasted = useSignal("");
  return (
    <Dialog title={t("deed.import")} onClose={() => places.shut()} wide>
      {seen.value ? (
        <Preview
          seen={seen.value}
          personal={personal.value}
          onBack={() => {
            seen.value = null;
          }}
        />
      ) : (
        <Source
          pasted={pasted}
          personal={personal}
          onSeen={(found) => {
            seen.value = found;
          }}
        />
      )}
    </Dialog>
  );
}

interface Kept<T> {
  value: T;
}

function Source({
  pasted,
  personal,
  onSeen,
}: {
  pasted: Kept<string>;
  personal: Kept<boolean>;
  onSeen: (seen: AnswerSeen[]) => void;
}) {
  const { desk, places } = useApp();
  const problem = useSignal("");
  const look = async (what: File | string) => {
    try {
      onSeen(await lookAt(what, personal.value));
    } catch (failed) {
      problem.value = problemOf(failed);
    }
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    void look(pasted.value);
  };
  return (
    <form class="form" onSubmit={submit}>
      <p class="quiet" id="import-about">
        {t("import.about")}
      </p>
      {desk.isSupervisor.value && (
        <label class="check">
          <input
            type="checkbox"
            checked={personal.value}
            onChange={(event) => {
              personal.value = event.currentTarget.checked;
            }}
          />{" "}
          {t("canned.only_mine")}
        </label>
      )}
      <label class="button file-pick">
        <Icon name="file" size={16} />
        {t("import.file")}
        <input
          type="file"
          class="unseen"
          autofocus
          accept=".csv,.tsv,.json,.yaml,.yml,text/csv,application/json"
          aria-describedby="import-about"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file) void look(file);
            event.currentTarget.value = "";
          }}
        />
      </label>
      <label for="import-text">{t("import.paste")}</label>
      <textarea
        id="import-text"
        rows={8}
        dir="auto"
        spellcheck={false}
        value={pasted.value}
        onInput={(event) => {
          pasted.value = event.currentTarget.value;
        }}
      />
      {problem.value && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
      <div class="form-deeds">
        <button type="button" class="button" onClick={() => places.shut()}>
          {t("deed.cancel")}
        </button>
        <button type="submit" class="button primary" disabled={!pasted.value.trim()}>
          {t("import.look")}
        </button>
      </div>
    </form>
  );
}

function Preview({ seen, personal, onBack }: { seen: readonly AnswerSeen[]; personal: boolean; onBack: () => void }) {
  const { desk, places } = useApp();
  const answers = worthwhile(seen);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector<HTMLElement>(".form-deeds :last-child")?.focus(), []);
  const take = async (event: SubmitEvent) => {
    event.preventDefault();
    for (const part of portions(answers)) {
      const outcome = await desk.orders.give({ do: "import_answers", answers: part, personal });
      const there = outcome.status === "refused" && outcome.code === "nothing_new"; // taken in by an earlier try
      if (outcome.status !== "confirmed" && !there) {
        desk.told(outcome);
        return;
      }
    }
    places.shut();
    desk.notices.say(t("import.done", { n: answers.length }), "good");
  };
  return (
    <form ref={form} class="form" onSubmit={(event) => void take(event)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by key */}
      <section class="import-seen" tabIndex={0} aria-label={t("import.look")}>
        <ul class="plain-list">
          {seen.map((each, i) => (
            <Line key={i} answer={each} />
          ))}
        </ul>
      </section>
      {answers.length === 0 && <p role="status">{t("import.nothing")}</p>}
      <div class="form-deeds">
        <button type="button" class="button" onClick={onBack}>
          {t("import.back")}
        </button>
        {answers.length > 0 && (
          <button type="submit" class="button primary">
            {t("import.do", { n: answers.length })}
          </button>
        )}
      </div>
    </form>
  );
}

function Line({ answer }: { answer: AnswerSeen }) {
  const { becomes, folder, title, shortcut, texts, code = "", why = "" } = answer;
  const tone = { new: "live", changed: "live", same: "", wrong: "bad" }[becomes];
  return (
    <li class="import-line">
      <p>
        <span class={`fact ${tone}`}>{t(`import.${becomes}`)}</span> {folder && <span class="quiet">{folder} / </span>}
        <b>{title}</b> {shortcut && <code>/{shortcut}</code>}
      </p>
      {becomes === "wrong" && (
        <p class="problem" title={why}>
          {reasonOf(code, why)}
        </p>
      )}
      {Object.entries(texts).map(([language, text]) => (
        <p key={language} class="quiet import-text" lang={language} dir="auto">
          {text}
        </p>
      ))}
    </li>
  );
}
