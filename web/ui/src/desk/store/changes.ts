// What each change of the log does to the screen.
import { wholeOperator, wholeSummary } from "../protocol/whole";
import type { Change } from "../protocol/wire";
import { t } from "../words";
import type { Desk } from "./desk";

type Of<E extends Change["event"]> = Extract<Change, { event: E }>;

const CHANGES: { [E in Change["event"]]: (desk: Desk, change: Of<E>) => void } = {
  conversation: (desk, { summary, listed }) => {
    if (listed) desk.lists.put(summary);
    else desk.lists.remove(summary.id);
    desk.threads.summary(wholeSummary(summary));
  },
  gone: (desk, { conversation }) => desk.gone(conversation),
  item: (desk, { conversation, item }) => {
    if (item.command) desk.orders.took(item.command);
    desk.threads.add(conversation, item);
  },
  receipt: (desk, change) => desk.threads.receipt(change),
  operator: (desk, { operator }) => {
    desk.operators.value = new Map(desk.operators.peek()).set(operator.id, wholeOperator(operator));
  },
  waiting: (desk, { count }) => {
    desk.lists.waiting.value = count;
  },
  mention: (desk, { conversation, person, by }) =>
    desk.calls(conversation, person, t("mention.said", { who: desk.nameOf(by) })),
  whisper: (desk, { conversation, name, text }) => desk.calls(conversation, "", t("whisper.said", { who: name }), text),
  answer: (desk, { answer }) => desk.canned.put(answer),
  answer_gone: (desk, { answer }) => desk.canned.remove(answer),
};

/** Applies a change; one of a newer node that we do not know is ignored. */
export function applyChange(desk: Desk, change: Change): void {
  const apply = CHANGES[change.event] as ((desk: Desk, change: Change) => void) | undefined;
  apply?.(desk, change);
}
