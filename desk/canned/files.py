"""Canned answers as a file, to keep, to edit elsewhere, or to put into the configuration: JSON and YAML, both ways.

Tables of a spreadsheet are taken in, too.
"""

import asyncio
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from config.documents import Node, Row, Table, compose
from config.documents import Refused as Unreadable
from desk.canned.tables import BadTable, read_table
from router.rules import CannedText
from web.errors import Refusal, decode_json


class AnswersFile(Struct, frozen=True, kw_only=True):
    """What such a file holds."""

    answers: Annotated[tuple[CannedText, ...], Meta(min_length=1, max_length=1_000)]


_decoder: Final = msgspec.json.Decoder(AnswersFile)


def read_json(body: bytes) -> AnswersFile:
    """Read the JSON of an :class:`AnswersFile`. Raises msgspec.DecodeError: it is none; becomes a 400."""
    return decode_json(_decoder, body)


async def read_yaml(body: bytes) -> AnswersFile:
    """Read the section of a configuration file.

    Raises:
        Refusal: 400 with the line that is no YAML.
        msgspec.ValidationError: it is not what is wanted; becomes a 400.
    """
    try:
        node = await asyncio.to_thread(compose, body, "the file")  # reading YAML takes its time
    except Unreadable as exc:
        raise Refusal(400, "bad_request", str(exc.problem)) from exc
    return msgspec.convert(_plain(node), AnswersFile)


def read_csv(body: bytes, language: str) -> AnswersFile:
    """Read a table whose texts are in ``language``, where a column does not name another one.

    Raises:
        Refusal: 400 with what is no table, or no UTF-8.
        msgspec.ValidationError: it is not what is wanted; becomes a 400.
    """
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
