// What was begun and not sent, by conversation: it survives a reload, and another conversation in between.
import type { Keeper } from "./settings";

/** The editor of a conversation as it was left. */
export interface Draft {
  readonly text: string;
  readonly note: boolean;
}

const EMPTY: Draft = { text: "", note: false };

export class Drafts {
  constructor(
    private readonly keeper: Keeper,
    private readonly operator: string,
  ) {}

  of(conversation: string): Draft {
    const kept = this.keeper.getItem(this.#key(conversation));
    if (!kept) return EMPTY;
    return kept.startsWith("n:") ? { text: kept.slice(2), note: true } : { text: kept.slice(2), note: false };
  }

  keep(conversation: string, draft: Draft): void {
    if (draft.text) this.keeper.setItem(this.#key(conversation), (draft.note ? "n:" : "r:") + draft.text);
    else this.keeper.removeItem(this.#key(conversation));
  }

  #key(conversation: string): string {
    return `desk-draft:${this.operator}:${conversation}`;
  }
}
