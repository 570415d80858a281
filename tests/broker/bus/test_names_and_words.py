"""The bus's pure parts: names, keys, header blocks, times, answers, pieces."""

from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from broker.bus.errors import MediaDamaged, NobodyStores, PublishRefused, PublishUnknown
from broker.bus.kv import _KEY, kv_key, kv_text
from broker.bus.media import PIECE, opened, piece_count, pieces_of, sealed
from broker.bus.pipeline import PubAck, parse_ack
from broker.bus.reader import nanoseconds
from broker.bus.streams import Workspace
from broker.bus.wire import header_block, headers_of


@given(st.text())
def test_any_text_becomes_one_key_token_and_back(text: str) -> None:
    key = kv_key(text)
    assert "." not in key
    assert _KEY.fullmatch(key)
    assert kv_text(key) == text


@given(st.text(), st.text())
def test_two_texts_never_share_a_key(one: str, other: str) -> None:
    assert (kv_key(one) == kv_key(other)) == (one == other)


def test_names_of_a_workspace() -> None:
    workspace = Workspace("acme")
    assert workspace.in_stream == "TL_acme_IN"
    assert workspace.in_subject("telegram") == "tl.acme.in.telegram"
    assert workspace.log_subject("c-1") == "tl.acme.log.c-1.f"
    assert workspace.out_subject("*", "site") == "tl.acme.log.*.out.site"
    assert workspace.arc_subject("p1", "c1") == "tl.acme.arc.p1.c1"
    assert workspace.line_subjects("o-anna") == "tl.acme.log.o-anna.>"


@pytest.mark.parametrize("text", ["", "a.b", "a b", ">", "é", "a\n", "a*"])
def test_text_of_others_never_becomes_a_subject(text: str) -> None:
    for build in (Workspace, Workspace("w").in_subject, Workspace("w").live_subject, Workspace("w").media_subject):
        with pytest.raises(ValueError, match="cannot stand in a subject"):
            build(text)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("2026-02-03T04:05:06.123456789Z", 1_770_091_506_123_456_789),
    ],
)
def test_times_keep_their_nanoseconds(time: str, expected: int) -> None:
    assert nanoseconds(time) == expected


def test_a_header_block_is_read() -> None:
    assert headers_of(b"NATS/1.0\r\nA: 1\r\nB-C: x: y\r\n\r\n") == {"A": "1", "B-C": "x: y"}
    assert headers_of(b"NATS/1.0\r\n\r\n") == headers_of(b"") == {}


@pytest.mark.parametrize(
    ("line", "status", "description"),
    [(b"NATS/1.0 503", "503", ""), (b"NATS/1.0 408 Request Timeout", "408", "Request Timeout")],
)
def test_a_status_line_is_read(line: bytes, status: str, description: str) -> None:
    headers = headers_of(line + b"\r\nNats-Pending-Messages: 3\r\n\r\n")
    assert headers == {"Status": status, "Description": description, "Nats-Pending-Messages": "3"}


@given(st.dictionaries(st.from_regex(r"[A-Za-z-]{1,20}", fullmatch=True), st.text()))
def test_no_header_value_ends_its_line(headers: dict[str, str]) -> None:
    assert header_block(headers).count(b"\r\n") == (len(headers) + 2 if headers else 0)


def test_an_acknowledgement_is_read() -> None:
    assert parse_ack(b'{"stream":"s","seq":7}') == PubAck("s", 7, duplicate=False)
    assert parse_ack(b'{"stream":"s","seq":7,"duplicate":true}') == PubAck("s", 7, duplicate=True)


def test_a_refusal_is_certain_and_names_the_tail() -> None:
    refused = parse_ack(b'{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 41"}}')
    assert isinstance(refused, PublishRefused)
    assert (refused.code, refused.tail) == (10071, 41)


@pytest.mark.parametrize("code", [10008, 10009, 10041, 10158])
def test_a_refusal_that_settles_nothing_is_unknown(code: int) -> None:
    data = b'{"error":{"code":500,"err_code":%d,"description":"later"}}' % code
    assert isinstance(parse_ack(data), PublishUnknown)


def test_an_empty_answer_is_no_acknowledgement() -> None:
    assert isinstance(parse_ack(b""), NobodyStores)
    assert isinstance(parse_ack(b"?"), PublishUnknown)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
async def test_pieces_are_full_but_for_the_last(size: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, size, 50_000):
            yield bytes(min(50_000, size - start))

    sizes = [len(piece) async for piece in pieces_of(chunks())]
    assert sum(sizes) == size
    assert len(sizes) == piece_count(size)
    assert all(piece == PIECE for piece in sizes[:-1])


@pytest.mark.parametrize(("name", "number"), [("other", 0), ("name", 1)])
def test_a_piece_opens_only_in_its_place(name: str, number: int) -> None:
    cipher = AESGCM(bytes(32))
    payload = sealed(cipher, "name", 0, b"content")
    assert opened(cipher, "name", 0, payload) == b"content"
    with pytest.raises(MediaDamaged):
        opened(cipher, name, number, payload)
