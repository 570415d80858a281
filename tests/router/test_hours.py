"""Routing rule 5: opening hours, at both changes of the clocks; steps that wait overnight; and who is told what."""

from typing import Any

import pytest

from router import facts as f
from router import inputs as i
from router.hours import DAY, MINUTE, after_open, is_open, opens_at
from router.rules import Hours, Need, OperatorRule, Relax, Route, Rules, Times, Waiting, When
from tests.router.world import START, World, make_rules, of_kind, only

HOUR = 60 * MINUTE
OPEN = ((9 * 60, 17 * 60),)
ALWAYS = Hours(week=(((0, 24 * 60),),) * 7)
NEVER = Hours(week=((),) * 7)
SPRING = 100 * DAY + HOUR
"""At one o'clock UTC the clocks go from one to two hours ahead: 02:00 becomes 03:00."""
AUTUMN = 200 * DAY + HOUR
"""And back: 03:00 becomes 02:00."""
ZONE = ((0, HOUR), (SPRING, 2 * HOUR), (AUTUMN, HOUR))


def daily(*intervals: tuple[int, int]) -> Hours:
    return Hours(week=(intervals,) * 7, offsets=ZONE)


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        (99, 8, 16),
        (100, 7, 15),  # the clocks went forward in the night
        (101, 7, 15),
        (199, 7, 15),
        (200, 8, 16),  # and back
    ],
)
def test_nine_is_nine_by_the_clocks_on_both_days_of_change(day: int, start: int, end: int) -> None:
    shop = daily(*OPEN)
    assert opens_at(shop, day * DAY + 4 * HOUR) == day * DAY + start * HOUR
    assert is_open(shop, day * DAY + end * HOUR - 1)
    assert not is_open(shop, day * DAY + end * HOUR)


def test_an_hour_that_comes_twice_is_open_once_and_one_that_is_skipped_comes_late() -> None:
    night = daily((2 * 60, 2 * 60 + 30))
    openings, at = [], 200 * DAY - 6 * HOUR
    while at < 201 * DAY - 6 * HOUR:
        openings += [at] if is_open(night, at) else []
        at += 10 * MINUTE
    assert openings == [200 * DAY, 200 * DAY + 10 * MINUTE, 200 * DAY + 20 * MINUTE]
    assert opens_at(night, 100 * DAY - 6 * HOUR) == SPRING


def test_a_night_over_the_change_is_as_long_as_it_is() -> None:
    night = daily((22 * 60, 30 * 60))
    assert opens_at(night, 200 * DAY - 5 * HOUR) == 200 * DAY - 4 * HOUR
    assert is_open(night, 200 * DAY + 5 * HOUR - 1), "nine hours: the clocks went back"
    assert not is_open(night, 200 * DAY + 5 * HOUR)


def test_who_waits_overnight_has_waited_for_the_open_hours_alone() -> None:
    shop = Hours(week=(((540, 600), (660, 720)),) * 7)
    assert after_open(shop, 9 * HOUR, 0) == 9 * HOUR
    assert after_open(shop, 9 * HOUR, 30 * MINUTE) == 9 * HOUR + 30 * MINUTE
    assert after_open(shop, 9 * HOUR + 30 * MINUTE, HOUR) == 11 * HOUR + 30 * MINUTE
    assert after_open(shop, 13 * HOUR, MINUTE) == DAY + 9 * HOUR + MINUTE
    assert after_open(Hours(week=(((540, 600), (570, 630)),) * 7), 9 * HOUR, 80 * MINUTE) == 10 * HOUR + 20 * MINUTE
    assert after_open(NEVER, HOUR, MINUTE) == HOUR + MINUTE, "of hours that never come nobody can wait"
    assert opens_at(NEVER, HOUR) == 0


# --- in the rules ---------------------------------------------------------------------------------------------

MORNING = START - START % DAY + DAY + 9 * HOUR
"""Nine o'clock, on the day after the tests begin: it is closed until then."""
CLOSED = Hours(week=(OPEN,) * 7, say={"en": "We are back at {opens}."})
TEAM = {"anna": OperatorRule(name="Anna", skills={"law": 2}), "ben": OperatorRule(name="Ben", skills={"law": 1})}
PHRASES = (Waiting(after=15_000, say={"en": "One moment."}), Waiting(after=60_000, say={"en": "Still there."}))


def night(**changes: Any) -> Rules:  # noqa: ANN401  # any field of Rules
    return make_rules(**({"operators": TEAM, "hours": {"default": CLOSED}, "waiting": PHRASES} | changes))


def said(facts: list[f.AnyFact]) -> list[str]:
    return [fact.outbound.content.text for fact in of_kind(facts, f.ReplySent)]  # type: ignore[union-attr]  # texts


def test_who_writes_while_nobody_is_there_is_told_once_when_somebody_will_be() -> None:
    world = World(night())
    assert not is_open(CLOSED, world.now)
    world.write("v1")
    assert said(world.wait(120_000)) == [f"We are back at {'2023-11-15'} 09:00."]
    world.write("v1", "hello?")
    assert said(world.wait(120_000)) == [], "still the same wait"


def test_hours_that_never_come_are_told_without_a_time() -> None:
    world = World(night(hours={"default": Hours(week=((),) * 7, say={"en": "Closed for ever.{opens}"})}, waiting=()))
    world.write("v1")
    assert said(world.wait(5_000)) == ["Closed for ever."]


def test_while_it_is_open_or_somebody_is_there_all_the_same_the_usual_phrases_are_said() -> None:
    world = World(night(times=Times(unanswered=0)))
    world.up("ben")
    world.write("v1")
    assert world.of("v1").owner == "ben"
    assert said(world.wait(20_000)) == ["One moment."]
    world.reply("ben", world.of("v1").id)
    world.order("ben", i.SetPresence(state="away"))
    world.write("v1", "more")
    assert said(world.wait(5_000)) == ["We are back at 2023-11-15 09:00."], "the owner is not at work"

    world = World(night(hours={"default": ALWAYS, "law": CLOSED}))
    world.write("v1")
    assert said(world.wait(20_000)) == ["One moment."], "its own hours are open"
    world = World(night(hours={"default": ALWAYS, "law": CLOSED}, waiting=()))
    world.write("v1")
    assert said(world.wait(20_000)) == []


def test_what_is_said_at_night_needs_an_address_that_takes_it() -> None:
    world = World(night())
    world.write("v1")
    world.propose(night(channels={"mail": world.state.rules.channels["mail"]}))
    assert said(world.wait(5_000)) == []


def test_a_caller_is_told_nothing_in_writing() -> None:
    world = World(night())
    world.call("+48", "ringing")
    assert said(world.wait(20_000)) == []


def test_rules_can_ask_whether_it_is_open() -> None:
    routes = (
        Route(name="night", when=When(hours="closed")),
        Route(name="day", when=When(hours="open")),
        Route(name="x"),
    )
    world = World(night(routes=routes, waiting=()))
    world.write("v1")
    assert world.of("v1").rule == "night"
    world.tick(MORNING - world.now)
    world.write("v2")
    assert world.of("v2").rule == "day"
    world = World(night(routes=routes, hours={}))
    world.write("v1")
    assert world.of("v1").rule == "day", "without hours it is always open"


def test_requirements_do_not_widen_overnight() -> None:
    law = Route(name="law", need=Need(skills={"law": 2}), relax=(Relax(after=60_000, need=Need(skills={"law": 1})),))
    world = World(night(routes=(law,), waiting=()))
    world.write("v1")
    assert [step.at for step in world.of("v1").steps] == [world.now, MORNING + 60_000]
    world.tick(MORNING - world.now)
    world.up("ben")
    assert world.of("v1").status == "waiting"
    assert only(world.wait(61_000), f.ConversationRelaxed).step == 1
    assert world.of("v1").owner == "ben"
