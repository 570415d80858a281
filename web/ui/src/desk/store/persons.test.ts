import { expect, test } from "vitest";
import { wholeSummary } from "../protocol/whole";
import { known, together } from "./persons";

const row = (id: string, person: string, more: { name?: string; preview?: string; others?: string[] } = {}) =>
  wholeSummary({
    id,
    person,
    channel: "site",
    address: `visitor:${person}`,
    kind: "interactive",
    status: "assigned",
    opened_at: 1,
    ...more,
  });

test("customers of the lists are found by name and words, each once, and never the one at hand", () => {
  const rows = [
    row("c1", "p1", { name: "Maria" }),
    row("c2", "p2", { name: "Maria Schmidt", preview: "order 7", others: ["email:m@shop.example"] }),
    row("c3", "p2", { name: "Maria Schmidt" }),
    row("c4", "p3", { name: "Ben" }),
  ];
  expect(known(rows, "maria order", "p1").map((each) => each.person)).toEqual(["p2"]);
  expect(known(rows, "MARIA", "p1")).toHaveLength(1);
  expect(known(rows, "", "p1").map((each) => each.person)).toEqual(["p2", "p3"]);
  expect(known(rows, "maria", "p1")[0]?.addresses).toEqual(["visitor:p2", "email:m@shop.example"]);
  expect(known(rows, "ben", "p1")[0]?.addresses).toEqual(["visitor:p3"]);
});

test("those of the index are added once, and never the one at hand", () => {
  const one = (person: string) => ({ person, name: person, addresses: [], about: "" });
  const found = together([one("p2")], [one("p1"), one("p2"), one("p3")], "p1");
  expect(found.map((each) => each.person)).toEqual(["p2", "p3"]);
});
