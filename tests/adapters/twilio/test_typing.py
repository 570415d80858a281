"""An operator types, and WhatsApp shows it."""

import asyncio
from collections.abc import AsyncIterator

from adapters.contract import Cursor, LineItem, Typing
from adapters.testing.context import NoLines
from adapters.testing.steps import Answer
from adapters.testing.twilio import OWN_SMS, Write
from config import Duration
from tests.adapters.twilio.conftest import ADDRESS, Connect, Line


class Typings(NoLines):
    """Lines on which operators type."""

    def __init__(self, line: Line, *typings: Typing) -> None:
        self._line = line
        self._typings = typings
        self.done = asyncio.Event()

    async def history(self, address: str, after: Cursor | None) -> tuple[list[LineItem], Cursor]:
        assert after is None
        items = [
            LineItem(kind="message", cursor=(1, 1), conversation="c1", address=address, at=one.at, id=one.native_id)
            for one in self._line.context.accepted
            if one.address == address
        ]
        reply = LineItem(kind="reply", cursor=(1, 2), conversation="c1", address=address, at=0, id="c1-2")
        return [*items, reply], (1, 2)

    async def typings(self) -> AsyncIterator[Typing]:
        for typing in self._typings:
            yield typing
        self.done.set()
        await asyncio.Event().wait()


def typing(address: str = ADDRESS, *, on: bool = True) -> Typing:
    return Typing(conversation="c1", by="operator", name="Anna", address=address, on=on)


async def run(line: Line, *typings: Typing) -> list[str]:
    lines = Typings(line, *typings)
    line.context.lines = lines
    running = asyncio.create_task(line.adapter.run())
    await lines.done.wait()
    running.cancel()
    await asyncio.wait([running])
    return line.simulator.typed


async def test_it_is_shown_on_the_last_message_once_in_a_while(connect: Connect) -> None:
    line = await connect(typing=True, catch_up=Duration(0))
    assert line.adapter.capabilities.typing
    await line.simulator.write(Write(body="one"))
    last = await line.simulator.write(Write(body="two"))
    assert await run(line, typing(), typing(), typing(on=False)) == [last]


async def test_it_is_not_shown_where_nobody_wrote_or_by_sms(connect: Connect) -> None:
    line = await connect(typing=True, catch_up=Duration(0))
    await line.simulator.write(Write(sender="+48600100200", to=OWN_SMS, body="by SMS"))
    assert await run(line, typing(""), typing("tel:+48600100200"), typing("whatsapp:+48600100999")) == []


async def test_a_failure_of_twilio_ends_nothing(connect: Connect) -> None:
    line = await connect(typing=True, catch_up=Duration(0))
    await line.simulator.write(Write(body="one"))
    other = await line.simulator.write(Write(sender="whatsapp:+48600100999", body="two"))
    line.simulator.will(Answer(status=500), on="POST /v2/Indicators")
    assert await run(line, typing(), typing("whatsapp:+48600100999")) == [other]


async def test_it_is_off_unless_it_is_wished_since_it_marks_messages_as_read(connect: Connect) -> None:
    line = await connect()
    assert not line.adapter.capabilities.typing
