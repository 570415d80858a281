"""Presence: IN hears of changes only, and of all of them, whatever happens to the store or to the router's patience."""

import asyncio
from collections.abc import Callable
from typing import Any

from desk.operators.presence import ALIVE_EVERY, Presence
from router.inputs import DeskAlive, OperatorIdle, OperatorLost, OperatorUp
from tests.desk.conftest import at_work
from tests.desk.world import Console, Desk, World


def heard(world: World, kind: type) -> list[Any]:
    return [each for each in world.log.inputs if isinstance(each, kind)]


async def until(true: Callable[[], object], within: float = 30.0) -> None:
    """Wait for something that no frame tells."""
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - the desk has no event for what its own loops have done
            await asyncio.sleep(0.01)


async def test_only_the_first_screen_and_the_loss_of_the_last_are_told(world: World, desk: Desk, ben: Console) -> None:
    second = await world.console(desk, "ben")
    await second.drop()
    await ben.drop()
    assert len(heard(world, OperatorUp)) == 1
    await until(lambda: not desk.node.presence.has("ben"))
    assert heard(world, OperatorLost) == []
    world.seconds += 4
    desk.node.presence._changed.set()
    await until(lambda: heard(world, OperatorLost))
    assert world.log.machine.state.operators["ben"].grace_until > world.log.now


async def test_a_page_that_is_loaded_again_is_no_loss(world: World, desk: Desk, ben: Console) -> None:
    await ben.reconnect()
    world.seconds += 60
    desk.node.presence._changed.set()
    await ben.do({"do": "presence", "state": "away"})
    assert heard(world, OperatorLost) == []
    assert len(heard(world, OperatorUp)) == 1


async def test_who_touches_no_screen_for_long_is_away_until_they_say_so(world: World, desk: Desk, ben: Console) -> None:
    assert ben.welcome["idle_after"] == 900_000
    world.seconds += 600
    await ben.send({"type": "active"})
    await ben.do({"do": "read", "conversation": "none", "upto": 1})  # the frame before it has been served
    world.seconds += 600
    desk.node.presence._changed.set()
    await until(lambda: not desk.node.presence._changed.is_set())
    assert heard(world, OperatorIdle) == []

    world.seconds += 301
    desk.node.presence._changed.set()
    await ben.until(lambda: ben.operators["ben"]["state"] == "away")
    card = ben.operators["ben"]
    assert (card["reason"], card["since"], card["signed_in"] > 0) == ("idle", world.log.now, True)
    await ben.send({"type": "active"})
    await until(lambda: [each.idle for each in heard(world, OperatorIdle)] == [True, False])
    assert world.log.machine.state.operators["ben"].state == "away"
    await ben.do({"do": "presence", "state": "available"})
    await ben.until(lambda: ben.operators["ben"]["state"] == "available")


async def test_a_supervisor_sees_who_is_on_a_break_and_since_when(world: World, desk: Desk, ben: Console) -> None:
    anna = await world.console(desk, "anna", everything=True)
    world.log.now += 60_000
    await ben.do({"do": "presence", "state": "break", "reason": " lunch "})
    await anna.until(lambda: anna.operators["ben"]["state"] == "break")
    card = anna.operators["ben"]
    assert (card["reason"], card["since"]) == ("lunch", world.log.now)
    assert card["signed_in"] < card["since"]


async def test_the_node_says_that_it_lives(world: World, desk: Desk) -> None:
    await until(lambda: len(heard(world, DeskAlive)) == 1)
    world.seconds += ALIVE_EVERY
    desk.node.presence._changed.set()
    await until(lambda: len(heard(world, DeskAlive)) == 2)
    assert heard(world, DeskAlive)[0].node == desk.node.outside.node


async def test_a_node_that_was_given_up_says_everything_again(world: World, desk: Desk) -> None:
    ben = await at_work(world, desk, "ben")
    for _ in range(20):
        world.log.pass_time(1)
    assert desk.node.outside.node not in world.log.machine.state.nodes or heard(world, OperatorUp)[1:]
    await until(lambda: len(heard(world, OperatorUp)) == 2)
    assert world.log.machine.state.operators["ben"].nodes == [desk.node.outside.node]
    await ben.drop()


async def test_what_the_store_did_not_take_is_told_later(world: World, desk: Desk) -> None:
    await until(lambda: heard(world, DeskAlive))
    world.log.stored = False
    ben = await world.console(desk, "ben")
    assert heard(world, OperatorUp) == []
    world.log.stored = True
    await until(lambda: heard(world, OperatorUp))
    await ben.drop()


async def test_a_node_that_stops_in_order_says_who_is_gone(world: World) -> None:
    desk = await world.desk()
    ben = await at_work(world, desk, "ben")
    await desk.server.close()
    assert await ben.closed() == 1001
    assert [each.operator for each in heard(world, OperatorLost)] == ["ben"]


def test_a_presence_counts_screens() -> None:
    presence = Presence(None, "n", lambda: 0.0, linger=3)  # type: ignore[arg-type]  # nothing is told here
    presence.opened("ben")
    presence.opened("ben")
    presence.closed("ben")
    assert presence.has("ben")
    presence.closed("ben")
    assert not presence.has("ben")


async def test_a_screen_is_told_how_long_customers_may_wait(ben: Console) -> None:
    assert ben.welcome["service_levels"] == {
        "interactive": {"due": 15_000, "late": 60_000},
        "exclusive": {"due": 10_000, "late": 30_000},
        "deferrable": {"due": 3_600_000, "late": 14_400_000},
        "rules": {},
    }
