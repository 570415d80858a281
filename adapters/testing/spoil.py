"""Damaged input: what is cut off, of another type, missing, or no message at all."""

import json
from collections.abc import Iterator
from itertools import islice

from msgspec.structs import replace

from adapters.testing.cases import Post

GARBAGE: tuple[bytes, ...] = (
    b"",
    b"\x00\xff",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"{}",
    b"[" * 5_000,
    b'{"a":"\\ud800"}',
    b"a" * 70_000,
    b"a=b&a=c&%zz=%00",
)
WRONG: tuple[object, ...] = (None, -1, "", "x" * 5_000, "\x00\ud800", [], {}, [None], 1e300, True)
MOST = 300
"""Versions of one event: enough to meet each field with most wrong values, little enough for every test run."""


def spoiled(event: object) -> Iterator[object]:
    """Give damaged versions of an event: of a :class:`Post` its body, of bytes, of text, of a JSON object."""
    match event:
        case Post(body=body):
            return (replace(event, body=bad) for bad in _bytes(body))
        case bytes():
            return _bytes(event)
        case str():
            return (bad.decode("utf-8", "replace") for bad in _bytes(event.encode()))
        case dict():
            return _some(list(_objects(event)))
        case _:
            return iter(())


def _bytes(content: bytes) -> Iterator[bytes]:
    yield from GARBAGE
    for place in (len(content) // 4, len(content) // 2, 3 * len(content) // 4, len(content) - 1):
        yield content[: max(place, 0)]
    yield content.replace(b"e", b"\xff")
    for version in _some(list(_objects(_read(content)))):
        yield json.dumps(version).encode()


def _read(content: bytes) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _objects(value: object) -> Iterator[object]:
    """Give versions of a JSON value with one part of it left out or wrong, at any depth."""
    match value:
        case dict():
            for key in value:
                yield {other: value[other] for other in value if other != key}
                yield from ({**value, key: wrong} for wrong in WRONG)
                yield from ({**value, key: version} for version in _objects(value[key]))
        case list():
            for place, item in enumerate(value):
                yield from ([*value[:place], version, *value[place + 1 :]] for version in _objects(item))
        case _:
            return


def _some(versions: list[object]) -> Iterator[object]:
    """Give at most :data:`MOST` of them, spread evenly."""
    return islice(versions, 0, None, max(1, -(-len(versions) // MOST)))
