"""Ticks are inputs; our own clock is watched, never believed."""

import asyncio
import time

import pytest

from broker.bus.reader import stream_state
from broker.routing.settings import RouterStats
from broker.routing.tasks import end
from broker.routing.ticks import LEAST_PAUSE, Ticker, skew_ms
from tests.broker.routing.play import Play, until


@pytest.mark.parametrize(
    ("stored", "before", "after", "expected"),
    [(105, 100, 110, 0), (90, 100, 110, 10), (150, 100, 110, -40)],
    ids=["between: right", "stored before we sent it: ahead", "stored after we heard of it: behind"],
)
def test_skew_is_what_cannot_be_explained_by_the_way(stored: int, before: int, after: int, expected: int) -> None:
    assert skew_ms(stored, before, after) == expected


@pytest.mark.parametrize(("ahead", "alarms"), [(0, 0), (180_000, 1), (-180_000, 1)])
async def test_a_wrong_clock_raises_the_alarm(play: Play, ahead: int, alarms: int) -> None:
    stats = RouterStats()
    ticker = Ticker(
        play.bus,
        play.workspace,
        stats,
        every=1.0,
        next_due=lambda: None,
        clock_ms=lambda: time.time() * 1000 + ahead,
    )
    await ticker.tick(check=True)
    assert stats.alarms == alarms
    assert abs(stats.clock_skew_ms - ahead) < 60_000  # less what the way there took


@pytest.mark.parametrize("ahead", [0, 3_600_000, -3_600_000])
@pytest.mark.parametrize(("due_in", "pause"), [(600_000, 1.0), (-600_000, LEAST_PAUSE)])
async def test_a_wrong_clock_makes_no_flood_of_ticks_and_none_too_late(
    play: Play, ahead: int, due_in: int, pause: float
) -> None:
    """An hour ahead, every timer of the next hour was due: twenty ticks a second, each of them kept for two weeks."""
    ticker = Ticker(
        play.bus,
        play.workspace,
        RouterStats(),
        every=1.0,
        next_due=lambda: int(time.time() * 1000) + due_in,
        clock_ms=lambda: time.time() * 1000 + ahead,
    )
    await ticker.tick(check=True)
    assert ticker._pause() == pause


async def test_it_ticks_once_in_a_while_and_when_a_timer_is_due(play: Play) -> None:
    due: list[float] = []
    ticker = Ticker(
        play.bus, play.workspace, RouterStats(), every=3600.0, next_due=lambda: int(due[0]) if due else None
    )
    ticking = asyncio.create_task(ticker.run())

    async def ticks(count: int) -> bool:
        return (await stream_state(play.bus, play.workspace.in_stream)).messages >= count

    await until(lambda: ticks(1))
    await end([ticking])
    due.append(time.time() * 1000 + 50)
    ticking = asyncio.create_task(ticker.run())
    await until(lambda: ticks(4))
    await end([ticking])
