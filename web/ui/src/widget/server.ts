// Requests to the chat's server: sessions, identities, files.
import { Ended, Later } from "../shared/socket";
import type { Session, ShownFile } from "./protocol";

export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
    readonly after: number,
  ) {
    super(message);
  }
}

export interface Upload {
  done: Promise<ShownFile>;
  cancel(): void;
}

export class Server {
  constructor(readonly base: URL) {}

  get socket(): string {
    const url = new URL("socket", this.base);
    url.protocol = url.protocol.replace("http", "ws");
    return url.href;
  }

  /** Makes a new visitor known, or renews the token of one. Throws Ended, Later or Refused (401). */
  async session(token: string | undefined, language: string): Promise<Session> {
    try {
      return await this.ask<Session>(`session?language=${language}`, token, { method: "POST" });
    } catch (error) {
      if (!(error instanceof Refused) || error.status === 401) throw error;
      if (error.status === 403) {
        console.warn(`Trunkline: ${location.origin} is not among the origins of this chat (${this.base.href})`);
        throw new Ended();
      }
      throw new Later(error.after || 2);
    }
  }

  /** Gives the session of the user that the shop's token names. Throws Refused. */
  identify(token: string, identity: string, language: string): Promise<Session> {
    return this.ask<Session>(`identify?language=${language}`, token, {
      method: "POST",
      body: JSON.stringify({ token: identity }),
    });
  }

  async file(token: string, reference: string): Promise<Blob> {
    const answer = await this.fetch(`files/${reference}`, token, {});
    if (!answer.ok) throw await refusal(answer);
    return answer.blob();
  }

  /** Sends a file; `id` is the same for a repetition. The promise fails with Refused, or an error of the network. */
  upload(token: string, file: File, id: string, progress: (share: number) => void): Upload {
    const request = new XMLHttpRequest(); // fetch tells nothing of what has gone out
    const done = new Promise<ShownFile>((resolve, reject) => {
      request.open("POST", new URL("files", this.base));
      request.setRequestHeader("Authorization", `Bearer ${token}`);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      request.setRequestHeader("X-Filename", encodeURIComponent(file.name));
      request.setRequestHeader("X-Upload-Id", id);
      request.responseType = "json";
      request.upload.onprogress = (event) => progress(event.total ? event.loaded / event.total : 0);
      request.onerror = request.onabort = reject;
      request.onload = () => {
        const body = request.response;
        if (request.status === 200 && body) resolve({ kind: "file", ...body });
        else reject(new Refused(body?.error?.code ?? "", body?.error?.message ?? "", request.status, 0));
      };
      request.send(file);
    });
    return { done, cancel: () => request.abort() };
  }

  private async ask<T>(path: string, token: string | undefined, options: RequestInit): Promise<T> {
    const answer = await this.fetch(path, token, options);
    if (!answer.ok) throw await refusal(answer);
    return (await answer.json()) as T;
  }

  private fetch(path: string, token: string | undefined, options: RequestInit): Promise<Response> {
    const headers: HeadersInit = token ? { Authorization: `Bearer ${token}` } : {};
    return fetch(new URL(path, this.base), { ...options, headers, credentials: "omit", referrerPolicy: "origin" });
  }
}

async function refusal(answer: Response): Promise<Refused> {
  const body = (await answer.json().catch(() => null)) as { error?: { code: string; message: string } } | null;
  const after = Number(answer.headers.get("Retry-After")) || 0;
  return new Refused(body?.error?.code ?? "", body?.error?.message ?? "", answer.status, after);
}
