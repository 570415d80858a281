"""What a customer is shown while the store of people is behind the log, as it is for a moment after each parking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.contract import Cursor
from broker.bus.api import StreamInfo, call
from broker.bus.connection import Bus
from broker.bus.errors import NoAnswer
from broker.bus.streams import ensure_streams
from broker.channels.lines import ChannelLines
from broker.routing.people import PeopleBucket
from normalizer.content import Text
from router import facts as f
from router import inputs as i
from router.people import PersonRecord
from tests.broker.routing.play import Play, Run, until
from tests.fixtures.nats import own_workspace


@asynccontextmanager
async def nothing_stored(play: Play) -> AsyncIterator[None]:
    """Let the store of people take nothing."""

    async def limit(size: int) -> None:
        stream = f"KV_{play.workspace.people_bucket}"
        info = await call(play.bus, f"STREAM.INFO.{stream}", None, StreamInfo)
        await call(play.bus, f"STREAM.UPDATE.{stream}", {**info.config, "max_bytes": size}, StreamInfo)

    await limit(1)
    try:
        yield
    finally:
        await limit(-1)


async def answered_and_left(play: Play, run: Run, address: str) -> Cursor:
    """Somebody who asks, is answered while away, and is parked; gives the place in the log that they have seen."""
    await run.stepped(await play.say(address))
    seen, _ = (await play.records())[-1]
    opened = (await play.facts(f.ConversationOpened))[-1]
    assert isinstance(opened, f.ConversationOpened)
    await play.command(i.Reply(conversation=opened.conversation, seen=1, content=Text(text="hello")))
    await play.command(i.Close(conversation=opened.conversation))

    async def parked() -> bool:
        return await play.count(f.PersonParked) > 0

    await until(parked)
    return 0, seen


async def test_who_comes_back_while_the_store_of_people_is_behind_misses_no_answer(bus: Bus) -> None:
    workspace = own_workspace()
    play = Play(bus, workspace, await ensure_streams(bus, workspace))
    await play.open_desk(park_person=1)
    async with play.running() as run, play.following() as follower:
        async with nothing_stored(play):
            _, seen = await answered_and_left(play, run, "visitor:1")
            await until(lambda: "visitor:1" not in follower.state.addresses)
            lines = ChannelLines(bus, workspace, follower, "site")  # of a node that has just started
            asked = asyncio.create_task(lines.history("visitor:1", (follower.stream, seen)))
            await until(lambda: run.stats.people_unwritten > 0)
            await asyncio.wait([asked], timeout=0.5)
            assert not asked.done()
        items, _ = await asked
    assert [item.kind for item in items] == ["reply", "closed"]


class Behind(PeopleBucket):
    """A store that has answered from the past for so long that it was believed."""

    async def address(self, address: str) -> PersonRecord | None:  # noqa: ARG002  # nobody is known
        return None


async def test_a_store_that_stays_behind_is_no_reason_to_show_a_customer_less_than_there_is(bus: Bus) -> None:
    workspace = own_workspace()
    play = Play(bus, workspace, await ensure_streams(bus, workspace))
    await play.open_desk(park_person=1)
    async with play.running() as run, play.following() as follower:
        _, seen = await answered_and_left(play, run, "visitor:1")
        await until(lambda: "visitor:1" not in follower.state.addresses)
        lines = ChannelLines(bus, workspace, follower, "site")
        lines._people = Behind(bus, workspace)
        with pytest.raises(NoAnswer, match="the store of people is behind record"):
            await lines.history("visitor:1", (follower.stream, seen))
