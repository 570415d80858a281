"""What somebody has to look at now: each alarm has a stable name, a beginning, a sentence and a remedy."""

from collections.abc import Callable, Collection, Iterable, Iterator

from msgspec import structs
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from broker.logs import get_logger
from desk.ports import Alarm

NAMES = {
    "channel_unserved": "no process runs the channel",
    "channel_off": "its credentials or settings are refused",
    "channel_unreachable": "its provider does not answer",
    "channel_failing": "its code fails or ends",
    "channel_finding": "its check finds something wrong",
    "channel_silent": "nobody writes, although usually somebody does",
    "channel_removed": "a removed channel holds back trimming",
    "index_silent": "an index for search and reports is not followed, and holds back trimming",
    "bus_away": "no NATS server answers",
    "bus_narrow": "NATS takes smaller messages than may be needed",
    "router_missing": "nobody decides",
    "behind": "a process is behind the log",
    "dead_letters": "something could not be decided or sent",
    "disk_full": "the disk of the bus fills up",
    "version_unreadable": "a process cannot read the version in force",
    "file_wrong": "a watched file has mistakes",
}
"""Every alarm there is; names are for programs and stay."""

LONGEST = 4_000
"""Characters of a text: every process hears it every few seconds, and a file may hold thousands of mistakes."""


class Board:
    """The alarms as this process sees them. Raising one again keeps its beginning."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._alarms: dict[tuple[str, str], Alarm] = {}
        self._log = get_logger("alarm")

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """What is wrong now, the oldest first."""
        return tuple(sorted(self._alarms.values(), key=lambda alarm: (alarm.since, alarm.name, alarm.channel)))

    def raise_(self, name: str, *, text: str, remedy: str, channel: str = "", since: int = 0) -> None:
        """Say that something is wrong; ``since`` where it is known that it began earlier than now."""
        assert name in NAMES, name  # noqa: S101  # a slip of ours
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
        known = self._alarms.get((name, channel))
        begun = known.since if known is not None else since or self._now()
        self._alarms[name, channel] = Alarm(name=name, text=text, remedy=remedy, since=begun, channel=channel)
        if known is None:
            self._log.error(text, alarm=name, channel=channel, remedy=remedy)

    def clear(self, name: str, channel: str = "") -> None:
        """Say that it is right again."""
        if self._alarms.pop((name, channel), None) is not None:
            self._log.info("it is right again", was=name, channel=channel)

    def settle(self, names: Collection[str], found: Iterable[Alarm]) -> None:
        """Let the alarms of these names be those that were found, and no others."""
        wrong = {(alarm.name, alarm.channel): alarm for alarm in found}
        for name, channel in [key for key in self._alarms if key[0] in names and key not in wrong]:
            self.clear(name, channel)
        for alarm in wrong.values():
            self.raise_(alarm.name, text=alarm.text, remedy=alarm.remedy, channel=alarm.channel, since=alarm.since)


def merged(boards: Iterable[Iterable[Alarm]]) -> tuple[Alarm, ...]:
    """Put the alarms of several processes together: one for each name and channel, with its earliest beginning."""
    found: dict[tuple[str, str], Alarm] = {}
    for alarm in (alarm for board in boards for alarm in board):
        known = found.get((alarm.name, alarm.channel), alarm)
        found[alarm.name, alarm.channel] = structs.replace(known, since=min(known.since, alarm.since))
    return tuple(sorted(found.values(), key=lambda alarm: (alarm.since, alarm.name, alarm.channel)))


class AlarmCollector(Collector):
    """``trunkline_alarm{name,channel}``: 1 for each alarm of this process."""

    def __init__(self, board: Board, registry: CollectorRegistry) -> None:
        self._board = board
        self._registry = registry
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Read the board when somebody asks."""
        family = GaugeMetricFamily("trunkline_alarm", "Somebody has to look", labels=["name", "channel"])
        for alarm in self._board.alarms:
            family.add_metric([alarm.name, alarm.channel], 1)
        yield family

    def close(self) -> None:
        """Leave the registry."""
        self._registry.unregister(self)
