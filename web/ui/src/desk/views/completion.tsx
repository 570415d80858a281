// What is offered while typing: canned answers behind a slash, colleagues behind an at-sign in a note.
import type { Desk } from "../store/desk";
import type { Editor } from "../store/editor";
import { t } from "../words";

export interface Choice {
  readonly key: string;
  readonly label: string;
  readonly about: string;
  /** What is put in place of what was typed. */
  readonly text: string;
}

const SHOWN = 8;

export function completions(desk: Desk, editor: Editor, typed: string, note: boolean): Choice[] {
  if (!note) {
    return desk.canned.matching(typed, SHOWN).map((each) => {
      const text = editor.textOf(each);
      return {
        key: each.id,
        label: each.shortcut ? `/${each.shortcut} · ${each.title}` : each.title,
        about: text,
        text,
      };
    });
  }
  const wanted = typed.toLocaleLowerCase();
  const me = desk.me.value?.id;
  return desk.colleagues.value
    .filter((each) => each.id !== me && `${each.name} ${each.id}`.toLocaleLowerCase().includes(wanted))
    .slice(0, SHOWN)
    .map((each) => ({ key: each.id, label: each.name, about: t(`presence.${each.state}`), text: `@${each.name} ` }));
}

export function Completion({
  choices,
  chosen,
  onTake,
}: {
  choices: readonly Choice[];
  chosen: number;
  onTake: (at: number) => void;
}) {
  return (
    <div class="completion" id="completion" role="listbox" aria-label={t("completion.label")}>
      {choices.map((each, i) => (
        // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the box, which names the active option
        // biome-ignore lint/a11y/useKeyWithClickEvents: keys are those of the editor
        <div
          key={each.key}
          id={`choice-${i}`}
          role="option"
          class="choice"
          aria-selected={i === chosen}
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => onTake(i)}
        >
          <b>{each.label}</b>
          <span class="quiet">{each.about}</span>
        </div>
      ))}
    </div>
  );
}
