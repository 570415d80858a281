// A box to type in and what fits below it: arrows choose, Enter takes, the focus stays in the box.
import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { Dialog } from "./bits";

interface Props<T> {
  id: string;
  title: string;
  label: string;
  place?: string;
  wanted: Signal<string>;
  found: readonly T[];
  keyOf: (one: T) => string;
  draw: (one: T) => ComponentChildren;
  none: string;
  tall?: boolean;
  onTake: (one: T) => void;
  onClose: () => void;
}

export function Picker<T>({ id, title, label, wanted, found, keyOf, draw, none, onTake, onClose, ...more }: Props<T>) {
  const chosen = useSignal(0);
  const box = useRef<HTMLInputElement>(null);
  const at = Math.min(chosen.value, found.length - 1);
  useLayoutEffect(() => box.current?.focus(), []);
  useEffect(() => document.getElementById(`${id}-${at}`)?.scrollIntoView({ block: "nearest" }), [at]);
  const onKeyDown = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const one = found[at];
    if (by) chosen.value = (at + by + found.length) % Math.max(1, found.length);
    else if (event.key !== "Enter") return;
    else if (one) onTake(one);
    event.preventDefault();
  };
  return (
    <Dialog title={title} onClose={onClose} plain>
      <input
        ref={box}
        class="palette-box"
        role="combobox"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={found.length ? `${id}-${at}` : undefined}
        aria-label={label}
        placeholder={more.place ?? label}
        value={wanted.value}
        onInput={(event) => {
          wanted.value = event.currentTarget.value;
          chosen.value = 0;
        }}
        onKeyDown={onKeyDown}
      />
      <div class="hits" id={id} role="listbox" aria-label={label}>
        {found.map((one, i) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the box, which names the active option
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys are those of the box
          <div
            key={keyOf(one)}
            id={`${id}-${i}`}
            role="option"
            class={`hit ${more.tall ? "tall" : ""}`}
            aria-selected={i === at}
            onClick={() => onTake(one)}
          >
            {draw(one)}
          </div>
        ))}
      </div>
      {found.length === 0 && <p class="hits-none">{none}</p>}
    </Dialog>
  );
}
