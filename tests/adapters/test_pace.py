"""Rates and freezes, with a clock that only the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.pace import REMEMBERED_ADDRESSES, Bucket, Gate, Lane, Pace, Rate


def passing(bucket: Bucket, calls: int, now: int = 0) -> list[int]:
    times = []
    for _ in range(calls):
        now = bucket.opens(now)
        bucket.take(now)
        times.append(now)
    return times


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    assert passing(Bucket(Rate(per_second=2, burst=3)), 6) == [0, 0, 0, 500, 1_000, 1_500]


def test_a_pause_fills_a_bucket_up_to_its_burst() -> None:
    bucket = Bucket(Rate(per_second=2, burst=3))
    passing(bucket, 10)
    assert passing(bucket, 4, now=100_000) == [100_000, 100_000, 100_000, 100_500]


@given(
    st.floats(0.1, 100),
    st.integers(1, 20),
    st.lists(st.integers(0, 5_000), min_size=1, max_size=100),
)
def test_no_window_holds_more_than_rate_and_burst_allow(per_second: float, burst: int, gaps: list[int]) -> None:
    bucket, now, times = Bucket(Rate(per_second=per_second, burst=burst)), 0, []
    for gap in gaps:
        now = bucket.opens(now + gap)
        bucket.take(now)
        times.append(now)
    for first in range(len(times)):
        for last in range(first, len(times)):
            span = (times[last] - times[first] + 1) / 1_000
            assert last - first + 1 <= burst + span * per_second + 1e-6


def test_a_frozen_address_does_not_delay_another() -> None:
    gate = Gate(Pace())
    gate.freeze(5_000, "a")
    assert gate.address_opens("a", 100) == 5_000
    assert gate.address_opens("b", 100) == 100
    assert gate.channel_opens(100) == 100


def by_house(address: str) -> Lane:
    house, _, flat = address.partition("/")
    return house, Rate(per_second=0.5) if flat else Rate(per_second=2)


def test_addresses_of_one_lane_share_its_rate() -> None:
    gate = Gate(Pace(address=Rate(per_second=100)), by_house)
    gate.enter("a/1", 0)
    assert gate.address_opens("a/2", 0) == 2_000
    assert gate.address_opens("b/1", 0) == 0


def test_lanes_have_rates_of_their_own() -> None:
    gate = Gate(Pace(), by_house)
    gate.enter("a/1", 0)
    gate.enter("b", 0)
    assert (gate.address_opens("a/1", 0), gate.address_opens("b", 0)) == (2_000, 500)


def test_a_frozen_address_freezes_its_lane() -> None:
    gate = Gate(Pace(), by_house)
    gate.freeze(5_000, "a/1")
    assert gate.address_opens("a/2", 100) == 5_000
    assert gate.address_opens("b/1", 100) == 100


def test_a_frozen_channel_delays_everybody_and_a_shorter_freeze_does_not_shorten_it() -> None:
    gate = Gate(Pace())
    gate.freeze(5_000)
    gate.freeze(2_000)
    assert gate.channel_opens(100) == 5_000
    assert gate.channel_opens(6_000) == 6_000


def test_each_address_has_its_own_rate_below_that_of_the_channel() -> None:
    gate = Gate(Pace(channel=Rate(per_second=100), address=Rate(per_second=1)))
    gate.enter("a", 0)
    assert gate.address_opens("a", 0) == 1_000
    assert gate.address_opens("b", 0) == 0
    assert gate.channel_opens(0) == 10


def test_addresses_that_have_nothing_to_wait_for_are_forgotten() -> None:
    gate = Gate(Pace(address=Rate(per_second=1)))
    gate.freeze(10**9, "frozen")
    for number in range(3 * REMEMBERED_ADDRESSES):
        gate.enter(f"a{number}", number * 1_000)
    assert len(gate._lanes) <= REMEMBERED_ADDRESSES + 1
    assert gate.address_opens("frozen", 0) == 10**9


@pytest.mark.parametrize("patience", [0, -1, 7 * 86_400_000])
def test_patience_is_shorter_than_the_memory_of_claims(patience: int) -> None:
    with pytest.raises(ValueError, match="patience"):
        Pace(patience=patience)
