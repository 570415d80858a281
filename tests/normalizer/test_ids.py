from collections.abc import Iterator
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalizer.ids import RANDOM_BITS, IdSource, milliseconds_of, uuid7_at

ALL_ONES = (1 << RANDOM_BITS) - 1
MILLISECONDS = st.integers(0, 2**47)
RANDOMNESS = st.integers(0, ALL_ONES) | st.just(ALL_ONES) | st.just((1 << 62) - 1)


def scripted(draws: list[int]) -> IdSource:
    script: Iterator[int] = iter(draws)
    return IdSource(lambda: next(script))


def test_ids_of_the_default_source_increase_and_are_uuids_of_version_7() -> None:
    source = IdSource()
    ids = [source.new() for _ in range(10_000)]
    assert all(earlier < later for earlier, later in pairwise(ids))
    assert {UUID(identifier).version for identifier in ids} == {7}


def test_an_id_bears_the_time_of_its_clock() -> None:
    assert milliseconds_of(scripted([uuid7_at(1_700_000_000_000, 5)]).new()) == 1_700_000_000_000


def test_what_is_no_id_has_no_time() -> None:
    with pytest.raises(ValueError, match="badly formed"):
        milliseconds_of("yesterday")


def test_a_clock_set_back_does_not_set_ids_back() -> None:
    source = scripted([uuid7_at(1_000, 7), uuid7_at(500, 9)])
    assert source.new() < source.new() == str(UUID(int=uuid7_at(1_000, 8)))


@given(st.lists(st.tuples(MILLISECONDS, RANDOMNESS), min_size=2))
def test_ids_increase_whatever_clock_and_randomness_do(draws: list[tuple[int, int]]) -> None:
    source = scripted([uuid7_at(*draw) for draw in draws])
    ids = [source.new() for _ in draws]
    assert all(earlier < later for earlier, later in pairwise(ids))
    assert {(UUID(identifier).version, UUID(identifier).variant) for identifier in ids} == {
        (7, "specified in RFC 4122"),
    }
