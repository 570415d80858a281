"""Offers, exclusion, and answers in time; what new rules do to those who wait, and what they are told."""

from router import facts as f
from router import inputs as i
from router.matching import ahead
from router.policy import Policy
from router.rules import ChannelRule, Need, OperatorRule, Route, Times, When
from tests.router.world import CHANNELS, World, language, make_rules, of_kind, only

# --- offers ---------------------------------------------------------------------------------------------------


def ringing(**changes: object) -> World:
    world = World(make_rules(**changes))
    world.up("anna", "ben")
    world.write("v1", channel="ring")
    return world


def test_an_offer_charges_at_once_and_is_accepted_by_its_id() -> None:
    world = ringing()
    one = world.of("v1")
    (offer,) = one.offers
    assert (one.status, offer.operator, offer.id) == ("offered", "anna", f"{one.id}-o1")
    assert world.operator("anna").load == 40
    facts = world.order("ben", i.Accept(conversation=one.id, offer=offer.id))
    assert only(facts, f.CommandRefused).code == "offer_gone"
    facts = world.order("anna", i.Accept(conversation=one.id, offer="old"))
    assert only(facts, f.CommandRefused).code == "offer_gone"
    world.order("anna", i.Accept(conversation=one.id, offer=offer.id))
    assert (one.status, one.owner, one.epoch) == ("assigned", "anna", 2)
    assert world.operator("anna").load == 40


def test_a_declined_offer_goes_to_the_next_with_its_age_and_back_when_the_exclusion_is_over() -> None:
    world = ringing()
    one = world.of("v1")
    before = (one.v, one.enqueued_at)
    world.order("anna", i.Decline(conversation=one.id, offer=one.offers[0].id))
    assert one.offers[0].operator == "ben"
    world.order("ben", i.SetPresence(state="away"))
    world.order("ben", i.Decline(conversation=one.id, offer=one.offers[0].id))
    assert one.offers[0].operator == "anna", "there is nobody else, so the exclusion lapses"
    why = world.records()[-1].why
    assert why is not None
    assert why.note == "the exclusion of anna lapsed: there is nobody else"
    assert (one.v, one.enqueued_at) == before


def test_who_declined_is_asked_again_after_a_while_when_others_are_busy() -> None:
    world = ringing()
    one = world.of("v1")
    world.write("v2")
    world.write("v3")
    world.write("v4")
    assert world.operator("ben").load == 80
    world.order("anna", i.Decline(conversation=one.id, offer=one.offers[0].id))
    assert (one.status, one.excluded) == ("waiting", {"anna": world.now + 60_000})
    facts = world.wait(60_000)
    assert only(facts, f.ExclusionEnded).operators == ("anna",)
    assert one.offers[0].operator == "anna"


def test_two_unanswered_offers_in_a_row_make_an_operator_not_responding() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1", channel="ring")
    world.wait(19_000)
    facts = world.wait(2_000)
    assert only(facts, f.OfferEnded).reason == "no_answer"
    assert world.operator("anna").silent == 1
    facts = world.wait(20_000)
    fact = only(facts, f.OperatorState)
    assert (fact.state, fact.reason) == ("not_responding", "no_answers")
    assert world.of("v1").status == "waiting"
    world.wait(60_000)
    assert world.of("v1").status == "waiting", "until they say that they are back"
    world.order("anna", i.SetPresence(state="available"))
    assert world.of("v1").offers[0].operator == "anna"
    world.order("anna", i.Accept(conversation=world.of("v1").id, offer=world.of("v1").offers[0].id))
    assert world.operator("anna").silent == 0


def test_a_freed_operator_goes_to_who_has_waited_longest_not_to_what_was_just_handed_back() -> None:
    world = World(make_rules(operators={"jo": OperatorRule(name="Jo", units=40)}))
    world.write("v0", after=1_000)
    world.up("jo")
    world.write("v1", after=1_000)
    world.write("v2", channel="ring", after=1_000)
    world.close("jo", world.of("v0").id)
    assert world.of("v1").owner == "jo"
    world.close("jo", world.of("v1").id)
    world.write("v3", after=1_000)
    one = world.of("v2")
    world.order("jo", i.Decline(conversation=one.id, offer=one.offers[0].id))
    assert world.of("v3").owner == "jo", "the exclusion does not lapse in favour of a step of its own"
    assert one.status == "waiting"


def test_who_does_not_answer_loses_the_conversation_to_somebody_else() -> None:
    world = World(make_rules(times=Times(unanswered=10_000)))
    world.up("anna", "ben")
    world.write("v1")
    facts = world.wait(11_000)
    assert only(facts, f.Unassigned).reason == "unanswered"
    assert world.of("v1").owner == "ben"
    world.reply("ben", world.of("v1").id)
    assert of_kind(world.wait(61_000), f.Unassigned) == []
    world.write("v1")
    assert of_kind(world.wait(11_000), f.Unassigned)


def test_while_there_is_nobody_else_the_owner_keeps_what_is_unanswered() -> None:
    world = World(make_rules(times=Times(unanswered=10_000)))
    world.up("anna")
    world.write("v1")
    assert of_kind(world.wait(35_000), f.Unassigned) == []
    world.up("ben")
    world.wait(10_000)
    assert world.of("v1").owner == "ben"


def test_rules_may_say_never() -> None:
    world = World(make_rules(times=Times(unanswered=0)))
    world.up("anna", "ben")
    world.write("v1")
    assert of_kind(world.wait(400_000), f.Unassigned) == []


def test_new_rules_may_say_never_to_what_was_timed_already() -> None:
    world = World(make_rules(times=Times(unanswered=10_000)))
    world.up("anna", "ben")
    world.write("v1")
    world.propose(make_rules(times=Times(unanswered=0)))
    before = len(world.entries)
    assert of_kind(world.wait(60_000), f.Unassigned) == []
    timers = [record for record in world.records()[before:] if record.cause == "timer"]
    assert len(timers) == 1, "it does not come again and again"


def test_a_message_during_a_transfer_that_is_not_taken_still_has_to_be_answered() -> None:
    world = World(make_rules(times=Times(unanswered=60_000)))
    world.up("anna")
    world.write("v1")
    name = world.of("v1").id
    world.reply("anna", name)
    world.up("ben")
    world.order("anna", i.Transfer(conversation=name, operator="ben"))
    world.write("v1")
    world.order("ben", i.Decline(conversation=name, offer=world.conv(name).offers[0].id))
    assert world.conv(name).owner == "anna"
    assert only(world.wait(61_000), f.Unassigned).reason == "unanswered"


# --- rules change ---------------------------------------------------------------------------------------------


def test_new_rules_look_at_the_waiting_again_and_leave_the_served_alone() -> None:
    needs = (Route(name="all", need=Need(skills={"law": 1})),)
    world = World(make_rules())
    world.up("anna")
    world.write("v1")
    world.propose(make_rules(routes=needs))
    assert world.of("v1").owner == "anna"
    world.write("v2", after=1_000)
    world.write("v3", after=1_000)
    assert world.of("v2").status == "waiting"
    before = world.of("v2").v
    facts = world.propose(make_rules())
    assert [fact.conversation for fact in of_kind(facts, f.ConversationQueued)] == [
        world.of("v2").id,
        world.of("v3").id,
    ]
    assert (world.of("v2").owner, world.of("v2").v) == ("anna", before)
    assert world.of("v3").status == "waiting"


def test_new_rules_take_an_offer_back_from_who_is_not_qualified_any_more() -> None:
    world = ringing()
    one = world.of("v1")
    operators = {"ben": OperatorRule(name="Ben", languages={"en": 7})}
    facts = world.propose(make_rules(operators=operators))
    assert "withdrawn" in [fact.reason for fact in of_kind(facts, f.OfferEnded)] or one.offers[0].operator == "ben"
    assert one.offers[0].operator == "ben"


def test_the_same_rules_again_do_nothing() -> None:
    world = World(make_rules())
    assert world.propose(make_rules()) == []


def test_a_removed_operator_is_signed_out() -> None:
    world = World(make_rules())
    world.up("ben")
    world.write("v1")
    world.up("anna")
    world.propose(make_rules(operators={"anna": OperatorRule(name="Anna", languages={"en": 7})}))
    assert world.operator("ben").state == "offline"
    assert world.of("v1").owner == "anna"


def test_a_change_of_rules_with_very_many_waiting_goes_in_small_records() -> None:
    needs = (Route(name="all", need=Need(skills={"law": 1})),)
    world = World(make_rules())
    world.machine.advance(world.seq + 1, world.now, i.RulesProposed(hash="law", rules=make_rules(routes=needs)))
    seq = world.seq + 1
    for number in range(510):
        seq += 1
        world.machine.advance(seq, world.now, i.Message(envelope=world.envelope(f"v{number}", native_id=f"x{number}")))
    entries = world.machine.advance(seq + 1, world.now, i.RulesProposed(hash="all", rules=make_rules()))
    assert max(len(fact.items) for e in entries for fact in e.record.facts if isinstance(fact, f.Scheduled)) == 501
    assert all(one.steps[0].need.skills == {} for one in world.state.conversations.values())


def test_a_channel_that_is_not_configured_costs_the_usual() -> None:
    world = World(make_rules(channels={"site": ChannelRule(type="webchat")}))
    world.up("anna")
    world.write("v1", channel="old")
    assert world.of("v1").units == CHANNELS["site"].units // 2


# --- told to who waits ----------------------------------------------------------------------------------------


def places(world: World) -> dict[str, int]:
    """How many are before each visitor who waits."""
    waiting = (one for one in world.state.conversations.values() if one.status == "waiting")
    found = ahead(world.state, Policy(world.state.rules), waiting)
    return {visitor: found[world.of(visitor).id] for visitor in VISITORS if world.of(visitor).id in found}


VISITORS = ("pl1", "en1", "en2", "law", "pl2", "both")


def waiting_room() -> World:
    team = {
        "anna": OperatorRule(name="Anna", languages={"en": 7}),
        "ola": OperatorRule(name="Ola", languages={"pl": 7}),
        "eva": OperatorRule(name="Eva", languages={"en": 7, "pl": 7}),
    }
    law = Route(name="law", when=When(attributes={"topic": ("law",)}), need=Need(skills={"law": 1}))
    world = World(make_rules(operators=team, routes=(law, Route(name="all"))))
    for visitor in VISITORS:
        more = {"attributes": {"topic": "law"}} if visitor == "law" else {}
        code = "pl" if visitor.startswith("pl") else "en"
        world.write(visitor, language=language(code, 0.5 if visitor == "both" else 1.0), after=10, **more)
    return world


def test_only_those_count_as_before_somebody_whom_the_same_operators_could_take() -> None:
    world = waiting_room()
    assert places(world) == {"pl1": 0, "en1": 1, "en2": 2, "pl2": 3, "both": 4}, "Eva, who is not there, speaks both"
    world.up("anna", "ola", state="away")
    assert places(world) == {"pl1": 0, "en1": 0, "en2": 1, "pl2": 1, "both": 2}
    world.up("eva", state="break")
    assert places(world)["pl2"] == 3
    world.order("eva", i.SetPresence(state="draining"))
    assert places(world)["pl2"] == 1


def test_who_is_being_handed_over_is_before_others_and_has_no_place_themselves() -> None:
    world = waiting_room()
    world.up("anna")
    first = world.of("en1").id
    assert world.conv(first).owner == "anna"
    assert places(world) == {"pl1": 0, "pl2": 1, "both": 0}
    world.order("anna", i.Transfer(conversation=first, queue="all"))
    assert places(world) == {"pl1": 0, "pl2": 1, "both": 0}, "nobody but Anna is there, and it is hers"
    world.up("eva", state="away")
    assert places(world) == {"pl1": 0, "pl2": 2, "both": 3}
