"""The delivery policy, as a table, and the backlog against a plain model."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import Sent
from adapters.delivery import (
    Ask,
    Backlog,
    Done,
    Doubt,
    Fail,
    Repeat,
    Try,
    Verdict,
    after_find,
    after_send,
    interrupted,
    pause,
)
from adapters.errors import (
    BadCredentials,
    BadSettings,
    ChannelError,
    EnvelopeRefused,
    NotAccepted,
    NotReachable,
    OutcomeUnknown,
    RateLimited,
    Refused,
    TryLater,
    Unreachable,
)
from adapters.pace import Pace

PACE = Pace(first_pause=1_000, longest_pause=60_000, patience=3_600_000, finds=3)
NOW = 1_000_000_000
SAID = ("code", "A sentence.")


def tried(number: int = 1, *, since: int = NOW, draw: float = 0.0) -> Try:
    return Try(number=number, now=NOW, since=since, draw=draw)


def repeat(wait: int, freeze: str = "nothing") -> Repeat:
    return Repeat(at=NOW + wait, code="code", message="A sentence.", freeze=freeze)  # type: ignore[arg-type]  # a table


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Sent(native_id="p1"), Done("p1")),
        (TryLater(*SAID), repeat(500)),
        (TryLater(*SAID, retry_after=7), repeat(7_000)),
        (TryLater(*SAID, retry_after=0), repeat(0)),
        (TryLater(*SAID, retry_after=-5), repeat(0)),
        (RateLimited(*SAID, retry_after=7), repeat(7_000, "address")),
        (RateLimited(*SAID, retry_after=7, whole_channel=True), repeat(7_000, "channel")),
        (NotReachable(*SAID), repeat(500, "channel")),
        (BadCredentials(*SAID), repeat(500, "channel")),
        (BadSettings(*SAID, key="token"), repeat(500, "channel")),
        (Refused(*SAID), Fail(code="code", message="A sentence.")),
        (Unreachable(*SAID), Fail(code="code", message="A sentence.")),
        (OutcomeUnknown(*SAID), Ask(at=NOW + 500, code="code", message="A sentence.")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_outcome_has_its_consequence(outcome: Sent | Exception, verdict: Verdict) -> None:
    assert after_send(PACE, outcome, tried()) == verdict


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (TimeoutError(), "timeout"),
        (KeyError("x"), "crashed"),
        (NotAccepted(*SAID), "code"),
        (EnvelopeRefused(*SAID), "code"),
        (interrupted(), "interrupted"),
    ],
)
def test_what_is_not_understood_may_have_been_sent(outcome: Exception, code: str) -> None:
    verdict = after_send(PACE, outcome, tried())
    assert isinstance(verdict, Ask)
    assert verdict.code == code


def test_no_error_is_unmapped() -> None:
    def leaves(cls: type[ChannelError]) -> list[type[ChannelError]]:
        return [cls, *(leaf for child in cls.__subclasses__() for leaf in leaves(child))]

    for kind in leaves(ChannelError):
        error = kind.__new__(kind)
        error.code, error.message = SAID
        error.retry_after, error.whole_channel = 1.0, False  # type: ignore[attr-defined]  # those that have them
        assert isinstance(after_send(PACE, error, tried()), Repeat | Fail | Ask), kind


def test_pauses_double_up_to_the_longest_and_jitter_over_their_upper_half() -> None:
    assert [pause(PACE, number, 0.0) for number in (1, 2, 3, 7, 8, 1_000)] == [
        500,
        1_000,
        2_000,
        30_000,
        30_000,
        30_000,
    ]
    assert pause(PACE, 3, 0.999) == 3_998


def test_a_pause_that_the_provider_wants_is_never_shortened() -> None:
    for draw in (0.0, 0.5, 0.999):
        verdict = after_send(PACE, TryLater(*SAID, retry_after=10), tried(draw=draw))
        assert isinstance(verdict, Repeat)
        assert 10_000 <= verdict.at - NOW <= 10_500


@pytest.mark.parametrize("retry_after", [None, 10, 1e9])
def test_patience_ends(retry_after: float | None) -> None:
    old = tried(9, since=NOW - PACE.patience)
    verdict = after_send(PACE, TryLater(*SAID, retry_after=retry_after), old)
    assert isinstance(verdict, Fail)
    assert verdict.code == "expired"
    assert "9 attempts" in verdict.message
    assert "A sentence." in verdict.message


def test_an_unknown_outcome_never_expires_into_a_failure() -> None:
    assert isinstance(after_send(PACE, TimeoutError(), tried(since=0)), Ask)


DOUBT = Ask(at=NOW, code="timeout", message="No answer.")


@pytest.mark.parametrize(
    ("outcome", "asked", "verdict"),
    [
        (Sent(native_id="p1"), 1, Done("p1")),
        (None, 1, Doubt(code="timeout", message="No answer.")),
        (TryLater(*SAID), 1, repeat(500)),
        (Refused(*SAID), 1, Fail(code="code", message="A sentence.")),
        (OutcomeUnknown(*SAID), 1, Ask(at=NOW + 500, code="timeout", message="No answer.")),
        (OutcomeUnknown(*SAID), 2, Ask(at=NOW + 1_000, code="timeout", message="No answer.")),
        (OutcomeUnknown(*SAID), 3, Doubt(code="timeout", message="No answer.")),
        (KeyError("bug"), 3, Doubt(code="timeout", message="No answer.")),
    ],
)
def test_asking_the_provider_settles_a_doubt_or_leaves_it(
    outcome: Sent | Exception | None, asked: int, verdict: Verdict
) -> None:
    assert after_find(PACE, outcome, asked, tried(), DOUBT) == verdict


def test_a_stuck_conversation_holds_the_mark_and_nobody_else() -> None:
    backlog: Backlog[str] = Backlog(10)
    assert backlog.mark == 10
    assert backlog.add(12, "a", "a1")
    assert backlog.add(13, "b", "b1")
    assert not backlog.add(17, "a", "a2")
    backlog.skip(20)
    backlog.settle("b")
    assert backlog.head("b") is None
    assert backlog.mark == 11
    assert backlog.head("a") == (12, "a1")
    backlog.settle("a")
    assert backlog.mark == 16
    backlog.settle("a")
    assert backlog.mark == 20
    assert not backlog


def test_a_long_queue_keeps_places_instead_of_messages() -> None:
    backlog: Backlog[str] = Backlog(0, bound=2)
    for seq in range(1, 6):
        backlog.add(seq, "a", f"m{seq}")
    found = []
    while (head := backlog.head("a")) is not None:
        found.append(head)
        backlog.settle("a")
    assert found == [(1, "m1"), (2, "m2"), (3, None), (4, None), (5, None)]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=300), st.integers(0, 10_000))
def test_the_mark_is_below_everything_unsettled(steps: list[tuple[bool, str]], seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # a test's gaps
    backlog: Backlog[int] = Backlog(0)
    model: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    seq = 0
    for adds, name in steps:
        if adds:
            seq += chance.randint(1, 3)
            assert backlog.add(seq, name, seq) is (not model[name])
            model[name].append(seq)
        elif model[name]:
            assert backlog.head(name) == (model[name][0], model[name][0]) or backlog.head(name) == (
                model[name][0],
                None,
            )
            backlog.settle(name)
            model[name].pop(0)
        waiting = [one for queue in model.values() for one in queue]
        assert backlog.mark == (min(waiting) - 1 if waiting else seq)
        assert bool(backlog) is bool(waiting)


def test_a_stuck_head_costs_no_memory_for_those_that_pass_it() -> None:
    backlog: Backlog[int] = Backlog(0)
    backlog.add(1, "stuck", 1)
    for seq in range(2, 5_000):
        backlog.add(seq, f"c{seq % 7}", seq)
        backlog.settle(f"c{seq % 7}")
    assert backlog.mark == 0
    assert len(backlog._heads) < 200
