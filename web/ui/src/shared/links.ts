// Finds links in plain text. It never makes markup: it gives pieces, and whoever shows them makes text nodes and <a>.

export interface Link {
  text: string;
  href: string;
}

// What follows must look like a host; quotes, angle brackets and whitespace end a link. Matched in linear time.
const FOUND = /\b(?:https?:\/\/|www\.)[^\s<>"'`]+|\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+/gi;
const TAIL = ".,;:!?…*_)]}";
const OPENING: Record<string, string> = { ")": "(", "]": "[", "}": "{" };
const TURNS_TEXT = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** Cuts a text into plain pieces and links: `http(s)` and mail addresses only, nothing that shows another host. */
export function pieces(text: string): (string | Link)[] {
  const found: (string | Link)[] = [];
  let end = 0;
  for (const match of text.matchAll(FOUND)) {
    const link = toLink(trimmed(match[0]));
    if (!link) continue;
    if (match.index > end) found.push(text.slice(end, match.index));
    found.push(link);
    end = match.index + link.text.length;
  }
  if (end < text.length) found.push(text.slice(end));
  return found;
}

/** Gives an address that may stand in `href`, or nothing: never `javascript:`, `data:` or a hidden user name. */
export function safeAddress(text: string): string | undefined {
  try {
    const url = new URL(text);
    const web = url.protocol === "https:" || url.protocol === "http:";
    return web && !url.username && !url.password && !TURNS_TEXT.test(text) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

function toLink(text: string): Link | undefined {
  if (!/^(https?:|www\.)/i.test(text)) return { text, href: `mailto:${text}` };
  const href = safeAddress(/^www\./i.test(text) ? `https://${text}` : text);
  return href ? { text, href } : undefined;
}

/** Leaves out what ends the sentence and not the link; a closing bracket stays if the link opened it. */
function trimmed(text: string): string {
  const unopened: Record<string, number> = {};
  let end = text.length;
  for (; TAIL.includes(text[end - 1] as string); end--) {
    const last = text[end - 1] as string;
    const opening = OPENING[last];
    if (!opening) continue;
    const left = unopened[last] ?? text.split(last).length - text.split(opening).length;
    if (left <= 0) break;
    unopened[last] = left - 1;
  }
  return text.slice(0, end);
}
