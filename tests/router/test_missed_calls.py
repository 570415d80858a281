"""Callers who give up are called back; news of calls that come late, twice or from nowhere change nothing."""

from router import facts as f
from router import inputs as i
from tests.router.calls import BEN, NUMBER, OPERATORS, world_of
from tests.router.world import only


def test_a_caller_who_gives_up_stays_in_the_queue_as_somebody_to_call_back() -> None:
    world = world_of()
    world.call(NUMBER, "ringing")
    began = world.now
    facts = world.call(NUMBER, "failed", after=9_000, sip=487)
    queued = only(facts, f.ConversationQueued)
    assert (queued.reason, queued.kind, queued.enqueued_at) == ("missed", "deferrable", began)
    assert world.of(NUMBER).unanswered == began
    world.up("cleo")
    assert world.of(NUMBER).status == "waiting", "who calls back needs a phone, if anybody has one"
    world.up("ben")
    assert world.of(NUMBER).owner == "ben"


def test_without_phones_anybody_may_call_back() -> None:
    world = world_of(operators={"cleo": OPERATORS["cleo"]})
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "failed")
    world.up("cleo")
    assert world.of(NUMBER).owner == "cleo"


def test_a_caller_who_gives_up_while_a_phone_rings_frees_the_operator_for_others() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.write("v1")
    facts = world.call(NUMBER, "failed")
    assert only(facts, f.OfferEnded).reason == "withdrawn"
    assert world.of("v1").owner == "ben"
    assert world.of(NUMBER).owner == "ben", "to be called back, which keeps nobody from a chat"
    assert world.operator("ben").silent == 0


def test_a_call_of_which_only_the_failure_is_known_is_missed_too() -> None:
    world = world_of("ben")
    world.call(NUMBER, "failed", sip=487)
    assert world.of(NUMBER).unanswered
    assert world.of(NUMBER).owner == "ben"
    world.call(NUMBER, "failed", "x2")
    assert list(world.of(NUMBER).calls) == ["x1", "x2"]


def test_news_of_a_call_that_nobody_knows_is_kept_and_is_nobodys_work() -> None:
    world = world_of("ben")
    facts = world.call(NUMBER, "ended")
    assert only(facts, f.ConversationClosed).result == "call"
    assert [type(fact) for fact in world.call(NUMBER, "recording")] == [f.MessageTaken]


def test_events_that_come_late_begin_nothing() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.call(NUMBER, "ended")
    for event in ("initiated", "held", "failed", "recording"):
        assert [type(fact) for fact in world.call(NUMBER, event)] == [f.MessageTaken]
    assert not world.operator("ben").talking


def test_a_phone_of_nobodys_that_answers_ends_a_conversation_that_was_only_the_call() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    facts = world.call(NUMBER, "answered", to="sip:reception@pbx.example")
    assert only(facts, f.OfferEnded).reason == "withdrawn"
    assert only(facts, f.ConversationClosed).result == "answered elsewhere"
    assert [type(fact) for fact in world.call(NUMBER, "held")] == [f.MessageTaken]
    facts = world.call(NUMBER, "transferred", to=BEN)
    assert only(facts, f.ConversationReopened)
    assert world.of(NUMBER).owner == "ben"
    assert world.operator("ben").talking


def test_a_call_that_wanders_among_strangers_stays_closed() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to="sip:reception@pbx.example")
    world.call(NUMBER, "transferred", to="sip:boss@pbx.example")
    assert world.of(NUMBER).status == "closed"
    world.call(NUMBER, "ended")
    assert world.of(NUMBER).calls["x1"].state == "over"


def test_an_answer_that_is_told_twice_changes_nothing() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    world.call(NUMBER, "answered", to=BEN)
    world.call(NUMBER, "answered", native="x1/answered again")
    assert world.of(NUMBER).owner == "ben"
    assert world.operator("ben").talking == {"x1": world.of(NUMBER).id}


def test_a_leg_that_ends_because_another_was_answered_is_not_missed() -> None:
    world = world_of("ben")
    world.call(NUMBER, "ringing")
    assert only(world.call(NUMBER, "failed", q850=26), f.ConversationClosed).result == "answered elsewhere"


def test_what_else_the_customer_asked_waits_on_when_somebody_unknown_answers_the_call() -> None:
    world = world_of()
    world.write("v1")
    chat = world.of("v1")
    world.call(NUMBER, "ended", "x0")
    world.order("anna", i.Link(person=chat.person, other=world.of(NUMBER).person, evidence="said so"))
    world.call(NUMBER, "ringing")
    assert (chat.status, chat.kind) == ("waiting", "exclusive")
    world.call(NUMBER, "answered", to="sip:reception@pbx.example")
    assert (chat.status, chat.kind) == ("waiting", "interactive")
