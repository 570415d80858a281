"""Events on their way to the store: in order, and no more of them than there is room for."""

import asyncio
from collections.abc import Sequence

import pytest

from adapters.sip.inbox import OVERHEAD, Inbox


async def test_what_finds_no_room_waits_until_the_rest_is_worked_off() -> None:
    done: list[bytes] = []

    async def work(payloads: Sequence[bytes]) -> None:
        done.extend(payloads)

    inbox = Inbox(work, most=2 * (OVERHEAD + 1))
    await inbox.put(b"1")
    await inbox.put(b"2")
    third = asyncio.create_task(inbox.put(b"3"))
    _, waiting = await asyncio.wait([third], timeout=0.05)
    assert waiting
    await inbox.work_off()
    async with asyncio.timeout(30):
        await third
    await inbox.work_off()
    assert done == [b"1", b"2", b"3"]


async def test_what_a_failure_interrupts_waits_again() -> None:
    done: list[bytes] = []
    faults = [RuntimeError("the store is away")]

    async def work(payloads: Sequence[bytes]) -> None:
        if faults:
            raise faults.pop()
        done.extend(payloads)

    inbox = Inbox(work)
    await inbox.put(b"1")
    with pytest.raises(RuntimeError):
        await inbox.work_off()
    await inbox.put(b"2")
    await inbox.work_off()
    assert done == [b"1", b"2"]


async def test_what_an_earlier_connection_has_left_makes_room() -> None:
    done: list[bytes] = []

    async def work(payloads: Sequence[bytes]) -> None:
        done.extend(payloads)

    inbox = Inbox(work, most=1)
    await inbox.put(b"1")
    inbox.clear()
    async with asyncio.timeout(30):
        await inbox.put(b"2")
    await inbox.work_off()
    assert done == [b"2"]
