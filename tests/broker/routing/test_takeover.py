"""Any router may die, stall or be cut off at any moment: nothing is lost, doubled or written by a stale one."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from broker.bus.connection import Bus
from broker.bus.errors import PublishRefused, PublishUnknown
from broker.bus.fence import WINDOW, barrier
from broker.bus.kv import Bucket
from broker.bus.reader import stream_state
from broker.bus.settings import UserPassword
from broker.bus.streams import ensure_streams
from broker.bus.wire import Arrived
from broker.routing.follower import Follower
from broker.routing.term import Term, decode_term, encode_term
from router import facts as f
from router.snapshot import state_hash
from tests.broker.routing.play import PATIENCE, SETTINGS, Play, until
from tests.fixtures.nats import Servers, own_workspace


async def all_taken(play: Play, count: int) -> None:
    """Until the log holds them, each once. Read as it grows: whole looks would starve a router in the same loop."""
    taken = 0
    async with asyncio.timeout(PATIENCE), play.growing() as records:
        async for record in records:
            taken += sum(isinstance(fact, f.MessageTaken) for fact in record.facts)
            if taken >= count:
                break
    assert await play.count(f.MessageTaken) == count
    await play.ids_once()


async def terms(play: Play) -> list[Term]:
    return [
        decode_term(payload) for _, subject, payload in await play.messages() if subject == play.workspace.term_subject
    ]


@asynccontextmanager
async def process(play: Play, name: str) -> AsyncIterator[asyncio.subprocess.Process]:
    login = play.bus.settings.credentials
    assert isinstance(login, UserPassword)
    arguments = (play.bus.settings.servers[0], login.user, login.password, play.workspace.name, name)
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.broker.routing.one_router", *arguments)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_what_a_stale_router_has_in_flight_is_refused_and_it_begins_anew(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    await play.open_desk()
    async with play.running(msgspec.structs.replace(SETTINGS, name="a")) as stale:
        await stale.stepped(await play.say("visitor:0"))
        follower = Follower(play.bus, play.workspace, keep_backlog=True)
        following = asyncio.create_task(follower.run())
        thief = play.router(play.bus, msgspec.structs.replace(SETTINGS, name="b"))
        footing = await thief._take_over(follower)
        following.cancel()
        await play.say_all([f"visitor:{n % 7}" for n in range(300)])
        await all_taken(play, 301)
        again = starved(capsys)
        assert stale.stats.takeovers == 2 + again
        late = [record for seq, record in await play.records() if seq > footing.tail]
        assert {record.term for record in late} <= set(range(3, 4 + again))
    assert [(term.number, term.router) for term in await terms(play)][:3] == [(1, "a"), (2, "b"), (3, "a")]
    with pytest.raises(asyncio.CancelledError):
        await following


async def test_a_router_that_is_cut_off_again_and_again_does_not_overtake_itself(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    await play.open_desk()
    async with play.running() as run:
        await run.active()
        for number in range(8):
            await play.say_all([f"visitor:{n % 40}" for n in range(400)])
            await until(lambda: run.stats.window > 0 or run.stats.inputs > 400 * number)  # noqa: B023  # used at once
            run.bus._link.client.cut()
        await all_taken(play, 3200)
        assert run.stats.barriers > 1
        assert run.stats.takeovers == 1 + starved(capsys)
    async with play.following() as follower:
        assert state_hash(await play.fold()) == state_hash(follower.state)


async def test_what_a_leader_does_not_show_yet_is_neither_sent_again_nor_left_out(play: Play) -> None:
    """A refusal names a tail with appends that are still under way at the leader; a reader finds nothing there."""
    await play.open_desk()
    async with play.running() as run:
        await run.active()
        blind = BlindFor(run.bus, play.workspace.log_stream)
        for number in range(6):
            await play.say_all([f"visitor:{n % 40}" for n in range(400)])
            await until(lambda: run.stats.window > 0 or run.stats.inputs > 400 * number)  # noqa: B023  # used at once
            blind.left = 2
            run.bus._link.client.cut()
        await all_taken(play, 2400)
        assert blind.hidden > 0
    async with play.following() as follower:
        tail = (await stream_state(play.bus, play.workspace.log_stream)).last
        before = follower.position
        await follower.catch_up(tail + 5)
        assert follower.position == before


def starved(capsys: pytest.CaptureFixture[str]) -> int:
    """How often the router gave its lease up because the machine did not let it run."""
    return capsys.readouterr().out.count("router.lease_lost")


class BlindFor:
    """Lets the next `left` looks at the end of a stream find nothing, as at a leader that has not stored it yet."""

    def __init__(self, bus: Bus, stream: str) -> None:
        self.left = 0
        self.hidden = 0
        self._subject = f"$JS.API.STREAM.MSG.GET.{stream}"
        self._ask = bus.ask
        bus.ask = self  # type: ignore[assignment, method-assign]  # this one connection only

    async def __call__(self, subject: str, payload: bytes, seconds: float) -> Arrived:
        answer = await self._ask(subject, payload, seconds)
        if subject != self._subject or not self.left:
            return answer
        self.left -= 1
        self.hidden += b'"message"' in answer.data
        nothing = b'{"error":{"code":404,"err_code":10037,"description":"no message found"}}'
        return msgspec.structs.replace(answer, data=nothing)


async def test_a_standby_takes_over_from_a_killed_router_when_the_lease_ends(play: Play) -> None:
    await play.open_desk()
    async with process(play, "first") as first:
        await play.say("visitor:0")
        await all_taken(play, 1)
        async with play.running(msgspec.structs.replace(SETTINGS, name="second")) as second:
            await play.say_all([f"visitor:{n % 9}" for n in range(500)])
            first.kill()
            await play.say_all([f"visitor:{n % 9}" for n in range(500)])
            await second.active()
            await all_taken(play, 1001)
            assert second.stats.last_takeover_ms > 0


async def test_a_stopped_router_that_wakes_up_after_its_successor_has_begun_writes_nothing(play: Play) -> None:
    await play.open_desk()
    async with process(play, "sleeper") as sleeper:
        await play.say("visitor:0")
        await all_taken(play, 1)
        async with play.running(msgspec.structs.replace(SETTINGS, name="second")) as second:
            feeding = asyncio.create_task(play.say_all([f"visitor:{n % 9}" for n in range(3000)]))
            sleeper.send_signal(signal.SIGSTOP)
            await second.active()
            sleeper.send_signal(signal.SIGCONT)
            await feeding
            await play.say_all([f"visitor:{n % 9}" for n in range(500)])
            await all_taken(play, 3501)
            assert [term.router for term in await terms(play)][:2] == ["sleeper", "second"]
            written = [record.term for _, record in await play.records()]
            assert written == sorted(written)
            sleeper.terminate()
            async with asyncio.timeout(30):
                assert await sleeper.wait() == 0


async def test_a_clean_stop_hands_over_at_once_and_leaves_a_snapshot(play: Play) -> None:
    await play.open_desk()
    async with play.running(msgspec.structs.replace(SETTINGS, name="a")) as first:
        await first.stepped(await play.say("visitor:1"))
        async with play.running(msgspec.structs.replace(SETTINGS, name="b")) as second:
            await first.stop()
            await second.active()
            assert first.stats.snapshots == 1
            await second.stepped(await play.say("visitor:1"))
            assert await play.count(f.MessageTaken) == 2
            assert await play.count(f.PersonCreated) == 1


async def test_a_router_does_not_write_into_a_log_of_a_newer_fold(play: Play) -> None:
    newer = Term(number=1, router="future", release="9.9", evolve=99, rules=0)
    tail = (await stream_state(play.bus, play.workspace.log_stream)).last
    await barrier(play.bus, play.workspace, expect=tail, term_payload=encode_term(newer), width=WINDOW)
    async with play.running() as run:
        await until(lambda: run.stats.alarms > 0)
        assert not run.stats.active
    assert [term.router for term in await terms(play)] == ["future"]


async def test_a_lost_lease_ends_the_term(play: Play) -> None:
    await play.open_desk()
    async with play.running() as run:
        await run.stepped(await play.say("visitor:1"))
        leases = Bucket(play.bus, play.workspace.leases_bucket)
        await leases.put(f"{play.workspace.name}.router", b'{"owner":"thief","nonce":"x"}')
        await until(lambda: not run.stats.active, "standby")


@pytest.mark.cluster
async def test_on_three_nodes_each_may_be_killed_while_messages_come(nats_cluster: Servers) -> None:
    bus = await Bus.connect(nats_cluster.settings, "test")
    workspace = own_workspace()
    play = Play(bus, workspace, await ensure_streams(bus, workspace))
    await play.open_desk()
    sent = 0
    async with play.running() as run:
        await run.active()
        for node in range(3):
            for number in range(60):
                await said(play, f"visitor:{number % 11}", f"n{sent}")
                sent += 1
                if number == 20:
                    nats_cluster.signal(node, signal.SIGKILL)
        await all_taken(play, sent)
    await bus.close()


async def said(play: Play, address: str, native: str) -> None:
    """As an adapter does it: repeated with the same id until it is acknowledged."""
    while True:
        try:
            await play.say(address, native)
        except (PublishUnknown, PublishRefused):
            await asyncio.sleep(0.05)
        else:
            return
