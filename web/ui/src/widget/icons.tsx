// The signs of the chat, drawn in lines of the colour of the text.
import type { JSX } from "preact";

const PATHS = {
  talk: "M12 3.5c5 0 9 3.4 9 7.6s-4 7.6-9 7.6c-1 0-2-.1-2.9-.4L4.5 20.5l.9-3.7C3.9 15.3 3 13.3 3 11.1c0-4.2 4-7.6 9-7.6Z",
  down: "m6 9 6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
  send: "M12 19V5m-6 6 6-6 6 6",
  clip: "m20 11.5-8.2 8.2a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7l-8.4 8.4a1.7 1.7 0 0 1-2.4-2.4l7.6-7.6",
  mic: "M12 3.5a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0v-5a3 3 0 0 1 3-3ZM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21",
  file: "M13.5 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8.5L13.5 3Zm0 0v5.5H19",
  globe:
    "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm-9 9h18M12 3c2.5 2.5 3.8 5.5 3.8 9S14.5 18.5 12 21c-2.5-2.5-3.8-5.5-3.8-9S9.5 5.5 12 3Z",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm0 5v4l3 2",
  check: "m5 12.5 4.5 4.5L19 7.5",
  checks: "m2 12.5 4.5 4.5L16 7.5M12 16.5l.5.5L22 7.5",
  alert: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Zm0 5v4m0 3v.1",
  bin: "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12",
  bad: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM8 16.5c2-2.5 6-2.5 8 0M9 9.5v.1M15 9.5v.1",
  soso: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM8 15.5h8M9 9.5v.1M15 9.5v.1",
  good: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM8 14c2 3 6 3 8 0M9 9.5v.1M15 9.5v.1",
} as const;

export type Sign = keyof typeof PATHS;

export function Icon({ name }: { name: Sign }): JSX.Element {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A button with a sign; `label` is what it says to those who do not see it. */
export function SignButton({
  sign,
  label,
  ...rest
}: { sign: Sign; label: string } & JSX.IntrinsicElements["button"]): JSX.Element {
  return (
    <button type="button" {...rest} aria-label={label} title={label}>
      <Icon name={sign} />
    </button>
  );
}
