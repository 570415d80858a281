import { beforeEach, expect, test } from "vitest";
import { Fragment, jsx, render, useEffect, useRef, useState } from "./dom";

const box = document.createElement("div");
const settled = () => new Promise((resolve) => setTimeout(resolve));
type Tree = ReturnType<typeof jsx>;
const el = (type: string, props: Record<string, unknown> = {}, ...children: unknown[]): Tree =>
  jsx(type, { ...props, children: children as never });
const text = () => box.textContent;

beforeEach(() => render(null, box));

test("keyed nodes move and keep what they are", () => {
  const list = (...keys: string[]) =>
    el(
      "ul",
      {},
      keys.map((key) => jsx("li", { children: key }, key)),
    );
  render(list("a", "b", "c"), box);
  const before = [...box.querySelectorAll("li")];
  render(list("c", "a", "d", "b"), box);
  const after = [...box.querySelectorAll("li")];
  expect(text()).toBe("cadb");
  expect([after[1], after[3], after[0]]).toEqual(before);
  render(list("d"), box);
  expect(text()).toBe("d");
});

test("what is left out keeps its place, so that its neighbours stay", () => {
  const show = (on: boolean) => el("p", {}, on && el("b", {}, "x"), el("input"), "tail");
  render(show(false), box);
  const field = box.querySelector("input");
  render(show(true), box);
  expect(box.querySelector("input")).toBe(field);
  expect(text()).toBe("xtail");
  render(show(false), box);
  expect(text()).toBe("tail");
});

test("components without an element of their own stay in order", () => {
  const Some = ({ of }: { of?: string[] }) => of?.map((each) => el("i", {}, each));
  const show = (of: string[]) =>
    jsx(Fragment as never, { children: [el("b", {}, "1"), jsx(Some as never, { of }), el("b", {}, "2")] as never });
  render(show([]), box);
  render(show(["x", "y"]), box);
  expect(text()).toBe("1xy2");
});

test("attributes come, change and go; nothing is ever read as markup", () => {
  render(el("a", { href: "/x", "aria-pressed": false, hidden: true, class: "one" }, "<b>"), box);
  const link = box.querySelector("a");
  expect(link?.outerHTML).toBe('<a href="/x" aria-pressed="false" hidden="" class="one">&lt;b&gt;</a>');
  render(el("a", { "aria-pressed": true, hidden: false, class: "two" }), box);
  expect(box.innerHTML).toBe('<a aria-pressed="true" class="two"></a>');
});

test("state is shown anew once for all changes of a moment", async () => {
  let shown = 0;
  const Counter = () => {
    const [n, setN] = useState(0);
    shown++;
    const both = () => {
      setN(n + 1);
      setN(n + 2);
    };
    return el("button", { onClick: both }, n);
  };
  render(jsx(Counter as never, {}), box);
  box.querySelector("button")?.click();
  await settled();
  expect([text(), shown]).toEqual(["2", 2]);
});

test("effects run when their reasons change, and are undone at the end", async () => {
  const log: string[] = [];
  const Part = ({ n }: { n?: number }) => {
    const ref = useRef<Element | null>(null);
    useEffect(() => {
      log.push(`run ${n} ${ref.current?.tagName}`);
      return () => log.push(`undo ${n}`);
    }, [n]);
    return el("p", { ref });
  };
  render(jsx(Part as never, { n: 1 }), box);
  render(jsx(Part as never, { n: 1 }), box);
  render(jsx(Part as never, { n: 2 }), box);
  render(null, box);
  expect(log).toEqual(["run 1 P", "undo 1", "run 2 P", "undo 2"]);
});

test("a list shows its value although its options come with it", () => {
  render(el("select", { value: "b" }, el("option", { value: "a" }), el("option", { value: "b" })), box);
  expect(box.querySelector("select")?.value).toBe("b");
});

test("signs are drawn in their own namespace", () => {
  render(el("svg", {}, el("path", { d: "M0 0" })), box);
  expect(box.querySelector("path")?.namespaceURI).toBe("http://www.w3.org/2000/svg");
});

test("a component with a memo is shown anew when that is another one, or a state in it has changed", async () => {
  let shown = 0;
  let name = (_: string) => {};
  const Inner = () => {
    const [said, setSaid] = useState("a");
    name = setSaid;
    return said;
  };
  const Row = ({ n }: { n?: number }) => {
    shown++;
    return [n, jsx(Inner as never, { memo: "handed on" } as never)];
  };
  const show = (n: number, memo: string) => render(jsx(Row as never, { n, memo } as never), box);
  show(1, "x");
  show(2, "x");
  expect([text(), shown]).toEqual(["1a", 1]);
  name("b");
  await settled();
  expect([text(), shown]).toEqual(["2b", 2]);
  show(3, "y");
  expect([text(), shown]).toEqual(["3b", 3]);
});
