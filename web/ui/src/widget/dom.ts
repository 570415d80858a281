// The small part of Preact that the chat needs, with the same names, in a quarter of its size: a chat that a shop embeds
// may weigh 20 KB in all. In the built file it takes Preact's place (vite.widget.ts); types are Preact's own. Every change
// of state shows the whole tree anew, at the end of the current task, and writes to the document only what differs. What
// a component shows that has a `memo`, and is in none that has, stands until the memo is another one, or a state in it has
// changed. There is no way to write markup.

type Child = VNode | string | number | boolean | null | undefined | Child[];
type Props = Record<string, unknown> & { children?: Child; memo?: string };
type Component = (props: Props) => Child;
type Type = string | Component;

interface VNode {
  type: Type;
  props: Props;
  key: unknown;
}

/** What stands in the document for a node: `node` for elements and texts, `inner` for all that have children. */
interface Place {
  type: Type | undefined;
  key: unknown;
  props: Props;
  node: Element | Text | undefined;
  inner: Place[];
  slots: Slot[];
  /** What was shown is still good for this memo. */
  memo?: string | undefined;
}

interface Slot {
  value?: unknown;
  deps?: readonly unknown[] | undefined;
  run?: (() => unknown) | undefined;
  undo?: unknown;
}

const SVG = "http://www.w3.org/2000/svg";
const TEXT = "#";
const LIST = "[]";

export function Fragment({ children }: Props): Child {
  return children;
}

export function jsx(type: Type, props: Props, key?: unknown): VNode {
  return { type, props, key };
}

export { jsx as jsxs };

// --- showing ---

let top: { tree: Child; box: Node; places: Place[] } | undefined;
let owner: Place;
let slot = 0;
let due = false;
let row: Place | undefined;
let effects: Slot[] = [];

/** Shows a tree in a box, or shows it anew. One tree for each page. */
export function render(tree: Child, box: Node): void {
  top = { tree, box, places: top?.places ?? [] };
  due = false;
  top.places = match(box, top.places, [tree], null);
  const now = effects;
  effects = [];
  for (const each of now) {
    if (typeof each.undo === "function") each.undo();
    each.undo = each.run?.();
  }
}

function again(): void {
  if (due) return;
  due = true;
  queueMicrotask(() => {
    if (due && top) render(top.tree, top.box);
  });
}

/** Makes `box` hold `children` before `end`, with as much as possible of what is there. Gaps keep their place. */
function match(box: Node, there: Place[], children: Child[], end: Node | null): Place[] {
  const left = new Set(there);
  const keyed = new Map(there.filter((place) => place.key !== undefined).map((place) => [place.key, place]));
  const found = children.map((child, index): Place => {
    const { type, props, key } = toNode(child);
    const known = key === undefined ? there[index] : keyed.get(key);
    const fits = known && known.type === type && known.key === key && left.delete(known);
    const place = known && fits ? known : { type, key, props: {}, node: undefined, inner: [], slots: [] };
    show(box, place, props);
    return place;
  });
  for (const place of left) remove(place);
  let next = end;
  for (const place of [...found].reverse()) {
    for (const node of nodes(place).reverse()) {
      if (node.nextSibling !== next || node.parentNode !== box) box.insertBefore(node, next);
      next = node;
    }
  }
  return found;
}

function toNode(child: Child): { type: Type | undefined; props: Props; key: unknown } {
  if (Array.isArray(child)) return { type: LIST, props: { children: child }, key: undefined };
  if (child === null || child === undefined || typeof child === "boolean")
    return { type: undefined, props: {}, key: undefined };
  return typeof child === "object" ? child : { type: TEXT, props: { text: String(child) }, key: undefined };
}

function show(box: Node, place: Place, props: Props): void {
  const { type } = place;
  const before = place.props;
  place.props = props;
  if (type === TEXT) {
    place.node ??= document.createTextNode("");
    if (before.text !== props.text) (place.node as Text).data = props.text as string;
  } else if (typeof type === "function") {
    const { memo } = props;
    const outer = row;
    if (memo && !outer) {
      if (memo === place.memo) return;
      place.memo = memo;
      row = place;
    }
    owner = place;
    slot = 0;
    place.inner = match(box, place.inner, [type(props)], after(place));
    row = outer;
  } else if (type === LIST) {
    place.inner = match(box, place.inner, props.children as Child[], after(place));
  } else if (type) {
    const svg = type === "svg" || (box as Element).namespaceURI === SVG;
    place.node ??= svg ? document.createElementNS(SVG, type) : document.createElement(type);
    const element = place.node as Element;
    const { children, ...others } = props;
    place.props = others;
    place.inner = match(element, place.inner, [children], null);
    for (const name of Object.keys({ ...before, ...others })) {
      if (name === "value" || before[name] !== others[name]) write(element, name, others[name]);
    }
  }
}

/** What follows a place in the document, as far as it is there already. */
function after(place: Place): Node | null {
  return nodes(place).at(-1)?.nextSibling ?? null;
}

function nodes(place: Place): Node[] {
  return place.node ? [place.node] : place.inner.flatMap(nodes);
}

function write(element: Element, name: string, value: unknown): void {
  if (name === "ref") {
    if (value) (value as { current: unknown }).current = element;
  } else if (name.startsWith("on")) {
    Object.assign(element, { [name.toLowerCase()]: value ?? null });
  } else if (name === "value") {
    const field = element as HTMLInputElement;
    if (field.value !== value) field.value = (value ?? "") as string;
  } else if (value === undefined || value === null || (value === false && !name.startsWith("aria"))) {
    element.removeAttribute(name);
  } else element.setAttribute(name, value === true && !name.startsWith("aria") ? "" : String(value));
}

function remove(place: Place, inside = false): void {
  for (const { undo } of place.slots) if (typeof undo === "function") undo();
  for (const each of place.inner) remove(each, inside || !!place.node);
  const { ref } = place.props;
  if (ref) (ref as { current: unknown }).current = null;
  if (!inside) (place.node as ChildNode | undefined)?.remove();
}

// --- hooks ---

function next(): Slot {
  const { slots } = owner;
  slots[slot] ??= {};
  return slots[slot++] as Slot;
}

export function useState<T>(first: T | (() => T)): [T, (value: T) => void] {
  const mine = next();
  const around = row;
  if (!("value" in mine)) mine.value = typeof first === "function" ? (first as () => T)() : first;
  return [
    mine.value as T,
    (value) => {
      if (Object.is(mine.value, value)) return;
      mine.value = value;
      if (around) around.memo = "";
      again();
    },
  ];
}

export function useRef<T>(first: T): { current: T } {
  const mine = next();
  mine.value ??= { current: first };
  return mine.value as { current: T };
}

/** Runs after everything is in the document; what it gives back undoes it. */
export function useEffect(run: () => unknown, deps?: readonly unknown[]): void {
  const mine = next();
  if (mine.deps && deps?.every((each, place) => Object.is(each, mine.deps?.[place]))) return;
  mine.deps = deps ?? [];
  mine.run = run;
  effects.push(mine);
}
