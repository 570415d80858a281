"""The framing of evapi."""

import asyncio

import pytest

from adapters.sip import netstring


async def read(stream: bytes) -> list[bytes]:
    reader = asyncio.StreamReader()
    reader.feed_data(stream)
    reader.feed_eof()
    found = []
    while (payload := await netstring.read(reader)) is not None:
        found.append(payload)
    return found


async def test_netstrings_are_read_to_the_end() -> None:
    assert await read(b"5:hello,0:,3:a,b,") == [b"hello", b"", b"a,b"]


@pytest.mark.parametrize(
    "stream", [b"x:abc,", b"5:abc", b"3:abcd,", b"99999999:a,", b"3", b":abc,", b"-1:a,", b"1" * 99]
)
async def test_anything_else_is_malformed(stream: bytes) -> None:
    with pytest.raises(netstring.Malformed):
        await read(b"2:ok," + stream)
