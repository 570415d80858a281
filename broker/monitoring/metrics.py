"""Prometheus metrics: what the log says happened, counted by whoever follows it, and the state it has led to."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from normalizer.outbound import ReceiptState
from router.facts import AnyFact, CommandRefused, InputRefused, MessageTaken, Offered, OutboundChanged, ReplySent
from router.record import Record
from router.state import State

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 900, 3600)


class Folding(Protocol):
    """Who folds the log: the state it stands at, and how far behind it is (seconds)."""

    @property
    def state(self) -> State:
        """The folded state."""
        ...

    @property
    def lag(self) -> float:
        """Seconds between the newest record it has folded and now, 0 when it is at the tail."""
        ...


class LogMetrics:
    """Counts the facts that pass; subscribe :meth:`record` to a follower."""

    def __init__(self, registry: CollectorRegistry, following: Folding) -> None:
        self._following = following
        self._accepted = Counter("trunkline_accepted", "Customers' messages taken in", ["channel"], registry=registry)
        self._routed = Counter("trunkline_routed", "Offers made to operators", ["rule"], registry=registry)
        self._outbound = Counter(
            "trunkline_outbound",
            "Messages to customers, by what became of them",
            ["channel", "state"],
            registry=registry,
        )
        self._refused = Counter("trunkline_refused", "Commands and inputs refused", ["code"], registry=registry)
        self._time_to_offer = Histogram(
            "trunkline_time_to_offer_seconds",
            "From the first place in the queue to an offer",
            buckets=_SECONDS,
            registry=registry,
        )
        self._registry = registry
        self._collectors: tuple[Collector, ...] = (
            self._accepted,
            self._routed,
            self._outbound,
            self._refused,
            self._time_to_offer,
            StateCollector(following),
        )
        registry.register(self._collectors[-1])

    def close(self) -> None:
        """Leave the registry, so that another node of this process may use it."""
        for collector in self._collectors:
            self._registry.unregister(collector)

    def record(self, _seq: int, _subject: str, record: Record) -> None:
        """Count the facts of a record."""
        for fact in record.facts:
            self._count(fact, record.now)

    def _count(self, fact: AnyFact, now: int) -> None:
        match fact:
            case MessageTaken():
                self._accepted.labels(fact.envelope.channel).inc()
            case Offered():
                self._offered(fact, now)
            case ReplySent():
                self._outbound.labels(fact.outbound.channel, ReceiptState.QUEUED.value).inc()
            case OutboundChanged():
                self._outbound.labels(self._channel(fact.conversation), fact.state.value).inc()
            case CommandRefused():
                self._refused.labels(fact.code).inc()
            case InputRefused():
                self._refused.labels("poisoned").inc()
            case _:
                return

    def _offered(self, fact: Offered, now: int) -> None:
        conversation = self._following.state.conversations.get(fact.conversation)
        if conversation is None:
            return
        self._routed.labels(conversation.rule).inc()
        self._time_to_offer.observe(max(0, now - conversation.enqueued_at) / 1000)

    def _channel(self, conversation_id: str) -> str:
        conversation = self._following.state.conversations.get(conversation_id)
        return conversation.channel if conversation is not None else ""


class StateCollector(Collector):
    """What holds now: queue, conversations, operators, lag."""

    def __init__(self, following: Folding) -> None:
        self._following = following

    def collect(self) -> Iterator[Metric]:
        """Read the state when somebody asks."""
        state = self._following.state
        yield _counted(
            "trunkline_conversations",
            "Conversations in memory",
            "status",
            (c.status for c in state.conversations.values()),
        )
        yield _counted("trunkline_operators", "Operators", "state", (o.state for o in state.operators.values()))
        waiting = [c.enqueued_at for c in state.conversations.values() if c.status == "waiting"]
        oldest = max(0, state.now - min(waiting)) / 1000 if waiting else 0.0
        yield GaugeMetricFamily("trunkline_oldest_wait_seconds", "Wait of the oldest in the queue", value=oldest)
        yield GaugeMetricFamily(
            "trunkline_lag_seconds", "How far this process is behind the log", value=self._following.lag
        )


def _counted(name: str, documentation: str, label: str, values: Iterator[str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
