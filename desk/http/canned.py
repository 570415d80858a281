"""The handlers of canned answers that come and go as files."""

from contextlib import aclosing
from typing import Final, Literal

import msgspec
from aiohttp import web

from desk.canned.files import AnswersFile, read_csv, read_json, read_yaml, to_yaml
from desk.canned.preview import AnswersSeen, look_at
from desk.http.api import SIGNED_IN, STATUS, json_answer, query_value
from desk.node import Node
from router.inputs import ImportAnswers
from router.rules import CannedText
from web.errors import Refusal

MOST_AT_ONCE: Final = 320 * 1024
"""Bytes that are taken in as one command; the desk sends more in parts."""
MOST_LOOKED_AT: Final = 1024 * 1024
YAML: Final = ("application/yaml", "application/x-yaml", "text/yaml")
TABLE: Final = "text/csv"
Scope = Literal["shared", "personal"]
Format = Literal["json", "yaml"]


class AnswerFiles:
    """The handlers, bound to one node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def export_answers(self, request: web.Request) -> web.StreamResponse:
        """Give the shared answers that were written on the desk, or one's own, as a file."""
        _, account = request[SIGNED_IN]
        scope: Scope = query_value(request, "scope", Scope, "shared")
        kind: Format = query_value(request, "format", Format, "json")
        owner = account.id if scope == "personal" else ""
        answers = [
            CannedText(title=each.title, texts=each.texts, folder=each.folder, shortcut=each.shortcut)
            for each in self._node.feed.state.answers.values()
            if each.owner == owner
        ]
        answers.sort(key=lambda each: (each.folder, each.title))
        body = to_yaml(answers).encode() if kind == "yaml" else msgspec.json.encode({"answers": answers})
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="answers.{kind}"'}
        return web.Response(body=body, content_type=f"application/{kind}", headers=headers)

    async def import_answers(self, request: web.Request) -> web.StreamResponse:
        """Take such a file in, whole or not at all."""
        _, account = request[SIGNED_IN]
        scope: Scope = query_value(request, "scope", Scope, "shared")
        given = await self._read(request, MOST_AT_ONCE)
        action = ImportAnswers(answers=given.answers, personal=scope == "personal")
        async with aclosing(self._node.commands.carry_out(account, self._node.outside.new_id(), action)) as answers:
            answer = await anext(answers)
        return json_answer(answer, STATUS[type(answer)])

    async def preview_answers(self, request: web.Request) -> web.StreamResponse:
        """Say what would become of such a file; nothing is done."""
        _, account = request[SIGNED_IN]
        scope: Scope = query_value(request, "scope", Scope, "shared")
        given = await self._read(request, MOST_LOOKED_AT)
        owner = account.id if scope == "personal" else ""
        state = self._node.feed.state
        known = (each for each in state.answers.values() if each.owner == owner)
        seen = look_at(given.answers, known, () if owner else state.rules.answers)
        return json_answer(AnswersSeen(answers=tuple(seen)))

    async def _read(self, request: web.Request, most: int) -> AnswersFile:
        """Read the file.

        Raises:
            Refusal: 413, 415, or 400 with the line that is no YAML or no table.
            msgspec.DecodeError: it is not what is wanted; becomes a 400.
        """
        too_large = Refusal(413, "too_large", f"a file may have at most {most:,} bytes; import it in parts")
        if (request.content_length or 0) > most:
            raise too_large
        body = await request.read()
        if len(body) > most:
            raise too_large
        match request.content_type:
            case "application/json":
                return read_json(body)
            case kind if kind in YAML:
                return await read_yaml(body)
            case kind if kind == TABLE:
                return read_csv(body, next(iter(self._node.feed.state.rules.languages), "en"))
        raise Refusal(415, "unsupported_type", "the body must be application/json, application/yaml or text/csv")
