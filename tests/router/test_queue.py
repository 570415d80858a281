"""Which rule applies, what it asks for, and in which order operators get what waits."""

import pytest

from normalizer.content import Choice, Form, Location, Media, Rating, StoredFile, Text, Unsupported
from router import facts as f
from router import inputs as i
from router.policy import BadRules, Policy, words
from router.rules import Need, OperatorRule, Relax, Route, Rules, Times, Waiting, When
from tests.router.world import World, language, make_rules, of_kind, only

# --- rules ----------------------------------------------------------------------------------------------------


ROUTES = (
    Route(name="bills", when=When(text=("invoice", "faktura", "счёт"))),
    Route(name="polish mail", when=When(channels=("mail",), languages=("pl",))),
    Route(name="shop", when=When(attributes={"page": ("cart", "pay")})),
    Route(name="all"),
)


@pytest.mark.parametrize(
    ("more", "text", "rule"),
    [
        ({}, "My INVOICE, please", "bills"),
        ({}, "где мой СЧЁТ", "bills"),
        ({"channel": "mail", "language": language("pl-PL")}, "dzien dobry", "polish mail"),
        ({"channel": "mail", "language": language("en")}, "hello", "all"),
        ({"attributes": {"page": "cart"}}, "hello", "shop"),
        ({"attributes": {"campaign": "cart"}}, "hello", "all"),
    ],
)
def test_the_first_route_that_matches_wins(more: dict[str, object], text: str, rule: str) -> None:
    world = World(make_rules(routes=ROUTES))
    assert only(world.write("v1", text, **more), f.ConversationQueued).rule == rule


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (Text(text="b", subject="a"), "a\nb"),
        (Choice(text="q"), "q"),
        (Media(file=StoredFile(name="x", size=1, key="k"), type="image/png", caption="c"), "c"),
        (Form(answers={"q": "x", "r": "y"}), "x\ny"),
        (Rating(score=1, comment="bad"), "bad"),
        (Unsupported(what="poll"), "poll"),
        (Location(latitude=1, longitude=1), ""),
    ],
)
def test_text_rules_see_everything_that_a_person_wrote(content: Text, text: str) -> None:
    assert words(content) == text


@pytest.mark.parametrize(
    "rules",
    [
        make_rules(routes=(Route(name="some", when=When(channels=("site",))),)),
        make_rules(routes=(Route(name="bad", when=When(text=("(",))), Route(name="all"))),
        make_rules(waiting=(Waiting(after=1, say={}),)),
    ],
)
def test_rules_that_cannot_decide_are_refused_and_the_old_ones_stay(rules: Rules) -> None:
    with pytest.raises(BadRules):
        Policy(rules)
    world = World(make_rules())
    assert only(world.propose(rules), f.InputRefused).error == "BadRules"
    assert world.state.version == 1


def test_without_any_rules_a_message_still_waits_and_is_routed_when_rules_come() -> None:
    world = World()
    assert only(world.write("v1"), f.Unroutable).configured is False
    world.propose(make_rules())
    world.up("anna")
    assert world.of("v1").owner == "anna"


# --- requirements ---------------------------------------------------------------------------------------------


def test_only_somebody_with_the_skill_at_the_level_gets_it() -> None:
    routes = (Route(name="all", need=Need(skills={"tech": 4})),)
    world = World(make_rules(routes=routes))
    world.up("anna")
    facts = world.write("v1")
    assert only(facts, f.Unroutable).configured is True
    assert world.records()[-1].why is not None
    assert world.records()[-1].why.excluded == {"offline": 1, "skill:tech": 1}
    world.up("ben")
    assert world.of("v1").owner == "ben"


ABLE = (Route(name="all", need=Need(skills={"tech": 4})),)


def test_when_the_last_who_could_take_it_signs_out_it_is_said_once_for_each_who_waits() -> None:
    world = World(make_rules(routes=ABLE))
    world.up("anna")
    world.up("ben", state="away")
    for visitor in ("v1", "v2"):
        assert of_kind(world.write(visitor), f.Unroutable) == []
    facts = world.order("ben", i.SetPresence(state="offline"))
    said = [(fact.conversation, fact.configured) for fact in of_kind(facts, f.Unroutable)]
    assert said == [(world.of("v1").id, True), (world.of("v2").id, True)]
    world.up("ben", state="away")
    assert of_kind(world.order("ben", i.SetPresence(state="offline")), f.Unroutable) == []
    assert of_kind(world.order("anna", i.SetPresence(state="offline")), f.Unroutable) == []


def test_a_lost_connection_is_not_yet_a_missing_operator() -> None:
    world = World(make_rules(routes=ABLE, times=Times(grace=10_000)))
    world.up("ben", state="away")
    world.write("v1")
    assert of_kind(world.down("ben") + world.wait(9_000), f.Unroutable) == []
    assert only(world.wait(2_000), f.Unroutable).conversation == world.of("v1").id


def test_an_operator_who_has_finished_draining_is_missing_too() -> None:
    world = World(make_rules(routes=ABLE))
    world.up("ben")
    for visitor in ("v1", "v2", "v3"):
        world.write(visitor)
    world.order("ben", i.SetPresence(state="draining"))
    world.close("ben", world.of("v1").id)
    assert only(world.close("ben", world.of("v2").id), f.Unroutable).conversation == world.of("v3").id


def test_new_rules_by_which_nobody_can_take_it_are_told_to_those_who_wait() -> None:
    world = World(make_rules(routes=ABLE))
    world.up("ben", state="away")
    world.write("v1")
    nobody = {"anna": OperatorRule(name="Anna"), "ben": OperatorRule(name="Ben")}
    assert only(world.propose(make_rules(routes=ABLE, operators=nobody)), f.Unroutable).configured is False
    facts = world.propose(make_rules(routes=ABLE))
    assert of_kind(facts, f.Unroutable) == []
    assert only(world.order("ben", i.SetPresence(state="offline")), f.Unroutable).configured is True


def test_very_many_who_wait_are_told_in_small_records() -> None:
    world = World(make_rules(routes=ABLE))
    world.up("ben", state="away")
    for number in range(510):
        envelope = world.envelope(f"v{number}", native_id=f"x{number}")
        world.machine.advance(world.seq + 1 + number, world.now, i.Message(envelope=envelope))
    action = i.SetPresence(state="offline")
    entries = world.machine.advance(
        world.seq + 600, world.now, i.Command(id="k", operator="ben", expires=world.now, action=action)
    )
    facts = [fact for entry in entries for fact in entry.record.facts]
    assert max(len(fact.items) for fact in of_kind(facts, f.Scheduled)) == 501
    told = [fact.conversation for fact in of_kind(facts, f.Unroutable)]
    assert len([e for e in entries if not e.record.facts]) == 0
    assert len(told) == len(set(told)) == 510


def test_named_operators_are_a_requirement_too() -> None:
    world = World(make_rules(routes=(Route(name="all", need=Need(operators=("ben",))),)))
    world.up("anna", "ben")
    world.write("v1")
    assert world.of("v1").owner == "ben"


def test_nobody_configured_is_said_at_once() -> None:
    world = World(make_rules(routes=(Route(name="all", need=Need(skills={"law": 1})),)))
    world.up("anna")
    assert only(world.write("v1"), f.Unroutable).configured is False


def test_requirements_relax_in_time_and_the_place_in_the_queue_stays() -> None:
    relax = (Relax(after=60_000, need=Need(skills={"tech": 2})), Relax(after=120_000, need=Need()))
    world = World(make_rules(routes=(Route(name="all", need=Need(skills={"tech": 5}), relax=relax),)))
    world.up("anna")
    world.write("v1")
    before = (world.of("v1").v, world.of("v1").enqueued_at)
    facts = world.wait(59_000)
    assert of_kind(facts, f.ConversationRelaxed) == []
    assert only(world.wait(2_000), f.ConversationRelaxed).step == 1
    facts = world.wait(60_000)
    assert only(facts, f.ConversationRelaxed).step == 2
    assert only(facts, f.Assigned).operator == "anna"
    assert (world.of("v1").v, world.of("v1").enqueued_at) == before


# --- languages ------------------------------------------------------------------------------------------------


LINGUISTS = {
    "ola": OperatorRule(name="Ola", languages={"pl": 7}),
    "eve": OperatorRule(name="Eve", languages={"en": 7, "pl": 2}),
}


def test_the_first_language_is_asked_for_alone_and_later_any_that_the_customer_has() -> None:
    world = World(make_rules(operators=LINGUISTS, times=Times(language=10_000)))
    world.up("eve")
    envelope = world.envelope("v1", language=language("pl"))
    sender = type(envelope.sender)(languages=(language("en"),))
    world.write("v1", language=language("pl"), sender=sender)
    assert [step.need.languages for step in world.of("v1").steps] == [("pl",), ("pl", "en")]
    assert world.of("v1").status == "waiting"
    world.wait(10_000)
    assert world.of("v1").owner == "eve"


def test_an_unsure_language_lets_every_candidate_in_from_the_start() -> None:
    world = World(make_rules(operators=LINGUISTS))
    world.up("eve")
    sender = type(world.envelope("v1").sender)(languages=(language("en"),))
    world.write("v1", language=language("pl", 0.6), sender=sender)
    assert world.of("v1").owner == "eve"


def test_a_language_that_nobody_speaks_falls_back_to_the_first_of_the_workspace() -> None:
    world = World(make_rules(operators=LINGUISTS))
    world.up("eve")
    world.write("v1", language=language("fi"))
    assert world.of("v1").owner == "eve"
    assert world.of("v1").steps[0].need.languages == ("en",)


def test_where_nobody_speaks_even_that_no_language_is_asked_for() -> None:
    world = World(make_rules(operators={"ola": LINGUISTS["ola"]}, languages=("de",)))
    world.up("ola")
    world.write("v1")
    assert world.of("v1").owner == "ola"


def test_who_states_no_language_speaks_the_first_of_the_workspace() -> None:
    world = World(make_rules(operators={"jo": OperatorRule(name="Jo")}))
    world.up("jo")
    world.write("v1", language=language("en"))
    assert world.of("v1").owner == "jo"


def test_a_route_may_name_its_languages() -> None:
    routes = (Route(name="all", need=Need(languages=("pl",))),)
    world = World(make_rules(operators=LINGUISTS, routes=routes))
    world.up("eve", "ola")
    world.write("v1", language=language("en"))
    assert world.of("v1").owner == "ola"


# --- order and choice -----------------------------------------------------------------------------------------


def test_first_in_first_out_whoever_becomes_free() -> None:
    world = World(make_rules())
    for visitor in ("v1", "v2", "v3"):
        world.write(visitor, after=1_000)
    world.up("anna")
    assert world.of("v1").owner == world.of("v2").owner == "anna"
    assert world.of("v3").status == "waiting"
    facts = world.close("anna", world.of("v2").id)
    assert only(facts, f.Offered).conversation == world.of("v3").id
    assert world.entries[-1].line.startswith("o-") or world.records()[-1].facts


def test_a_boost_moves_forward_and_a_tier_goes_before_everything() -> None:
    routes = (
        Route(name="vip", when=When(text=("vip",)), boost=60_000),
        Route(name="fire", when=When(text=("fire",)), tier=-1),
        Route(name="all"),
    )
    world = World(make_rules(routes=routes, operators={"jo": OperatorRule(name="Jo", units=40)}))
    for visitor, text in (("v1", "old"), ("v2", "vip"), ("v3", "fire"), ("v4", "new")):
        world.write(visitor, text, after=1_000)
    world.up("jo")
    order = ["v3", "v2", "v1", "v4"]
    for visitor in order:
        assert world.of(visitor).owner == "jo", visitor
        world.close("jo", world.of(visitor).id)


def test_a_boost_is_bounded() -> None:
    routes = (Route(name="all", boost=10**9),)
    world = World(make_rules(routes=routes))
    world.write("v1")
    assert world.of("v1").v == world.now - 1_800_000


def test_older_ones_that_could_not_be_taken_are_named() -> None:
    routes = (Route(name="law", when=When(text=("law",)), need=Need(skills={"law": 1})), Route(name="all"))
    world = World(make_rules(routes=routes))
    world.write("v1", "law")
    world.write("v2", "hello", after=1_000)
    world.up("anna")
    why = next(r.why for r in world.records() if r.why is not None and r.why.policy == "first_in_queue")
    assert why.overtaken == (world.of("v1").id,)


def test_chats_go_to_the_least_loaded_then_the_longest_idle() -> None:
    world = World(make_rules())
    world.up("ben")
    world.tick(1_000)
    world.up("anna")
    owners = []
    for visitor in ("v1", "v2", "v3"):
        world.write(visitor, after=1_000)
        owners.append(world.of(visitor).owner)
    assert owners == ["ben", "anna", "ben"]
    why = world.records()[-1].why
    assert why is not None
    assert why.chosen is not None
    assert why.runner_up is not None
    assert (why.policy, why.chosen.operator, why.runner_up.operator) == ("least_loaded", "ben", "anna")


def test_calls_go_to_the_longest_idle_who_has_nothing_else() -> None:
    world = World(make_rules())
    world.up("anna")
    world.tick(1_000)
    world.up("ben")
    world.write("v1", channel="phone")
    assert world.of("v1").offers[0].operator == "anna"
    world.write("v2")
    assert world.of("v2").owner == "ben", "nobody on a call gets a chat"
    world.write("v3", channel="phone")
    why = world.records()[-1].why
    assert why is not None
    assert (why.policy, why.excluded) == ("longest_idle", {"exclusive": 2})


def test_mail_does_not_stand_in_the_way_and_has_its_own_limit() -> None:
    operators = {"jo": OperatorRule(name="Jo", limits={"email": 2}), "al": OperatorRule(name="Al", units=50)}
    world = World(make_rules(operators=operators))
    world.up("jo")
    for visitor in ("m1", "m2", "m3"):
        world.write(visitor, channel="mail", type="email")
    assert world.operator("jo").deferred == 50
    assert world.of("m3").status == "waiting"
    world.write("p1", channel="phone")
    assert world.of("p1").offers[0].operator == "jo", "mail does not block a call"
    world.up("al")
    assert world.of("m3").owner == "al"
    world.write("m4", channel="mail")
    world.write("m5", channel="mail")
    assert (world.of("m4").owner, world.of("m5").status) == ("al", "waiting")


def test_a_call_does_not_fit_an_operator_who_is_too_small_for_it() -> None:
    world = World(make_rules(operators={"al": OperatorRule(name="Al", units=50)}))
    world.up("al")
    world.write("p1", channel="phone")
    assert world.of("p1").status == "waiting"


def test_the_last_operator_comes_first_within_the_look_back() -> None:
    world = World(make_rules(times=Times(sticky_lookback=100_000)))
    world.up("anna", "ben")
    world.write("v1")
    name = world.of("v1").id
    world.order("anna", i.Take(conversation=name, operator="ben")) if world.of("v1").owner == "anna" else None
    world.reply("ben", name)
    world.write("v2")
    world.close("ben", name)
    world.write("v3")
    world.write("v1", after=1_000)
    assert world.of("v1").owner == "ben"
    world.close("ben", name)
    world.tick(200_000)
    world.up("ben", "anna")
    facts = world.write("v1")
    why = world.records()[-1].why
    assert only(facts, f.Assigned)
    assert why is not None
    assert why.chosen is not None
    assert why.chosen.key[0] == 1
