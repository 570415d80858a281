"""Addresses from which Twilio fetches the files that we send: sealed, and of the file's own media type.

Twilio compares the type of the answer with the file, so the plain download links of Trunkline will not do; only types
that WhatsApp takes are served here, none of which a browser runs. https://www.twilio.com/docs/sms/accepted-mime-types
"""

import re
from pathlib import PurePosixPath

from aiohttp import hdrs, web
from msgspec.structs import replace

from adapters.contract import Context
from adapters.twilio.outgoing import WHATSAPP_CAN
from normalizer.content import Media
from web.tokens import Sealer, TokenRefused
from web.uploads import file_headers, send_file

PURPOSE = "twilio media"
LASTS = 30 * 86_400_000
LONGEST_NAME = 20

_STRANGE = re.compile(r"[^A-Za-z0-9_-]+")


class MediaLinks:
    """Makes links and serves what they lead to."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sealer = Sealer(context.secret(PURPOSE))

    def make(self, media: Media) -> str:
        """Give the public address of a file; its caption is not part of it, which would make it thousands long."""
        token = self._sealer.seal(PURPOSE, replace(media, caption=""), expires_at=self._context.now() + LASTS)
        return f"{self._context.public_url}/channels/{self._context.channel}/media/{token}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with the file."""
        try:
            media = self._sealer.open(request.match_info["token"], PURPOSE, Media, now=self._context.now())
        except TokenRefused as exc:
            raise web.HTTPNotFound(text=str(exc)) from exc
        headers = file_headers(media.type, media.filename, media.file.size)
        if media.type in WHATSAPP_CAN.media:
            headers[hdrs.CONTENT_TYPE] = media.type
            headers[hdrs.CONTENT_DISPOSITION] = f'inline; filename="{_simple(media.filename)}"'
        if request.method == hdrs.METH_HEAD:
            return web.Response(headers=headers)
        return await send_file(request, self._context.media.read(media.file), headers)


def _simple(name: str) -> str:
    """Give a name as Twilio wants it: short, plain letters, no spaces."""
    path = PurePosixPath(name or "file")
    suffix = _STRANGE.sub("", path.suffix)[:8]
    stem = _STRANGE.sub("-", path.stem)[: LONGEST_NAME - len(suffix) - 1].strip("-") or "file"
    return f"{stem}.{suffix}" if suffix else stem
