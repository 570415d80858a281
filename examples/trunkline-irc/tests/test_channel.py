"""The proof, by Trunkline's conformance kit, against a pretended server."""

import asyncio

import pytest
from adapters.contract import Adapter
from adapters.errors import BadCredentials, NotReachable, RateLimited, Unreachable
from adapters.pace import Pace
from adapters.testing import (
    NOON,
    AdapterContract,
    FakeContext,
    InboundCase,
    Limit,
    OutboundCase,
    Rig,
    Told,
    Trouble,
    made_id,
)
from config import Secret
from normalizer.content import Text
from normalizer.envelope import Envelope, Sender
from server import PASSWORD, Loss, Numbered, Server

from trunkline_irc import IrcChannel
from trunkline_irc.settings import IrcSettings


def said(text: str, msgid: str = "m1") -> bytes:
    return f"@msgid={msgid} :Dove!u@host PRIVMSG support :{text}".encode()


def envelope(text: str, native_id: str = "m1") -> Envelope:
    return Envelope(
        id=made_id(1),
        at=NOON,
        channel="test",
        type="irc",
        native_id=native_id,
        address="irc:test/dove!u@host",
        content=Text(text=text),
        sender=Sender(name="Dove"),
    )


def settings(server: Server, password: str = PASSWORD) -> IrcSettings:
    return IrcSettings(
        server="127.0.0.1", port=server.port, tls=False, nick="support", password=Secret(password), per_second=5
    )


class TestIrcChannel(AdapterContract[Server]):
    address, another = "irc:test/dove!u@host", "irc:test/hawk!u@host"
    acknowledges = False
    signs = "nothing"
    limits = (Limit(calls=7, seconds=1),)
    troubles = {  # noqa: RUF012 - as the kit declares it
        Trouble.PAUSE: Numbered("439", "Target change too fast. Please wait 7 seconds."),
        Trouble.PAUSE_UNTOLD: Numbered("439", "Target change too fast."),
        Trouble.FAILS: Numbered("263", "Server load is temporarily too heavy."),
        Trouble.HANGS: Loss.HANG,
        Trouble.CUTS: Loss.CUT,
        Trouble.LOSES_THE_ANSWER: Loss.DEED_AND_HANG,
        Trouble.DROPS_THE_ANSWER: Loss.DEED_AND_CUT,
        Trouble.REFUSES: Numbered("477", "You must be identified."),
        Trouble.IS_DOWN: None,
    }
    inbound = (
        InboundCase(label="a text", event=said("Where is my parcel?"), envelopes=[envelope("Where is my parcel?")]),
        InboundCase(label="in colour", event=said("\x02\x0304,01Hey\x0f!"), envelopes=[envelope("Hey!")]),
        InboundCase(label="an action", event=said("\x01ACTION waves\x01"), envelopes=[envelope("* waves")]),
        InboundCase(
            label="not in UTF-8",
            event=b"@msgid=m1 :Dove!u@host PRIVMSG support :Gr\xfc\xdfe",
            envelopes=[envelope("Grüße")],
        ),
        InboundCase(label="a question of a program", event=said("\x01VERSION\x01")),
        InboundCase(label="in a group", event=b":Dove!u@host PRIVMSG #shop :Hello all"),
        InboundCase(label="a notice of a server", event=b":irc.example NOTICE support :Hello"),
        InboundCase(label="without a text", event=b":Dove!u@host PRIVMSG support", dead=["unreadable"]),
    )
    outbound = (
        OutboundCase(label="a text", content=Text(text="Here."), request="PRIVMSG dove :Here."),
        OutboundCase(label="of two lines", content=Text(text="Here.\nThere."), request=":Here. There."),
        OutboundCase(
            label="gone", content=Text(text="Hi"), address="irc:test/nobody!u@host", error=Unreachable, code="gone"
        ),
        OutboundCase(
            label="gone just now",
            content=Text(text="Hi"),
            faults=[Numbered("401", "No such nick")],
            error=Unreachable,
            code="gone",
        ),
        OutboundCase(
            label="somebody else",
            content=Text(text="Hi"),
            address="irc:test/dove!u@elsewhere",
            error=Unreachable,
            code="somebody_else",
        ),
        OutboundCase(
            label="too fast",
            content=Text(text="Hi"),
            faults=[Numbered("439", "wait 3 seconds")],
            error=RateLimited,
            code="too_fast",
            retry_after=3,
        ),
    )

    def peer(self) -> Server:
        return Server()

    def make(self, context: FakeContext, peer: Server) -> Adapter:
        channel = IrcChannel(settings(peer), context)
        channel.pace = Pace(call_timeout=300, channel=channel.pace.channel)
        return channel

    def event(self, number: int) -> bytes:
        return said(f"This is {number}", f"m{number}")

    async def deliver(self, rig: Rig[Server], event: object) -> Told:
        assert isinstance(event, bytes)
        rig.peer.say(event)
        return Told.TAKEN

    async def cut(self, rig: Rig[Server], event: object) -> None:
        del event
        rig.peer.cut()

    async def ready(self, rig: Rig[Server]) -> None:
        assert isinstance(rig.adapter, IrcChannel)
        await rig.adapter.connected.wait()

    async def test_where_the_server_names_nothing_each_line_is_another_message(self, rig: Rig[Server]) -> None:
        for _ in range(2):
            rig.peer.say(b":Dove!u@host PRIVMSG support :Hello?")
        await rig.context.until(lambda: len(rig.context.accepted) == 2)
        assert len({envelope.native_id for envelope in rig.context.accepted}) == 2

    async def test_it_says_that_it_is_there(self, rig: Rig[Server]) -> None:
        rig.peer.say(b"PING :are you there")
        rig.peer.say(said("still here"))
        await rig.context.until(lambda: bool(rig.context.accepted))

    async def test_a_lost_connection_is_told(self, rig: Rig[Server]) -> None:
        rig.peer.cut()
        with pytest.raises(NotReachable):
            await asyncio.wait_for(asyncio.shield(rig.reading), 10)


async def test_a_wrong_password_is_told() -> None:
    context = FakeContext()
    async with Server() as server:
        with pytest.raises(BadCredentials):
            await IrcChannel(settings(server, "another"), context).check()
    await context.close()
