"""What a channel's check may use."""

import pytest

from adapters.contract import NoteChanged
from adapters.session import Reach, open_session
from broker.channels.offline import OfflineContext


async def test_notes_last_as_long_as_the_check() -> None:
    async with open_session(Reach.LOOPBACK) as http:
        memory = OfflineContext("mail", http, public_url="", secret=bytes(32)).memory
        other = OfflineContext("mail", http, public_url="", secret=bytes(32)).memory
    await memory.save("place", b"1")
    assert (await memory.load("place"), await other.load("place")) == (b"1", None)


async def test_notes_are_written_over_what_was_read_alone() -> None:
    async with open_session(Reach.LOOPBACK) as http:
        memory = OfflineContext("mail", http, public_url="", secret=bytes(32)).memory
    assert await memory.read("place") == (None, 0)
    first = await memory.write("place", b"1", 0)
    with pytest.raises(NoteChanged):
        await memory.write("place", b"0", 0)
    assert await memory.read("place") == (b"1", first)
