"""What the desk gets of the outside: its door, live typing, accounts, revocations."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from adapters.contract import Typing as LiveTyping
from broker.bus.connection import Bus, LiveMessage
from broker.bus.reader import read_message, stream_state
from broker.bus.streams import Workspace, ensure_streams
from broker.outside import DeskDoor, DeskLive, FileChannels, KvRevocations
from broker.settings.source import read_source
from desk.ports import NotStored, Typing
from router.inputs import Accept, Command, DeskAlive, decode_input
from tests.fixtures.nats import Servers, own_workspace


@pytest.fixture
async def workspace(bus: Bus) -> Workspace:
    made = own_workspace()
    await ensure_streams(bus, made)
    return made


@pytest.fixture
async def live(bus: Bus, workspace: Workspace) -> AsyncIterator[DeskLive]:
    made = DeskLive(bus, workspace)
    yield made
    await made.close()


async def test_a_command_is_on_the_stream_when_submit_returns(bus: Bus, workspace: Workspace) -> None:
    command = Command(id="x1", operator="anna", expires=1, action=Accept(conversation="c1", offer="c1-o1"))
    await DeskDoor(bus, workspace).submit(command)
    stored = await read_message(bus, workspace.in_stream, 1)
    assert stored is not None
    assert decode_input("_desk", stored.payload) == command


async def test_a_command_submitted_twice_stands_once(bus: Bus, workspace: Workspace) -> None:
    door = DeskDoor(bus, workspace)
    command = Command(id="x1", operator="anna", expires=1, action=Accept(conversation="c1", offer="c1-o1"))
    await door.submit(command)
    await door.submit(command)
    assert (await stream_state(bus, workspace.in_stream)).messages == 1


async def test_two_signs_of_life_are_two_inputs(bus: Bus, workspace: Workspace) -> None:
    door = DeskDoor(bus, workspace)
    await door.submit(DeskAlive(node="n"))
    await door.submit(DeskAlive(node="n"))
    assert (await stream_state(bus, workspace.in_stream)).messages == 2


async def test_what_is_not_stored_is_said(bus: Bus) -> None:
    with pytest.raises(NotStored):
        await DeskDoor(bus, own_workspace()).submit(DeskAlive(node="n"))


async def test_the_customer_s_typing_reaches_who_watches_and_no_longer(
    bus: Bus, workspace: Workspace, live: DeskLive
) -> None:
    seen: asyncio.Queue[Typing] = asyncio.Queue()
    stop = live.watch("c1", seen.put_nowait)
    typed = LiveTyping(conversation="c1", by="customer", text="hel")
    subject = workspace.live_subject("c1")
    async with asyncio.timeout(30):
        while seen.empty():
            await bus.publish_live(subject, msgspec.json.encode(typed))
            await asyncio.sleep(0.01)
    assert (await seen.get()).text == "hel"
    stop()
    again = live.watch("c1", seen.put_nowait)
    again()


async def test_the_operator_s_typing_goes_to_the_conversation(bus: Bus, workspace: Workspace, live: DeskLive) -> None:
    heard: asyncio.Queue[LiveMessage] = asyncio.Queue()
    subscription = await bus.subscribe_live(workspace.live_subject("c1"), heard.put)
    async with asyncio.timeout(30):
        while heard.empty():
            await live.typing(Typing(conversation="c1", name="Anna"))
            await asyncio.sleep(0.01)
    typing = msgspec.json.decode((await heard.get()).payload, type=LiveTyping)
    assert (typing.by, typing.name) == ("operator", "Anna")
    await subscription.unsubscribe()


async def test_a_revocation_reaches_the_other_nodes(bus: Bus, workspace: Workspace, nats_server: Servers) -> None:
    other_bus = await Bus.connect(nats_server.settings, "other")
    first = KvRevocations(bus, workspace, lambda: 1_000)
    second = KvRevocations(other_bus, workspace, lambda: 1_000)
    try:
        await first.start()
        await second.start()
        await first.revoke("operator-anna", at=500, until=9_000)
        async with asyncio.timeout(30):
            while second.revoked_at("operator-anna") != 500:  # noqa: ASYNC110  # nothing tells of a heard notice
                await asyncio.sleep(0.01)
        assert first.revoked_at("operator-anna") == 500
        assert second.revoked_at("operator-ben") == 0
    finally:
        await first.close()
        await second.close()
        await other_bus.close()


async def test_a_node_that_starts_later_knows_revocations_and_forgets_those_that_are_over(
    bus: Bus, workspace: Workspace
) -> None:
    first = KvRevocations(bus, workspace, lambda: 1_000)
    await first.revoke("session-1", at=500, until=9_000)
    await first.revoke("session-2", at=400, until=900)
    later = KvRevocations(bus, workspace, lambda: 1_000)
    await later.start()
    assert later.revoked_at("session-1") == 500
    await later.close()
    after = KvRevocations(bus, workspace, lambda: 1_000)
    await after.start()
    assert after.revoked_at("session-2") == 0
    await after.close()


WHATSAPP = """workspace: acme
channels:
  wa:
    type: twilio
    account_sid: ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    auth_token: 0123456789abcdef0123456789abcdef
    from: ["whatsapp:+14155550199", "+14155550100"]
    templates:
      order:
        content_sid: HX0123456789abcdef0123456789abcdef
        language: en
        text: "Your order {{1}} is ready."
        variables: {"1": the number}
operators: {anna: {name: Anna}}
routing: [{name: all}]
"""


def test_the_desk_learns_of_windows_and_approved_texts_from_the_channels_adapter(tmp_path: Path) -> None:
    file = tmp_path / "trunkline.yaml"
    file.write_text(WHATSAPP)
    settings = read_source(file, {}).settings
    channels = FileChannels(lambda: settings)
    found = channels.find("wa")
    assert found is not None
    assert found.capabilities("whatsapp:+48123456789").window == 86_400
    assert found.capabilities("tel:+48123456789").window is None, "SMS has none"
    assert [(each.name, each.text) for each in found.templates] == [("order", "Your order {{1}} is ready.")]
    assert channels.find("wa") is found, "asked once for each version of the settings"
    assert channels.find("nothing") is None
