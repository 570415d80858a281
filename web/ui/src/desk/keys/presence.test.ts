import { expect, test } from "vitest";
import { feel } from "./presence";

/** How often somebody was said to be here after these events. */
function felt(...events: Event[]): number {
  const page = new EventTarget();
  let times = 0;
  const stop = feel(() => {
    times += 1;
  }, page);
  for (const each of events) page.dispatchEvent(each);
  stop();
  for (const each of events) page.dispatchEvent(new Event(each.type));
  return times;
}

const moved = (screenX: number, screenY: number): Event => new MouseEvent("pointermove", { screenX, screenY });

test("whoever reads with wheel, pointer or finger alone is here", () => {
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) expect(felt(new Event(kind)), kind).toBe(1);
  expect(felt(moved(1, 1), moved(2, 1))).toBe(2);
});

test("a pointer that lies still is nobody, also when the page moves below it", () => {
  expect(felt(moved(5, 5), moved(5, 5), moved(5, 5))).toBe(1);
  expect(felt(new Event("scroll"))).toBe(0);
});
