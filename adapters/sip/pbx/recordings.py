"""Recordings of calls: fetched from the telephone system that wishes are posted to, and from nowhere else."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import aiohttp
from yarl import URL

from adapters.contract import Context, FileTooBig
from adapters.rejection import Fault, Rejection
from adapters.signed_requests import Signed
from adapters.sip.settings import SipSettings
from normalizer.content import Media
from web.uploads import CHUNK_BYTES, clean_name, sniff

LONGEST = 64 * 1024 * 1024
"""Bytes of a recording, at most."""

HEAD_BYTES = 4 * 1024
TIMEOUT = 60.0
LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses below 500 that say nothing about the file."""


class Recordings:
    """Fetches files from the origin of ``url``, with signed requests that follow no redirect."""

    def __init__(self, settings: SipSettings, context: Context, *, longest: int = LONGEST) -> None:
        self._origin = URL(settings.url).origin() if settings.url else None
        self._media = context.media
        self._longest = longest
        self._signed = Signed(context, settings.secrets, timeout=TIMEOUT, tolerance=0)

    async def fetch(self, address: str, *, key: str, duration: int | None) -> tuple[Media | None, str]:
        """Give the stored file, or None and the reason why there is none, a sentence for the operator.

        ``key`` makes a repetition find the first, ``duration`` is in ms.

        Raises:
            Rejection: the address is not the telephone system's, or it may work later.
            NotAccepted: it could not be stored in time.
        """
        url = self._ours(address)
        try:
            async with self._signed.request("GET", url) as answer:
                if (status := answer.status) == HTTPStatus.OK:
                    return await self._keep(answer, url, key, duration)
        except FileTooBig as exc:
            return None, f"The recording is larger than {exc.limit:,} bytes."
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise _not_now(type(exc).__name__) from exc
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in LATER:
            raise _not_now(f"HTTP status {status}")
        return None, f"The recording could not be fetched: HTTP status {status}."

    def _ours(self, address: str) -> URL:
        """Read an address. Another machine is not asked, whoever names it: it may be within our own network."""
        try:
            url = URL(address)
            origin = url.origin()
        except ValueError as exc:
            raise Rejection(Fault.INVALID, "must be the whole address of the file", "$.recording") from exc
        if origin != self._origin:
            raise Rejection(
                Fault.INVALID, "must lie where the channel's `url` leads, same host and port", "$.recording"
            )
        return url

    async def _keep(
        self, answer: aiohttp.ClientResponse, url: URL, key: str, duration: int | None
    ) -> tuple[Media | None, str]:
        head = b""
        while len(head) < HEAD_BYTES and (chunk := await answer.content.read(HEAD_BYTES - len(head))):
            head += chunk
        if not head:
            return None, "The recording is empty."
        claimed = answer.content_disposition.filename if answer.content_disposition else None
        name = clean_name(claimed or url.name)
        file = await self._media.put(_rejoined(head, answer.content), limit=self._longest, key=key)
        return Media(file=file, type=sniff(head, name), filename=name, duration=duration), ""


async def _rejoined(head: bytes, rest: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    yield head
    while chunk := await rest.read(CHUNK_BYTES):
        yield chunk


def _not_now(why: str) -> Rejection:
    return Rejection(Fault.NOT_STORED, f"the recording could not be fetched now: {why}")
