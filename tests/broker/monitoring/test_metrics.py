"""Metrics: counted from the log, so that they say what was decided."""

from prometheus_client import CollectorRegistry

from broker.monitoring.metrics import LogMetrics
from normalizer.content import Text
from normalizer.envelope import Envelope
from normalizer.outbound import Outbound, ReceiptState
from router import facts as f
from router.people import Conversation
from router.record import Record
from router.state import Operator, State


class Folding:
    def __init__(self) -> None:
        self.state = State(
            now=10_000,
            conversations={
                "c1": Conversation(
                    id="c1",
                    person="p1",
                    channel="site",
                    address="visitor:1",
                    opened_at=1,
                    rule="invoices",
                    enqueued_at=4_000,
                    status="waiting",
                )
            },
            operators={"anna": Operator(id="anna", state="available")},
        )
        self.lag = 1.5


ENVELOPE = Envelope(
    id="e", at=1, channel="site", type="webchat", native_id="n", address="visitor:1", content=Text(text="hi")
)
OUTBOUND = Outbound(id="c1-2", conversation="c1", channel="site", address="visitor:1", at=1, content=Text(text="hello"))


def record(*facts: f.AnyFact) -> Record:
    return Record(input=1, step=0, now=9_000, term=1, rules=1, cause="input", facts=facts)


def test_facts_are_counted_by_channel_rule_and_outcome() -> None:
    registry = CollectorRegistry()
    metrics = LogMetrics(registry, Folding())
    metrics.record(1, "", record(f.MessageTaken(conversation="c1", n=1, envelope=ENVELOPE)))
    metrics.record(
        2, "", record(f.Offered(conversation="c1", offer="o", operator="anna", units=20, epoch=1, expires=0))
    )
    metrics.record(3, "", record(f.ReplySent(conversation="c1", n=2, outbound=OUTBOUND)))
    metrics.record(
        4, "", record(f.OutboundChanged(conversation="c1", outbound="c1-2", state=ReceiptState.UNKNOWN, at=1))
    )
    metrics.record(5, "", record(f.CommandRefused(command="x", code="stale", reason="")))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("trunkline_accepted_total", channel="site") == 1
    assert value("trunkline_routed_total", rule="invoices") == 1
    assert value("trunkline_time_to_offer_seconds_sum") == 5
    assert value("trunkline_outbound_total", channel="site", state="queued") == 1
    assert value("trunkline_outbound_total", channel="site", state="unknown") == 1
    assert value("trunkline_refused_total", code="stale") == 1


def test_the_state_is_read_when_somebody_asks() -> None:
    registry = CollectorRegistry()
    LogMetrics(registry, Folding())
    assert registry.get_sample_value("trunkline_conversations", {"status": "waiting"}) == 1
    assert registry.get_sample_value("trunkline_operators", {"state": "available"}) == 1
    assert registry.get_sample_value("trunkline_oldest_wait_seconds") == 6
    assert registry.get_sample_value("trunkline_lag_seconds") == 1.5


def test_a_second_node_of_the_process_can_use_the_same_registry() -> None:
    registry = CollectorRegistry()
    LogMetrics(registry, Folding()).close()
    LogMetrics(registry, Folding())
    assert registry.get_sample_value("trunkline_lag_seconds") == 1.5
