// Tells that somebody is here. Whoever only reads touches the page, too: with the wheel, the pointer, a finger.

const TOUCHES = ["keydown", "pointerdown", "pointermove", "wheel", "touchstart", "touchmove"] as const;

/** Starts looking at the page; gives a way to stop. */
export function feel(here: () => void, page: EventTarget = window): () => void {
  let place = "";
  const touched = (event: Event) => {
    if (event.type === "pointermove") {
      // A browser makes such events also where the page moves below a pointer that nobody holds.
      const { screenX, screenY } = event as PointerEvent;
      const now = `${screenX},${screenY}`;
      const lies = now === place;
      place = now;
      if (lies) return;
    }
    here();
  };
  for (const kind of TOUCHES) page.addEventListener(kind, touched, { passive: true, capture: true });
  return () => {
    for (const kind of TOUCHES) page.removeEventListener(kind, touched, { capture: true });
  };
}
