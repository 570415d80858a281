"""Links to stored files, for channels that cannot carry a file: sealed, so that nobody but us can make or read one."""

from aiohttp import web

from broker.channels.context import ChannelMedia
from broker.channels.tally import wall_clock
from normalizer.content import Media
from web.errors import CONTENT_SECURITY
from web.tokens import Sealer, TokenRefused
from web.uploads import file_headers, send_file

PURPOSE = "file link"
LASTS = 30 * 86_400_000
"""Milliseconds for which a link in somebody's mailbox works."""


class FileLinks:
    """Makes links and serves what they lead to."""

    def __init__(self, media: ChannelMedia, key: bytes, public_url: str) -> None:
        self._media = media
        self._sealer = Sealer(key)
        self._public_url = public_url

    def make(self, media: Media) -> str:
        """Give the public address of a file; it works for `LASTS`."""
        token = self._sealer.seal(PURPOSE, media, expires_at=wall_clock() + LASTS)
        return f"{self._public_url}/files/{token}"

    def routes(self) -> list[web.RouteDef]:
        """Give the route that serves files."""
        return [web.get("/files/{token}", self._serve)]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            media = self._sealer.open(request.match_info["token"], PURPOSE, Media, now=wall_clock())
        except TokenRefused as exc:
            raise web.HTTPNotFound(text=str(exc)) from exc
        headers = file_headers(media.type, media.filename, media.file.size)
        headers["Content-Security-Policy"] = CONTENT_SECURITY["file"]
        return await send_file(request, self._media.read(media.file), headers)
