import { expect, test } from "vitest";
import { pause } from "./backoff";

test("the pause doubles up to half a minute, and is spread", () => {
  expect([0, 1, 2, 10].map((attempt) => pause(attempt, () => 0.5))).toEqual([500, 1000, 2000, 30_000]);
  expect([pause(0, () => 0), pause(0, () => 1)]).toEqual([250, 750]);
});
