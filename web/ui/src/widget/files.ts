// The files of the visitor's chat: those on their way to the server, and those that are shown.
import { newId } from "../shared/ids";
import type { Session, Shown, ShownFile } from "./protocol";
import { Refused, type Server } from "./server";

/** A file on its way; `problem` is the code of what is in its way. */
export interface Sending {
  id: string;
  file: File;
  share: number;
  picture: string;
  problem?: string;
  voice?: number;
  cancel(): void;
}

/** What files need of the chat they belong to. */
export interface Around {
  server: Server;
  /** The session; asks for one if there is none, or it has to be renewed. */
  known(): Promise<Session>;
  say(content: Shown): void;
  changed(): void;
}

export class Files {
  uploads: Sending[] = [];
  private readonly urls = new Map<string, Promise<string>>();

  constructor(private readonly chat: Around) {
    addEventListener("beforeunload", (event) => {
      if (this.uploads.some((each) => !each.problem)) event.preventDefault(); // the browser asks
    });
  }

  /** Sends files; `voice` is the length (ms) of a recording. */
  attach(files: Iterable<File>, voice?: number): void {
    for (const file of files) void this.upload(file, voice);
  }

  private async upload(file: File, voice?: number): Promise<void> {
    const picture = file.type.startsWith("image/") ? URL.createObjectURL(file) : "";
    const sending: Sending = {
      id: newId(),
      file,
      share: 0,
      picture,
      cancel: () => this.drop(sending),
      ...(voice && { voice }),
    };
    this.uploads = [...this.uploads, sending];
    await this.retry(sending);
  }

  /** Tries a file that did not go through again. */
  async retry(sending: Sending): Promise<void> {
    delete sending.problem;
    sending.share = 0;
    this.chat.changed();
    try {
      const { token, file_bytes: most } = await this.chat.known();
      if (sending.file.size > most) throw new Refused("too_large", "", 413, 0);
      const upload = this.chat.server.upload(token, sending.file, sending.id, (share) => {
        sending.share = share;
        this.chat.changed();
      });
      sending.cancel = () => {
        upload.cancel();
        this.drop(sending);
      };
      const grant = await upload.done;
      if (sending.picture) this.urls.set(grant.file, Promise.resolve(sending.picture));
      this.drop(sending);
      this.chat.say({ ...grant, ...(sending.voice && { voice: true, duration: Math.round(sending.voice) }) });
    } catch (error) {
      sending.problem = error instanceof Refused ? error.code || "failed" : "failed";
      this.chat.changed();
    }
  }

  private drop(sending: Sending): void {
    this.uploads = this.uploads.filter((each) => each !== sending);
    this.chat.changed();
  }

  /** Gives an address of a file's content, good in this page. `type` is ours, so that no file becomes a page. */
  url(file: ShownFile): Promise<string> {
    const known = this.urls.get(file.file);
    if (known) return known;
    const fetched = this.chat
      .known()
      .then(({ token }) => this.chat.server.file(token, file.file))
      .then((blob) => URL.createObjectURL(new Blob([blob], { type: shownType(file) })));
    this.urls.set(file.file, fetched);
    fetched.catch(() => this.urls.delete(file.file));
    return fetched;
  }
}

/** The kind of a file that may be shown in place, else nothing: only what cannot hold a script. */
export function kindOf(file: ShownFile): "image" | "audio" | "video" | undefined {
  if (file.voice) return "audio";
  return /^image\/(png|jpeg|gif|webp|avif)$/.test(file.type)
    ? "image"
    : (/^(audio|video)\//.exec(file.type)?.[1] as "audio" | "video" | undefined);
}

function shownType(file: ShownFile): string {
  return kindOf(file) ? file.type : "application/octet-stream";
}
