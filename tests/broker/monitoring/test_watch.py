"""Whether anything hangs, with a clock that only the test moves."""

import secrets

import pytest

from adapters.contract import Finding
from broker.bus.connection import Bus
from broker.bus.dead import DeadLetters
from broker.bus.streams import Workspace, ensure_streams
from broker.channels.tally import ChannelStatus, Tally
from broker.monitoring.alarms import Board
from broker.monitoring.nodes import Beat
from broker.monitoring.rhythm import HOUR, WEEK
from broker.monitoring.watch import LATE_AFTER, TROUBLED_AFTER, UNSERVED_AFTER, Watch
from broker.routing.positions import Positions
from normalizer.content import Text
from normalizer.envelope import Envelope, Sender
from router.facts import MessageTaken
from router.record import Record
from router.rules import ChannelRule, Rules
from router.state import State
from tests.fixtures.nats import own_workspace

NOW = 1_699_999_200_000
"""The beginning of an hour."""


class Log:
    def __init__(self) -> None:
        self.state = State(rules=Rules(channels={"site": ChannelRule(type="webchat")}, operators={}, routes=()))
        self.lag = 0.0


class Scene:
    """One process's watch, what it sees, and its clock."""

    def __init__(self, bus: Bus, workspace: Workspace, created: str) -> None:
        self.now = NOW
        self.bus = bus
        self.workspace = workspace
        self.positions = Positions(bus, workspace, created)
        self.log = Log()
        self.board = Board(lambda: self.now)
        self.tally = Tally("site", "webchat", now=lambda: self.now)
        self.beats = [Beat(node="here", channels={"site": self.tally.status})]
        self.expected: dict[str, int] = {}
        self.created = created
        self.watch = self.another()

    def another(self) -> Watch:
        return Watch(
            self.bus,
            self.workspace,
            self.board,
            created=self.created,
            following=self.log,
            statuses=self.statuses,
            alive=lambda: self.beats,
            expect_every=lambda: self.expected,
            now=lambda: self.now,
        )

    def statuses(self) -> dict[str, ChannelStatus]:
        return {"site": self.tally.status}

    def pass_(self, ms: int) -> list[str]:
        """Let time pass in which the router writes; gives the alarms."""
        self.now += ms
        self.watch.record(1, "", record(self.now))
        return self.look()

    def look(self) -> list[str]:
        self.watch.look()
        return [alarm.name for alarm in self.board.alarms]

    def message(self) -> None:
        envelope = Envelope(
            id=secrets.token_hex(8),
            at=self.now,
            channel="site",
            type="webchat",
            address="visitor:1",
            native_id=secrets.token_hex(8),
            sender=Sender(),
            content=Text(text="hello"),
        )
        self.watch.record(1, "", record(self.now, MessageTaken(conversation="c1", n=1, envelope=envelope)))


def record(now: int, *facts: MessageTaken) -> Record:
    return Record(input=1, step=0, now=now, term=1, rules=1, cause="input", facts=facts)


@pytest.fixture
async def scene(bus: Bus) -> Scene:
    workspace = own_workspace()
    times = await ensure_streams(bus, workspace)
    return Scene(bus, workspace, times.log_stream)


def test_where_all_is_well_there_is_no_alarm(scene: Scene) -> None:
    assert scene.pass_(HOUR) == []


def test_a_channel_that_nobody_runs_is_told_after_a_while_and_over_when_somebody_does(scene: Scene) -> None:
    scene.pass_(1_000)
    scene.beats = [Beat(node="here")]
    assert scene.pass_(UNSERVED_AFTER) == []
    assert scene.pass_(1_000) == ["channel_unserved"]
    assert "--only site" in scene.board.alarms[0].remedy
    scene.beats = [Beat(node="there", channels={"site": scene.tally.status})]
    assert scene.pass_(1_000) == []


def test_refused_credentials_are_told_at_once_and_stay_over_attempts(scene: Scene) -> None:
    scene.tally.trouble("start", "credentials", "The token is revoked.")
    assert scene.pass_(0) == ["channel_off"]
    assert "refused: The token is revoked." in scene.board.alarms[0].text
    scene.tally.turn("starting")
    assert scene.pass_(1_000) == ["channel_off"]
    scene.tally.recover("start")
    assert scene.pass_(1_000) == []


@pytest.mark.parametrize(
    ("cause", "name"),
    [("unreachable", "channel_unreachable"), ("crashed", "channel_failing"), ("ended", "channel_failing")],
)
def test_what_may_pass_by_itself_is_told_after_a_while(scene: Scene, cause: str, name: str) -> None:
    scene.tally.trouble("receive", cause, "It does not work.")  # type: ignore[arg-type]  # parametrized
    assert scene.pass_(TROUBLED_AFTER - 1) == []
    assert scene.pass_(1) == [name]
    assert scene.board.alarms[0].since == NOW


def test_what_a_check_has_found_is_told_at_once_with_its_remedy(scene: Scene) -> None:
    scene.tally.find((Finding(what="the clock is 9 s behind", ok=False, remedy="use NTP"),))
    assert scene.pass_(0) == ["channel_finding"]
    alarm = scene.board.alarms[0]
    assert (alarm.text, alarm.remedy) == ("The channel site runs, but: the clock is 9 s behind.", "use NTP")
    scene.tally.find(())
    assert scene.pass_(0) == []


def test_a_router_that_does_not_write_and_a_log_that_is_far_away_are_told(scene: Scene) -> None:
    scene.now += LATE_AFTER + 1
    assert scene.look() == ["router_missing"]
    assert scene.pass_(0) == []
    scene.log.lag = 16.0
    assert scene.look() == ["behind"]


def test_a_channel_that_is_expected_to_speak_is_silent(scene: Scene) -> None:
    scene.expected = {"site": 2 * HOUR}
    scene.message()
    assert scene.pass_(2 * HOUR) == []
    assert scene.pass_(60_000) == ["channel_silent"]
    assert "a message is expected every 2 h" in scene.board.alarms[0].text
    scene.message()
    assert scene.look() == []


def test_the_usual_silence_is_learned(scene: Scene) -> None:
    for moment in range(3 * WEEK * 6):  # every ten minutes; people write in the first eight hours of a day
        if moment // 6 % 24 < 8:
            scene.message()
        assert scene.pass_(HOUR // 6) == []
    scene.watch._rhythm("site").observe(NOW, scene.now)
    assert scene.pass_(HOUR // 3) == []
    assert scene.pass_(HOUR // 3) == ["channel_silent"]
    assert "in each of the last weeks at least 5 messages came in this time" in scene.board.alarms[0].text


async def test_what_was_counted_is_kept_for_the_next_process(scene: Scene) -> None:
    scene.message()
    await scene.watch.save()
    other = scene.another()
    await other._load()
    assert other._rhythm("site").last == NOW


def test_a_silence_is_not_learned_where_it_is_switched_off(scene: Scene) -> None:
    scene.expected = {"site": 0}
    scene.message()
    assert scene.pass_(100 * WEEK * HOUR) == []


async def test_a_young_dead_letter_is_told_and_an_old_one_is_not(scene: Scene) -> None:
    seq = await DeadLetters(scene.bus).add(scene.workspace, "not_sent", "tl.x", b"{}", "refused")
    newest = await DeadLetters(scene.bus).show(seq)
    assert newest is not None
    scene.now = newest.time_ns // 1_000_000 + 1_000
    await scene.watch.look_at_the_bus()
    assert [alarm.name for alarm in scene.board.alarms] == ["dead_letters"]
    scene.now += 2 * HOUR
    await scene.watch.look_at_the_bus()
    assert scene.board.alarms == ()


async def test_an_index_that_nobody_follows_is_told_until_it_is_followed_again(scene: Scene) -> None:
    await scene.positions.raise_to("_index.one", 5, at=scene.now)
    await scene.watch.look_at_the_bus()
    assert scene.board.alarms == ()
    scene.now += 11 * 60_000
    await scene.watch.look_at_the_bus()
    assert [alarm.name for alarm in scene.board.alarms] == ["index_silent"]
    assert "for 11 min" in scene.board.alarms[0].text
    await scene.positions.raise_to("_index.one", 5, at=scene.now)
    await scene.watch.look_at_the_bus()
    assert scene.board.alarms == ()


async def test_a_removed_channel_that_holds_back_trimming_is_told_until_it_is_forgotten(scene: Scene) -> None:
    await scene.positions.raise_to("site.0", 5)
    await scene.positions.raise_to("hook.0", 3)
    await scene.watch.look_at_the_bus()
    assert [(alarm.name, alarm.channel) for alarm in scene.board.alarms] == [("channel_removed", "hook")]
    await scene.positions.forget("hook.0")
    await scene.watch.look_at_the_bus()
    assert scene.board.alarms == ()
