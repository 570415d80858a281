// A long list of which only the rows in sight are there.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

export interface Entry {
  readonly key: string;
  readonly height: number;
  /** Headings are not counted among the rows. */
  readonly row: boolean;
  readonly draw: (at: number, of: number) => ComponentChildren;
}

const SPARE = 6; // rows above and below what is in sight

/** Shows `entries`; `cursor` names the one to keep in sight when it changes. */
export function Virtual({
  entries,
  cursor,
  label,
  id,
}: {
  entries: readonly Entry[];
  cursor: string;
  label: string;
  id: string;
}) {
  const box = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(800);
  const places = offsets(entries);
  const total = places[entries.length] ?? 0;

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const watcher = new ResizeObserver(() => {
      height.value = element.clientHeight;
    });
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);

  useLayoutEffect(() => {
    const element = box.current;
    const at = entries.findIndex((each) => each.key === cursor);
    if (!element || at < 0) return;
    const [from = 0, to = 0] = [places[at], places[at + 1]];
    if (from < element.scrollTop) element.scrollTop = at === 1 ? 0 : from;
    else if (to > element.scrollTop + element.clientHeight) element.scrollTop = to - element.clientHeight;
  }, [cursor]);

  const first = Math.max(0, find(places, top.value) - SPARE);
  const last = Math.min(entries.length, find(places, top.value + height.value) + 1 + SPARE);
  const rows = entries.filter((each) => each.row).length;
  let row = entries.slice(0, first).filter((each) => each.row).length;
  return (
    <div
      class="virtual"
      id={id}
      ref={box}
      onScroll={() => {
        // Whole rows only: scrolling by a pixel draws nothing anew.
        const now = box.current?.scrollTop ?? 0;
        if (Math.abs(now - top.peek()) > 60 || now === 0) top.value = now;
      }}
    >
      {/* biome-ignore lint/a11y/useSemanticElements: rows are placed by hand, which lists of the page cannot be */}
      <div class="virtual-all" role="list" aria-label={label} style={{ height: `${total}px` }}>
        {entries.slice(first, last).map((each, i) => {
          if (each.row) row += 1;
          return (
            <div
              class="virtual-row"
              key={each.key}
              role={each.row ? "listitem" : "presentation"}
              {...(each.row ? { "aria-posinset": row, "aria-setsize": rows } : {})}
              style={{ transform: `translateY(${places[first + i] ?? 0}px)`, height: `${each.height}px` }}
            >
              {each.draw(row, rows)}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** Where each entry begins, and at the end where the last one ends. */
function offsets(entries: readonly Entry[]): number[] {
  const places = [0];
  for (const each of entries) places.push((places[places.length - 1] ?? 0) + each.height);
  return places;
}

/** The entry in which the point `y` lies. */
function find(places: readonly number[], y: number): number {
  let [low, high] = [0, places.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((places[middle + 1] ?? Number.POSITIVE_INFINITY) <= y) low = middle + 1;
    else high = middle;
  }
  return low;
}
