// The service worker: keeps the built files, so that the desk opens at once, and never anything that was said.

interface Waiting extends Event {
  waitUntil(end: Promise<unknown>): void;
}

interface Fetching extends Waiting {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

/** What we use of ServiceWorkerGlobalScope: the types of pages and of workers do not go together in one project. */
interface Scope {
  readonly location: Location;
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listen: (event: Waiting) => void): void;
  addEventListener(type: "fetch", listen: (event: Fetching) => void): void;
}

const scope = self as unknown as Scope;

const CACHE = "desk-files";
const PAGE = "/desk/";
const HASHED = /^\/desk\/static\/.+\.[\w-]{10}\.(js|css)$/;
const PLAIN = new Set(["/desk/static/icon.svg", "/desk/static/icon-any.svg"]);

scope.addEventListener("install", (event) => {
  event.waitUntil(scope.skipWaiting());
});

scope.addEventListener("activate", (event) => {
  event.waitUntil(scope.clients.claim());
});

scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.location.origin) return;
  if (HASHED.test(url.pathname)) event.respondWith(kept(request));
  else if (url.pathname === PAGE || PLAIN.has(url.pathname)) event.respondWith(fresh(request, url.pathname));
});

/** Files named after their content never change: the first copy is good for ever. */
async function kept(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const known = await cache.match(request);
  if (known) return known;
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

/** The page itself comes from the node; without a network the last one opens, and says that there is no connection. */
async function fresh(request: Request, path: string): Promise<Response> {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) {
      await cache.put(path, response.clone());
      if (path === PAGE) await forgetOld(cache, await response.clone().text());
    }
    return response;
  } catch (problem) {
    const known = await cache.match(path);
    if (known) return known;
    throw problem;
  }
}

/** Files of former versions are dropped once a new page names others. */
async function forgetOld(cache: Cache, page: string): Promise<void> {
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (HASHED.test(pathname) && !page.includes(pathname)) await cache.delete(request);
  }
}
