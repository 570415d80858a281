"""Wrap-up, closing and reopening; and who may say what where."""

from normalizer.content import Text
from normalizer.outbound import ReceiptState
from router import facts as f
from router import inputs as i
from router.rules import Times
from tests.router.team import TEAM, refusal, served
from tests.router.world import make_rules, of_kind, only

# --- wrap-up, closing, reopening ------------------------------------------------------------------------------


def test_wrap_up_holds_the_capacity_and_ends_by_itself() -> None:
    world, name = served(times=Times(wrap_up=10_000))
    facts = world.close("ben", name, result="sold")
    assert only(facts, f.ConversationClosed).wrap_up_until == world.now + 10_000
    assert (world.conv(name).result, world.operator("ben").load) == ("sold", 40)
    assert only(world.wait(11_000), f.WrapUpEnded).operator == "ben"
    assert world.operator("ben").load == 0


def test_a_conversation_is_closed_with_one_of_the_results_of_the_rules() -> None:
    world, name = served(results=("solved", "spam"))
    assert refusal(world.close("ben", name, result="sold")) == "unknown_result"
    assert only(world.close("ben", name, result="solved"), f.ConversationClosed).result == "solved"


def test_a_customer_who_writes_during_wrap_up_ends_it() -> None:
    world, name = served(times=Times(wrap_up=10_000))
    world.reply("ben", name)
    world.close("ben", name)
    facts = world.write("v1")
    assert only(facts, f.WrapUpEnded)
    assert only(facts, f.Assigned).operator == "ben"


def test_a_long_wrap_up_keeps_the_person_and_the_conversation_here() -> None:
    world, name = served(times=Times(wrap_up=30_000, park_person=5_000, archive=10_000))
    world.close("ben", name)
    world.wait(20_000)
    assert name in world.state.conversations
    world.wait(20_000)
    assert world.state.people == {}


def test_closing_takes_offers_back_and_frees_everybody() -> None:
    world, name = served()
    world.up("cleo")
    world.order("ben", i.Transfer(conversation=name, operator="cleo"))
    facts = world.close("anna", name)
    assert only(facts, f.OfferEnded).reason == "withdrawn"
    assert (world.operator("ben").load, world.operator("cleo").load) == (0, 0)
    assert refusal(world.close("anna", name)) == "closed"


def test_an_operator_reopens_and_owns_it_if_there_is_room() -> None:
    world, name = served()
    person = world.of("v1").person
    assert refusal(world.order("ben", i.Reopen(conversation=name, person=person))) == "not_closed"
    world.close("ben", name)
    world.wait(601_000)
    assert world.state.people == {}
    facts = world.order("cleo", i.Reopen(conversation=name, person=person))
    assert (only(facts, f.Assigned).operator, world.conv(name).enqueued_at) == ("cleo", world.now)
    world.close("cleo", name)
    for visitor in ("v2", "v3"):
        world.write(visitor)
    assert refusal(world.order("ben", i.Reopen(conversation=name, person=person))) == "over_capacity"
    assert world.conv(name).status == "closed"
    assert refusal(world.order("ben", i.Reopen(conversation="c999", person=person))) == "unknown_conversation"


def test_an_old_conversation_is_not_reopened_beside_an_open_one_but_after_it() -> None:
    world, first = served(times=Times(reopen=1_000))
    person = world.of("v1").person
    world.close("ben", first)
    world.write("v1", after=2_000)
    second = world.of("v1").id
    assert refusal(world.order("ben", i.Reopen(conversation=first, person=person))) == "another_open"
    world.close("ben", second)
    world.order("ben", i.Reopen(conversation=first, person=person))
    assert world.of("v1").id == first
    assert world.state.people[person].past == [second]


def test_a_reopened_conversation_keeps_its_wrap_up_from_firing() -> None:
    world, name = served(times=Times(wrap_up=10_000))
    world.close("ben", name)
    facts = world.order("ben", i.Reopen(conversation=name, person=world.of("v1").person))
    assert only(facts, f.WrapUpEnded)
    assert of_kind(world.wait(11_000), f.WrapUpEnded) == []


# --- what may be said -----------------------------------------------------------------------------------------


def test_only_the_owner_or_a_supervisor_answers() -> None:
    world, name = served()
    assert refusal(world.reply("cleo", name)) == "not_owner"
    assert world.records()[-1].facts[0].now == "ben"  # type: ignore[union-attr]  # it is a refusal
    sent = only(world.reply("anna", name), f.ReplySent)
    assert (sent.by, sent.outbound.author.name, sent.outbound.id) == ("anna", "Anna", f"{name}-2")
    assert world.entries[-1].channel == "site"
    assert world.state.people[world.of("v1").person].last_operator == "anna"


def test_an_answer_on_top_of_a_colleagues_is_refused_unless_meant() -> None:
    world, name = served()
    seen = world.conv(name).n
    world.reply("anna", name)
    assert refusal(world.reply("ben", name, seen=seen)) == "stale"
    assert only(world.reply("ben", name, seen=seen, anyway=True), f.ReplySent)
    assert only(world.reply("ben", name, seen=seen), f.ReplySent), "one's own answers do not make stale"


def test_only_what_failed_or_is_unknown_is_sent_again() -> None:
    world, name = served()
    world.reply("ben", name)
    assert refusal(world.reply("ben", name, again=f"{name}-2")) == "not_failed"
    world.receipt(f"{name}-2", ReceiptState.UNKNOWN)
    again = only(world.reply("ben", name, again=f"{name}-2", anyway=True), f.ReplySent)
    assert (again.again, again.outbound.id) == (f"{name}-2", f"{name}-3")
    assert set(world.conv(name).outbounds) == {f"{name}-3"}


def test_an_answer_goes_to_where_the_customer_wrote_last_or_to_a_named_address_of_theirs() -> None:
    world, name = served()
    assert refusal(world.reply("ben", name, address="visitor:other")) == "no_address"
    world.propose(make_rules(operators=TEAM, channels={}))
    assert refusal(world.reply("ben", name)) == "no_address"


def test_notes_are_open_to_all_and_reading_never_goes_back() -> None:
    world, name = served()
    world.order("cleo", i.AddNote(conversation=name, content=Text(text="hm"), mentions=("ben",)))
    world.close("ben", name)
    assert only(world.order("cleo", i.AddNote(conversation=name, content=Text(text="hm"))), f.NoteAdded).n == 3
    assert only(world.order("cleo", i.MarkRead(conversation=name, upto=99)), f.EntriesRead).upto == 3
    assert only(world.order("cleo", i.MarkRead(conversation=name, upto=1)), f.EntriesRead).upto == 3


def test_a_command_is_carried_out_once_and_not_too_late() -> None:
    world, name = served()
    action = i.AddNote(conversation=name, content=Text(text="hm"))
    assert world.order("ben", action, id="same")
    assert world.order("ben", action, id="same") == []
    assert refusal(world.order("ben", action, expires=world.now - 1)) == "expired"
    assert refusal(world.order("stranger", action)) == "unknown_operator"
    assert world.entries[-1].line == "o-stranger"
    assert world.records()[-1].by == ""


def test_the_memory_of_commands_is_bounded() -> None:
    world, name = served()
    for _ in range(300):
        world.order("ben", i.MarkRead(conversation=name, upto=1))
    assert len(world.operator("ben").commands) == 256


def test_a_removed_owner_is_named_by_id_in_a_refusal() -> None:
    world, name = served(channel="phone")
    world.propose(make_rules(operators={"cleo": TEAM["cleo"], "anna": TEAM["anna"]}))
    facts = world.order("cleo", i.Close(conversation=name))
    assert "belongs to ben" in only(facts, f.CommandRefused).reason
