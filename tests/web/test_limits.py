import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures.site import Clock
from web.limits import RateLimiter, network_key


def test_a_burst_is_let_through_and_then_one_per_interval(clock: Clock) -> None:
    limiter = RateLimiter(rate=2, burst=3, clock=clock)
    assert [limiter.take("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert limiter.take("a") == pytest.approx(0.5)
    clock.time += 0.5
    assert limiter.take("a") == 0.0
    assert limiter.take("a") > 0


def test_a_refused_try_costs_nothing(clock: Clock) -> None:
    limiter = RateLimiter(rate=1, burst=1, clock=clock)
    limiter.take("a")
    for _ in range(100):
        limiter.take("a")
    clock.time += 1
    assert limiter.take("a") == 0.0


def test_keys_do_not_disturb_one_another(clock: Clock) -> None:
    limiter = RateLimiter(rate=1, burst=1, clock=clock)
    assert limiter.take("a") == limiter.take("b") == 0.0
    assert limiter.take("a") > 0


def test_a_flood_of_keys_takes_no_more_memory(clock: Clock) -> None:
    limiter = RateLimiter(rate=1, burst=1, clock=clock, max_keys=10)
    for key in range(1_000):
        limiter.take(str(key))
    assert len(limiter) == 10


def test_the_key_in_use_is_forgotten_last(clock: Clock) -> None:
    limiter = RateLimiter(rate=0.001, burst=2, clock=clock, max_keys=2)
    for key in ("a", "b", "a", "c"):
        limiter.take(key)
    assert limiter.take("a") > 0


def test_what_costs_more_takes_more(clock: Clock) -> None:
    limiter = RateLimiter(rate=10, burst=100, clock=clock)
    assert limiter.take("a", 100) == 0.0
    assert limiter.take("a", 50) == pytest.approx(5.0)


@given(st.lists(st.floats(0, 5), max_size=60))
def test_never_more_than_rate_and_burst_allow(pauses: list[float]) -> None:
    now = 0.0
    limiter = RateLimiter(rate=2, burst=3, clock=lambda: now)
    taken = 0
    for pause in pauses:
        now += pause
        taken += limiter.take("a") == 0.0
    assert taken <= 3 + 2 * now + 1e-6


@pytest.mark.parametrize("numbers", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_senseless_numbers_are_refused(clock: Clock, numbers: tuple[float, float, int]) -> None:
    rate, burst, keys = numbers
    with pytest.raises(ValueError, match="must be"):
        RateLimiter(rate, burst, clock, keys)


@pytest.mark.parametrize(
    ("ip", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_an_ipv6_line_counts_as_one(ip: str, key: str) -> None:
    assert network_key(ip) == key
