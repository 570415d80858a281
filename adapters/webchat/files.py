"""Files of visitors, in and out: what is stored gets a reference that only its visitor can use (``/files``)."""

from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from adapters.contract import FileTooBig
from adapters.webchat.gate import UPLOAD_HEADER, Gate, answer_with, per_minute, take
from adapters.webchat.settings import WebChatSettings
from adapters.webchat.wire import FileGrant
from normalizer.content import Media
from web.errors import Refusal, client_ip
from web.limits import RateLimiter, network_key
from web.origins import share
from web.uploads import UploadRules, file_headers, receive_upload, send_file

HOUR: Final = 3_600
MAX_UPLOAD_ID: Final = 64


class Files:
    """The files of one channel."""

    def __init__(self, gate: Gate, settings: WebChatSettings, clock: Callable[[], float]) -> None:
        self._gate = gate
        self._context = gate.context
        self._tickets = gate.tickets
        limits = settings.limits
        self._rules = UploadRules(int(settings.files.max_size), settings.files.types)
        self._limit = per_minute(limits.files_per_minute, limits.files_per_minute, clock)
        volume = int(limits.file_bytes_per_hour)
        self._volume = RateLimiter(volume / HOUR, volume, clock)

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the addresses of files."""
        return [
            web.post("/files", self._gate.shared(self._take_file)),
            web.options("/files", self._gate.preflight),
            web.get("/files/{file}", self._gate.shared(self._give_file)),
            web.options("/files/{file}", self._gate.preflight),
        ]

    async def _take_file(self, request: web.Request) -> web.StreamResponse:
        """Store a file and give a reference to it, which the page then sends as a message."""
        session = self._gate.session(request, self._gate.origins.require(request))
        take(self._limit, session.visitor)
        upload_id = request.headers.get(UPLOAD_HEADER, "")[:MAX_UPLOAD_ID]
        rules = self._rules
        take(self._volume, network_key(client_ip(request)), min(request.content_length or rules.limit, rules.limit))
        upload = await receive_upload(request, rules)
        key = f"{session.address} {upload.type} {upload_id}" if upload_id else None  # never another file's bytes
        try:
            stored = await self._context.media.put(upload.chunks, limit=rules.limit, key=key)
        except FileTooBig as exc:
            raise Refusal(413, "too_large", f"a file may have at most {exc.limit:,} bytes") from exc
        self._context.count("file_taken")
        media = Media(file=stored, type=upload.type, filename=upload.name)
        reference = self._tickets.file(session.visitor, media)
        return answer_with(FileGrant(file=reference, type=upload.type, name=upload.name, size=stored.size))

    async def _give_file(self, request: web.Request) -> web.StreamResponse:
        """Hand out a file of the visitor's own conversation."""
        session = self._gate.session(request, self._gate.origin(request))
        media = self._tickets.media(session.visitor, request.match_info["file"])
        headers = file_headers(media.type, media.filename, media.file.size)
        if (origin := self._gate.origin(request)) is not None:
            share(headers, origin)
        return await send_file(request, self._context.media.read(media.file), headers)
