import { expect, test } from "vitest";
import { lateness, USUAL } from "./lateness";

test("a wait ages by the service level of its kind of channel", () => {
  const waits = [5_000, 20_000, 61_000];
  expect(waits.map((ms) => lateness(USUAL, "interactive", "", ms))).toEqual(["fresh", "due", "late"]);
  expect(lateness(USUAL, "deferrable", "", 61_000)).toBe("fresh");
  expect(lateness(USUAL, "exclusive", "", 31_000)).toBe("late");
});

test("the level of a rule goes before that of the kind", () => {
  const levels = { ...USUAL, rules: { vip: { due: 1_000, late: 2_000 } } };
  expect(lateness(levels, "deferrable", "vip", 1_000)).toBe("due");
  expect(lateness(levels, "deferrable", "vip", 2_000)).toBe("late");
  expect(lateness(levels, "deferrable", "anybody", 2_000)).toBe("fresh");
});
