"""Who stood still while the log was trimmed beyond what they have folded begins anew, and decides nothing before."""

import asyncio
import signal
import sys

import pytest

from broker.bus.reader import BATCH
from broker.bus.settings import UserPassword
from broker.routing.follower import Follower, TrimmedAway
from broker.routing.positions import DEAD_LETTERS, PEOPLE
from broker.routing.trim import Housekeeper
from router import facts as f
from router import inputs as i
from tests.broker.routing.play import PATIENCE, Play, Run
from tests.broker.routing.test_trim import FAR, raised, snapshot


async def move_on(play: Play, run: Run) -> None:
    """The operator leaves, and the record that says so is trimmed; then the log goes on."""
    await run.stepped(await play.command(i.SetPresence(state="away")))
    kept = await snapshot(play, run)
    mark = min(one.manifest.log for one in kept)
    positions = await raised(play, **{PEOPLE: mark, DEAD_LETTERS: mark})
    await Housekeeper(play.bus, play.workspace, positions, replay_days=1).run(kept, FAR)


async def test_a_follower_that_stood_still_for_too_long_says_so_instead_of_folding_on(play: Play) -> None:
    await play.open_desk()
    async with play.running() as run:
        await run.stepped(await play.tick())
        late = Follower(play.bus, play.workspace)
        await late.load()
        await move_on(play, run)
        await run.stepped(await play.say("visitor:1"))
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(TrimmedAway, match="while this process stood at"):
                await late.run()


async def test_a_standby_that_stood_still_takes_over_with_what_the_log_says(play: Play) -> None:
    await play.open_desk()
    async with play.running() as run:
        await run.stepped(await play.say("visitor:1"))
        login = play.bus.settings.credentials
        assert isinstance(login, UserPassword)
        arguments = (play.bus.settings.servers[0], login.user, login.password, play.workspace.name, "standby")
        standby = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.broker.routing.one_router", *arguments, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert standby.stdout is not None
            async with asyncio.timeout(PATIENCE):
                while b"follower.ready" not in await standby.stdout.readline():
                    pass
            standby.send_signal(signal.SIGSTOP)
            await play.say_all([f"visitor:{n % 5}" for n in range(2 * BATCH)])  # more than it has asked for already
            await move_on(play, run)
            await run.kill()
            standby.send_signal(signal.SIGCONT)
            asked = await play.say("visitor:new")
            async with asyncio.timeout(PATIENCE), play.growing() as records:
                async for record in records:
                    if record.input == asked and record.cause == "input":
                        break
        finally:
            standby.kill()
            await standby.communicate()
    assert record.term > 1
    assert [
        fact.operator
        for _, late in await play.records()
        if late.input >= asked
        for fact in late.facts
        if isinstance(fact, f.Assigned)
    ] == []
