"""Which web pages may talk to us: exact origins (RFC 6454), and the rule against forged cross-site requests."""

import re
from collections.abc import Iterable, MutableMapping
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from web.errors import Refusal

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1


_USER: Final = re.compile(r"//[^/]*@")
"""A user and perhaps a password: not to be repeated to anybody."""

_HOST: Final = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")  # a name in ASCII (IDNA) or an address; no patterns


def normalise_origin(text: str) -> str:
    """Give ``scheme://host[:port]`` in lower case, without the scheme's own port.

    Raises:
        ValueError: it is not an http(s) origin, or says more than one (a path, a user, a query).
    """
    parts = urlsplit(text)
    scheme, host, port = parts.scheme, parts.hostname, parts.port
    if not _HOST.fullmatch(host or ""):
        host = None
    extra = parts.path or parts.query or parts.fragment or "@" in parts.netloc or text.endswith(("?", "#", ":"))
    if scheme not in _DEFAULT_PORTS or not host or extra or not text.isprintable():
        raise ValueError(
            f"{_USER.sub('//***@', text)!r} is not an origin such as https://shop.example or http://localhost:8080"
        )
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" if port in {None, _DEFAULT_PORTS[scheme]} else f"{scheme}://{host}:{port}"


class Origins:
    """A list of allowed origins, compared as a whole: scheme, host and port."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(normalise_origin(origin) for origin in allowed)

    def allows(self, origin: str | None) -> bool:
        """Say whether a page of this origin may talk to us; a missing or ``null`` one may not."""
        return self._known(origin) is not None

    def require(self, request: web.BaseRequest) -> str:
        """Give the normalised origin of a request.

        Raises:
            Refusal: 403 ``wrong_origin``; the browser names no allowed origin.
        """
        origin = self._known(request.headers.get(hdrs.ORIGIN))
        if origin is None:
            raise Refusal(403, "wrong_origin", "this website is not allowed to use this address")
        return origin

    def _known(self, origin: str | None) -> str | None:
        try:
            normalised = normalise_origin(origin or "")
        except ValueError:
            return None
        return normalised if normalised in self._allowed else None


def refuse_forgery(request: web.BaseRequest, own: Origins) -> None:
    """Refuse a state-changing request that another site made a browser send with our cookies.

    The browser says where a request comes from (``Sec-Fetch-Site``, W3C Fetch Metadata; ``Origin``, Fetch section
    3.2), and a page cannot change what it says. A request that says neither does not come from a current browser
    and is refused as well.

    Raises:
        Refusal: 403 ``forgery``.
    """
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get(hdrs.ORIGIN)
    same_site = site is None or site in {"same-origin", "none"}
    same_origin = own.allows(origin) if origin is not None else site is not None
    if not (same_site and same_origin):
        raise Refusal(403, "forgery", "this request was not made by our own pages")


def share(answer: MutableMapping[str, str], origin: str, methods: str = "", headers: str = "") -> None:
    """Add the headers that let a page of ``origin`` read an answer (Fetch section 3.3, "CORS").

    ``methods`` and ``headers`` are named on a preflight. Credentials are not shared: what identifies somebody there
    stands in a header that a page sets on purpose.
    """
    answer["Access-Control-Allow-Origin"] = origin
    answer[hdrs.VARY] = hdrs.ORIGIN
    answer["Cross-Origin-Resource-Policy"] = "cross-origin"
    if methods:
        answer["Access-Control-Allow-Methods"] = methods
        answer["Access-Control-Allow-Headers"] = headers
        answer["Access-Control-Max-Age"] = "7200"
