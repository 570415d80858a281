"""Netstrings (D. J. Bernstein): ``5:hello,``, the framing of Kamailio's evapi."""

import asyncio

LONGEST = 256 * 1024
MOST_DIGITS = 6


class Malformed(Exception):
    """What came is no netstring, or a very long one; where the next one begins is not known any more."""


async def read(reader: asyncio.StreamReader) -> bytes | None:
    """Read one; None at the end of the stream. Raises Malformed, OSError."""
    try:
        head = await reader.readuntil(b":")
        digits = head[:-1]
        if not digits.isdigit() or len(digits) > MOST_DIGITS or int(digits) > LONGEST:
            raise Malformed(f"{head[:20]!r} is not the length of a netstring")
        body = await reader.readexactly(int(digits) + 1)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as exc:
        if isinstance(exc, asyncio.IncompleteReadError) and not exc.partial:
            return None
        raise Malformed("the stream ended within a netstring") from exc
    if body[-1:] != b",":
        raise Malformed("a netstring does not end with a comma")
    return body[:-1]
