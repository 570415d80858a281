// The pictures of the desk, drawn with one pen; 24 by 24.
const PATHS = {
  inbox: "M3 13h5l1.5 3h5L16 13h5M3 13v6h18v-6M3 13l3-8h12l3 8",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM16.2 16.2 21 21",
  team: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c0-3.6 2.9-6 6.5-6s6.5 2.4 6.5 6M16 4.3a3.5 3.5 0 0 1 0 6.5M18 14.4c2.1.8 3.5 2.8 3.5 5.6",
  reports: "M4 20V10M10 20V4M16 20v-7M21 20H3",
  answers: "M6 3h12v18l-6-4-6 4V3Z",
  settings:
    "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM12 2v3M12 19v3M2 12h3M19 12h3M4.9 4.9 7 7M17 17l2.1 2.1M4.9 19.1 7 17M17 7l2.1-2.1",
  more: "M4 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M11 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M18 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6 6 18",
  check: "M4 12.5 9.5 18 20 6.5",
  send: "M4 12 20 4l-5 16-4-7-7-1Z",
  attach: "M20 11.5 12 19.5a5 5 0 0 1-7-7l8.5-8.5a3.3 3.3 0 0 1 4.7 4.7L9.8 17a1.7 1.7 0 0 1-2.4-2.4L15 7",
  note: "M5 4h14v10l-5 6H5V4ZM14 20v-6h5",
  phone: "M6 3h3l2 5-2.5 1.5a12 12 0 0 0 6 6L16 13l5 2v3a3 3 0 0 1-3 3C10 21 3 14 3 6a3 3 0 0 1 3-3Z",
  hangup: "M3 14c5-5 13-5 18 0l-2.5 3-4-1.5V12.6a12 12 0 0 0-5 0v2.9l-4 1.5L3 14Z",
  transfer: "M4 8h14l-4-4M20 16H6l4 4",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4 21c0-4.4 3.6-7 8-7s8 2.6 8 7",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 7v5l3.5 2",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18",
  mail: "M3 6h18v12H3V6ZM3 7l9 6 9-6",
  plane: "M21 4 3 11l6 2.5M21 4l-4 16-8-6.5M21 4 9 13.5V20l3.3-3.6",
  chat: "M4 4h16v12H10l-5 4v-4H4V4Z",
  hook: "M8 9a4 4 0 1 1 6 3.5L17 18M9 12.5 6 17.5M9 18h10",
  warning: "M12 4 2.5 20h19L12 4ZM12 10v5M12 17.5v.5",
  park: "M7 5v14M17 5v14",
  play: "M7 4v16l13-8L7 4Z",
  unread: "M3 6h11M3 6v12h18v-8M3 7l9 6 3-2M19 3a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Z",
  question: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 18v.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z",
  bolt: "M13 3 5 14h6l-1 7 8-11h-6l1-7Z",
  file: "M6 3h8l4 4v14H6V3ZM14 3v4h4",
  download: "M12 4v11M7 11l5 5 5-5M4 20h16",
  upload: "M12 20V9M7 13l5-5 5 5M4 4h16",
  link: "M10 14a4 4 0 0 0 5.7 0l3.3-3.3a4 4 0 0 0-5.7-5.7L12 6.3M14 10a4 4 0 0 0-5.7 0L5 13.3a4 4 0 0 0 5.7 5.7l1.3-1.3",
  split: "M12 3v6M12 9 6 15v6M12 9l6 6v6M3.5 18.5 6 21l2.5-2.5M15.5 18.5 18 21l2.5-2.5",
  form: "M5 4h14v16H5V4ZM9 9h6M9 13h6M9 17h3",
  star: "M12 4l2.4 5.2 5.6.6-4.2 3.8 1.2 5.6L12 16.4 7 19.2l1.2-5.6L4 9.8l5.6-.6L12 4Z",
  pin: "M12 21c4-5 6-8 6-11a6 6 0 1 0-12 0c0 3 2 6 6 11ZM12 8a2 2 0 1 0 0 4 2 2 0 0 0 0-4Z",
  eye: "M2 12s3.5-6 10-6 10 6 10 6-3.5 6-10 6S2 12 2 12ZM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6Z",
  plus: "M12 5v14M5 12h14",
  bubble: "M4 12a8 8 0 1 1 4 7l-4 1 1-4a8 8 0 0 1-1-4ZM9 10c0 3 2 5 5 5",
  history: "M4 12a8 8 0 1 1 3 6.2M4 12l-2-2M4 12l2-2M12 8v4l3 2",
  queue: "M4 6h16M4 12h16M4 18h10",
  hand: "M7 12V6a1.5 1.5 0 0 1 3 0v5M10 11V4.500a1.500 1.500 0 0 1 3 0V11M13 11V6a1.500 1.500 0 0 1 3 0v6M16 9.500a1.500 1.500 0 0 1 3 0V15a6 6 0 0 1-6 6h-1c-2 0-3.500-1-5-3l-3-4.500c-.6-1 .6-2.200 1.600-1.500L7 13.500",
} as const;

export type IconName = keyof typeof PATHS;

/** They point along the line: where it runs from right to left, so do they. */
const POINTING: ReadonlySet<IconName> = new Set(["back", "send", "chat", "play", "queue"]);

/** A picture beside words that say the same: screen readers leave it out. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      class={POINTING.has(name) ? "icon pointing" : "icon"}
      width={size}
      height={size}
      viewBox="0 0 24 24"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

const TYPES: Record<string, IconName> = {
  webchat: "globe",
  telegram: "plane",
  email: "mail",
  sip: "phone",
  webhook: "hook",
};
const SCHEMES: Record<string, IconName> = {
  whatsapp: "bubble",
  sms: "chat",
  tel: "phone",
  sip: "phone",
  email: "mail",
};

/** The picture of a channel: by what its address is, then by its type. */
export const channelIcon = (type: string, address = ""): IconName =>
  SCHEMES[address.split(":")[0] ?? ""] ?? TYPES[type] ?? "chat";
