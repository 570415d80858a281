// The HTTP half of the desk's protocol: short questions, and files with their progress.
import type { Media } from "./wire";

const BASE = "/desk";

/** A request was not answered as wished. `status` 0: nobody answered at all. */
export class Failed extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

interface ErrorBody {
  error?: { code?: string; message?: string };
}

/** Asks the desk. `T` says what the answer is; throws Failed. */
export function ask<T>(method: "GET" | "POST" | "DELETE", path: string, body?: unknown): Promise<T> {
  if (body === undefined) return exchange<T>(path, { method });
  return exchange<T>(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

/** Gives the desk a text as it is, of a type such as `text/csv`; throws Failed. */
export const give = <T>(path: string, body: Blob | string, type: string): Promise<T> =>
  exchange<T>(path, { method: "POST", headers: { "Content-Type": type }, body });

async function exchange<T>(path: string, sent: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(BASE + path, sent);
  } catch (problem) {
    throw new Failed(0, "unreachable", String(problem));
  }
  const payload: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) {
    const told = (payload as ErrorBody | null)?.error;
    throw new Failed(response.status, told?.code ?? "", told?.message ?? response.statusText);
  }
  return payload as T;
}

/** Stores a file, to be sent in a reply or a note. `progress` is told 0..1. */
export function upload(file: File, progress: (part: number) => void, signal?: AbortSignal): Promise<Media> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${BASE}/files`);
    request.responseType = "json";
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-Filename", encodeURIComponent(file.name));
    request.upload.onprogress = (event) => progress(event.lengthComputable ? event.loaded / event.total : 0);
    request.onerror = () => reject(new Failed(0, "unreachable", ""));
    request.onabort = () => reject(new Failed(0, "aborted", ""));
    request.onload = () => {
      const body = request.response as (ErrorBody & { media?: Media }) | null;
      if (request.status < 300 && body?.media) resolve(body.media);
      else reject(new Failed(request.status, body?.error?.code ?? "", body?.error?.message ?? request.statusText));
    };
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** Where a file of a conversation is fetched. */
export const fileUrl = (conversation: string, person: string, name: string): string =>
  `${BASE}/conversations/${conversation}/files/${name}?person=${encodeURIComponent(person)}`;

/** Where a mail is shown as its author laid it out. */
export const layoutUrl = (conversation: string, person: string, name: string): string =>
  `${BASE}/conversations/${conversation}/layouts/${name}?person=${encodeURIComponent(person)}`;
