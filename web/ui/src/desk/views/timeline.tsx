// Everything that was said, oldest first: days, earlier conversations, the line above what is new, one's own words that
// are not confirmed yet.
import type { Signal } from "@preact/signals";
import { useSignal, useSignalEffect } from "@preact/signals";
import { Fragment } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useApp } from "../app";
import type { Item } from "../protocol/wire";
import type { Thread } from "../store/threads";
import { t } from "../words";
import { day, midnight } from "../words/times";
import { Happenings, ItemView } from "./item";
import { Words } from "./words";

const NEAR_END = 80; // pixels from the end within which the screen follows what comes

export function Timeline({ thread }: { thread: Thread }) {
  const { desk } = useApp();
  const box = useRef<HTMLElement>(null);
  const atEnd = useRef(true);
  const below = useSignal(0);
  const first = useRef<string>("");
  const items = thread.items.value;
  const chapters = thread.chapters.value;
  const words = desk.wordsFor(thread.id);
  const typing = thread.typing.value;

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    if (atEnd.current) {
      element.scrollTop = element.scrollHeight;
      below.value = 0;
    } else if (items.at(-1)?.peek().kind === "message") below.value += 1;
  }, [items.length, words.length, typing === null, thread.loaded.value]);

  // What is read back stands above: what was in sight stays where it was.
  useLayoutEffect(() => {
    const element = box.current;
    const top = chapters[0]?.items[0]?.peek().id ?? items[0]?.peek().id ?? "";
    if (element && first.current && top !== first.current && !atEnd.current) {
      const old = element.querySelector(`[data-item="${first.current}"]`);
      if (old) element.scrollTop += old.getBoundingClientRect().top - element.getBoundingClientRect().top - 60;
    }
    first.current = top;
  }, [chapters, items]);

  // Pictures and frames grow after they were drawn.
  useLayoutEffect(() => {
    const element = box.current;
    const inner = element?.firstElementChild;
    if (!element || !inner) return;
    const watcher = new ResizeObserver(() => {
      if (atEnd.current) element.scrollTop = element.scrollHeight;
    });
    watcher.observe(inner);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);

  useSignalEffect(() => {
    if (desk.orders.open.value.size > 0 && desk.wordsFor(thread.id).some((each) => each.state === "sent")) {
      atEnd.current = true;
    }
  });

  const onScroll = () => {
    const element = box.current;
    if (!element) return;
    atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
    if (atEnd.current) below.value = 0;
  };
  const readBack = thread.more.value || chapters.length < thread.past.value.length;
  return (
    <div class="timeline-frame">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by key */}
      <section class="timeline" ref={box} onScroll={onScroll} tabIndex={0} aria-label={t("timeline.label")}>
        <div class="timeline-inner">
          {readBack && thread.loaded.value && (
            <button
              type="button"
              class="button earlier"
              onClick={() => {
                atEnd.current = false;
                void desk.readBack(thread);
              }}
            >
              {thread.more.value ? t("timeline.earlier") : t("timeline.conversation_before")}
            </button>
          )}
          {!thread.loaded.value && <Skeleton />}
          {chapters.map((chapter) => (
            <Fragment key={chapter.conversation}>
              <ol class="items past">
                <Sheet items={chapter.items} conversation={chapter.conversation} thread={thread} />
              </ol>
              <p class="chapter-end">{t("timeline.chapter")}</p>
            </Fragment>
          ))}
          <ol class="items" id="items" aria-live="polite" aria-relevant="additions">
            <Sheet items={items} conversation={thread.id} thread={thread} />
            {words.map((order) => (
              <Words key={order.id} order={order} />
            ))}
          </ol>
          <p class="typing" role="status">
            {typing !== null && (
              <span class="typing-bubble">
                <span class="dots" aria-hidden="true">
                  <i />
                  <i />
                  <i />
                </span>
                {typing ? (
                  <span class="typing-text" dir="auto">
                    {typing}
                  </span>
                ) : (
                  t("timeline.typing")
                )}
              </span>
            )}
          </p>
        </div>
      </section>
      {below.value > 0 && (
        <button
          type="button"
          class="below"
          onClick={() => {
            box.current?.scrollTo({ top: box.current.scrollHeight });
          }}
        >
          {t("timeline.below", { n: below.value })}
        </button>
      )}
    </div>
  );
}

function Skeleton() {
  return (
    <div class="skeleton" aria-hidden="true">
      <i />
      <i />
      <i />
    </div>
  );
}

/** Items with what stands between them. */
function Sheet({
  items,
  conversation,
  thread,
}: {
  items: readonly Signal<Item>[];
  conversation: string;
  thread: Thread;
}) {
  const { desk } = useApp();
  const now = midnight(desk.clock.now.peek());
  const seen = conversation === thread.id ? thread.seenBefore.value : Number.MAX_SAFE_INTEGER;
  let before: Item | null = null;
  let marked = seen === 0;
  return (
    <>
      {gathered(items).map((group) => {
        const [each] = group;
        if (!each) return null;
        const item = each.peek();
        const newDay = !before || midnight(before.at) !== midnight(item.at);
        const first = newDay || !before || !sameVoice(before, item);
        const isNew = !marked && item.kind === "message" && item.n > seen;
        marked ||= isNew;
        before = item;
        return (
          <Fragment key={item.id}>
            {newDay && (
              <li class="day">
                <span>{day(item.at, now)}</span>
              </li>
            )}
            {isNew && (
              <li class="new-line">
                <span>{t("timeline.new")}</span>
              </li>
            )}
            {group.length > 1 ? (
              <Happenings items={group.map((one) => one.peek())} />
            ) : (
              <ItemView item={each} first={first} conversation={conversation} thread={thread} />
            )}
          </Fragment>
        );
      })}
    </>
  );
}

const MANY = 4;

/** Leaves out what was replaced by a later attempt, and gathers long runs of events: routing is told in one line. */
function gathered(items: readonly Signal<Item>[]): Signal<Item>[][] {
  const replaced = new Set(items.flatMap((each) => each.peek().attempts.map((attempt) => attempt.outbound)));
  const groups: Signal<Item>[][] = [];
  for (const each of items) {
    const item = each.peek();
    if (item.replaced_by || replaced.has(item.outbound)) continue;
    const last = groups.at(-1);
    if (item.kind === "event" && last?.[0]?.peek().kind === "event") last.push(each);
    else groups.push([each]);
  }
  return groups.flatMap((group) => (group.length >= MANY ? [group] : group.map((each) => [each])));
}

const TOGETHER = 5 * 60_000;

const sameVoice = (a: Item, b: Item): boolean =>
  a.kind === b.kind &&
  a.kind !== "event" &&
  a.by === b.by &&
  a.name === b.name &&
  a.channel === b.channel &&
  b.at - a.at < TOGETHER;
