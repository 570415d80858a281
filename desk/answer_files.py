"""Canned answers as a file, to keep, to edit elsewhere, or to put into the configuration: JSON and YAML, both ways.

Tables of a spreadsheet are taken in, too.
"""

import asyncio
from contextlib import aclosing
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from config.documents import Node, Row, Table, compose
from config.documents import Refused as Unreadable
from desk.answer_preview import AnswersSeen, look_at
from desk.answer_tables import BadTable, read_table
from desk.api import SIGNED_IN, STATUS, json_answer, query_value
from desk.node import Node as DeskNode
from router.inputs import ImportAnswers
from router.rules import CannedText
from web.errors import Refusal, decode_json

MOST_AT_ONCE: Final = 320 * 1024
"""Bytes that are taken in as one command; the desk sends more in parts."""
MOST_LOOKED_AT: Final = 1024 * 1024
YAML: Final = ("application/yaml", "application/x-yaml", "text/yaml")
TABLE: Final = "text/csv"
Scope = Literal["shared", "personal"]
Format = Literal["json", "yaml"]


class AnswersFile(Struct, frozen=True, kw_only=True):
    """What such a file holds."""

    answers: Annotated[tuple[CannedText, ...], Meta(min_length=1, max_length=1_000)]


_decoder: Final = msgspec.json.Decoder(AnswersFile)


class AnswerFiles:
    """The handlers, bound to one node."""

    def __init__(self, node: DeskNode) -> None:
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
                return decode_json(_decoder, body)
            case kind if kind in YAML:
                return await _read_yaml(body)
            case kind if kind == TABLE:
                return _read_table(body, next(iter(self._node.feed.state.rules.languages), "en"))
        raise Refusal(415, "unsupported_type", "the body must be application/json, application/yaml or text/csv")


async def _read_yaml(body: bytes) -> AnswersFile:
    try:
        node = await asyncio.to_thread(compose, body, "the file")  # reading YAML takes its time
    except Unreadable as exc:
        raise Refusal(400, "bad_request", str(exc.problem)) from exc
    return msgspec.convert(_plain(node), AnswersFile)


def _read_table(body: bytes, language: str) -> AnswersFile:
    try:
        answers = read_table(body.decode("utf-8-sig"), language)
    except UnicodeDecodeError as exc:
        raise Refusal(400, "bad_request", "the table is not in UTF-8: save it as CSV UTF-8") from exc
    except BadTable as exc:
        raise Refusal(400, "bad_request", str(exc)) from exc
    return msgspec.convert({"answers": answers}, AnswersFile)


def _plain(node: Node) -> object:
    """Give what stands there as text, lists and mappings; every word is text, ``no`` and ``1`` as well.

    References are not followed: whoever imports a file must not read the server's.
    """
    match node:
        case Row():
            return [_plain(each) for each in node.items]
        case Table():
            return {str(_plain(key)): _plain(value) for key, value in node.pairs}
        case _:
            return node.text.replace("$${", "${")


def to_yaml(answers: list[CannedText]) -> str:
    """Write answers as the section of the configuration file; a dollar that would be a reference there is doubled."""
    lines = ["answers:" if answers else "answers: []"]
    for each in answers:
        lines += [f"  - title: {_quoted(each.title)}", f"    folder: {_quoted(each.folder)}"]
        lines += [f"    shortcut: {_quoted(each.shortcut)}", "    texts:"]
        lines += [f"      {language}: {_quoted(text)}" for language, text in sorted(each.texts.items())]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A string of JSON is one of YAML."""
    return msgspec.json.encode(text.replace("${", "$${")).decode().replace("\x7f", "\\x7F")
