// Canned answers: chosen from a list by key, and the page on which they are written.
import { useSignal } from "@preact/signals";
import { useApp } from "../app";
import type { CannedAnswer } from "../protocol/wire";
import { textOf } from "../store/canned";
import { t } from "../words";
import { DeedButton } from "./bits";
import { Icon } from "./icons";
import { Picker } from "./picker";

/** Finds one and puts it where the caret is. */
export function CannedPicker() {
  const { desk, editor, places } = useApp();
  const wanted = useSignal("");
  const take = (answer: CannedAnswer) => {
    places.shut();
    const end = editor.text.peek().length;
    editor.insert(editor.textOf(answer), end, end);
  };
  return (
    <Picker
      id="canned-list"
      title={t("deed.canned")}
      label={t("canned.find")}
      wanted={wanted}
      found={desk.canned.matching(wanted.value)}
      keyOf={(each) => each.id}
      draw={(each) => (
        <>
          <span class="hit-label">
            {each.folder && <span class="quiet">{each.folder} / </span>}
            {each.title} {each.shortcut && <code>/{each.shortcut}</code>}
          </span>
          <span class="quiet hit-text" dir="auto">
            {editor.textOf(each)}
          </span>
        </>
      )}
      none={t("canned.none")}
      tall
      onTake={take}
      onClose={() => places.shut()}
    />
  );
}

type Draft = Pick<CannedAnswer, "title" | "texts"> & {
  id: string;
  folder: string;
  shortcut: string;
  personal: boolean;
  version: number;
};

const EMPTY: Draft = { id: "", folder: "", title: "", shortcut: "", texts: {}, personal: true, version: 0 };

/** The page: folders and titles on the left, the one that is edited on the right. */
export function AnswersPage() {
  const { desk } = useApp();
  const draft = useSignal<Draft | null>(null);
  const edit = (answer: CannedAnswer) => {
    const { id, folder = "", title, shortcut = "", texts, personal = false, version = 0 } = answer;
    draft.value = { id, folder, title, shortcut, texts, personal, version };
  };
  const folders = byFolder(desk.canned.all.value);
  return (
    <section class="page answers" aria-label={t("page.answers")}>
      <header class="page-head">
        <h1>{t("page.answers")}</h1>
        <a
          class="button"
          href={`/desk/answers?format=yaml&scope=${desk.isSupervisor.value ? "shared" : "personal"}`}
          download
        >
          <Icon name="download" size={16} /> YAML
        </a>
        <DeedButton id="import" icon="upload" />
        <button
          type="button"
          class="button primary"
          onClick={() => {
            draft.value = EMPTY;
          }}
        >
          <Icon name="plus" size={16} /> {t("canned.new")}
        </button>
      </header>
      <div class="two">
        <div class="two-list">
          {desk.canned.all.value.length === 0 && <p class="quiet">{t("canned.none_yet")}</p>}
          {[...folders].map(([folder, answers]) => (
            <section key={folder}>
              <h3>{folder || t("canned.no_folder")}</h3>
              <ul class="plain-list">
                {answers.map((each) => (
                  <li key={each.id}>
                    <button
                      type="button"
                      class="past"
                      aria-current={draft.value?.id === each.id}
                      onClick={() => edit(each)}
                    >
                      <span class="past-words">
                        {each.title} {each.shortcut && <code>/{each.shortcut}</code>}
                      </span>
                      <span class="quiet">
                        {each.from_file
                          ? t("canned.in_file")
                          : each.personal
                            ? t("canned.personal")
                            : t("canned.shared")}
                      </span>
                    </button>
                  </li>
                ))}
              </ul>
            </section>
          ))}
        </div>
        {draft.value && (
          <AnswerForm
            key={draft.value.id}
            draft={draft.value}
            onDone={() => {
              draft.value = null;
            }}
          />
        )}
      </div>
    </section>
  );
}

function byFolder(answers: readonly CannedAnswer[]): Map<string, CannedAnswer[]> {
  const folders = new Map<string, CannedAnswer[]>();
  for (const each of answers) folders.set(each.folder ?? "", [...(folders.get(each.folder ?? "") ?? []), each]);
  return folders;
}

function AnswerForm({ draft, onDone }: { draft: Draft; onDone: () => void }) {
  const { desk } = useApp();
  const supervisor = desk.isSupervisor.value;
  const known = desk.canned.all.value.find((each) => each.id === draft.id);
  const fixed = known?.from_file === true || (known !== undefined && !known.personal && !supervisor);
  const languages = [...new Set([...desk.languages.value, ...Object.keys(draft.texts)])];
  const save = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const value = (name: string) => String(form.get(name) ?? "").trim();
    const texts = Object.fromEntries(languages.map((each) => [each, value(`text-${each}`)]).filter(([, text]) => text));
    const outcome = await desk.do({
      do: "save_answer",
      ...(draft.id ? { answer: draft.id, version: draft.version } : {}),
      personal: form.get("personal") !== null || !supervisor,
      folder: value("folder"),
      title: value("title"),
      shortcut: value("shortcut").replace(/^\//, "").toLocaleLowerCase(),
      texts,
    });
    if (outcome.status === "confirmed") onDone();
  };
  const remove = async () => {
    const outcome = await desk.do({ do: "delete_answer", answer: draft.id });
    if (outcome.status === "confirmed") onDone();
  };
  return (
    <form class="form answer-form" onSubmit={(event) => void save(event)}>
      {fixed && <p class="standing note">{known?.from_file ? t("canned.fixed_file") : t("canned.fixed_shared")}</p>}
      <label for="answer-title">{t("canned.title")}</label>
      <input id="answer-title" name="title" maxLength={100} required value={draft.title} disabled={fixed} />
      <div class="form-pair">
        <label>
          {t("canned.folder")}
          <input name="folder" maxLength={100} value={draft.folder} disabled={fixed} />
        </label>
        <label>
          {t("canned.shortcut")}
          <input name="shortcut" maxLength={32} pattern="/?[\p{L}\p{N}_\-]*" value={draft.shortcut} disabled={fixed} />
        </label>
      </div>
      {languages.map((each) => (
        <label key={each}>
          {t("canned.text", { language: each })}
          <textarea
            name={`text-${each}`}
            rows={4}
            maxLength={4000}
            lang={each}
            dir="auto"
            value={textIn(draft, each)}
            disabled={fixed}
          />
        </label>
      ))}
      <p class="quiet">
        {t("canned.variables")} {"{customer} {first_name} {operator} {channel} {conversation} {date}"}
      </p>
      {supervisor && (
        <label class="check">
          <input type="checkbox" name="personal" checked={draft.id ? draft.personal : false} disabled={fixed} />{" "}
          {t("canned.only_mine")}
        </label>
      )}
      <div class="form-deeds">
        {draft.id && !fixed && (
          <button type="button" class="button danger" onClick={() => void remove()}>
            {t("canned.delete")}
          </button>
        )}
        <button type="button" class="button" onClick={onDone}>
          {t("deed.cancel")}
        </button>
        <button type="submit" class="button primary" disabled={fixed}>
          {t("canned.save")}
        </button>
      </div>
    </form>
  );
}

const textIn = (draft: Draft, language: string): string =>
  draft.texts[language] === undefined ? "" : textOf({ ...draft, id: draft.id }, [language]);
