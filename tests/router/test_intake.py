import msgspec
import pytest

from normalizer.content import Call, Delete, Edit, Language, Rating, Reaction, Text
from normalizer.envelope import Sender
from normalizer.outbound import ReceiptState
from router import facts as f
from router.entries import SEEN_FOR, SEEN_LEAST, SEEN_MOST
from router.inputs import AddNote
from router.rules import Times, Waiting
from tests.router.world import World, language, make_rules, of_kind, only


def test_a_stranger_becomes_a_person_with_a_conversation_named_after_the_input() -> None:
    world = World(make_rules())
    facts = world.write("v1")
    assert [type(fact) for fact in facts] == [
        f.PersonCreated,
        f.ConversationOpened,
        f.MessageTaken,
        f.ConversationQueued,
        f.Unroutable,
    ]
    assert only(facts, f.ConversationOpened).conversation == "c2"
    assert only(facts, f.ConversationOpened).person == "p2"


def test_ten_photos_of_one_album_are_one_conversation() -> None:
    world = World(make_rules())
    facts = [fact for _ in range(10) for fact in world.write("v1")]
    assert len(of_kind(facts, f.ConversationOpened)) == 1
    assert [fact.n for fact in of_kind(facts, f.MessageTaken)] == list(range(1, 11))


def test_a_repeated_message_has_no_effect_at_all() -> None:
    world = World(make_rules())
    world.write("v1", native_id="a")
    assert world.write("v1", native_id="a", after=4_000) == []
    assert world.of("v1").n == 1


def test_the_same_native_id_on_another_channel_or_address_is_another_message() -> None:
    world = World(make_rules())
    world.write("v1", native_id="a")
    assert world.write("v1", native_id="a", channel="mail")
    assert world.write("v2", native_id="a")


def test_a_repeat_of_somebody_parked_is_still_a_repeat() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1", native_id="a")
    world.close("anna", world.of("v1").id)
    world.wait(601_000)
    assert world.state.people == {}
    before = len(world.entries)
    assert world.write("v1", native_id="a") == []
    assert world.state.people == {}
    assert len(world.entries) == before


def test_the_duplicate_guard_keeps_48_hours_and_at_least_64() -> None:
    world = World(make_rules())
    for _ in range(SEEN_LEAST + 6):
        world.write("v1")
    world.up("anna")
    seen = world.state.addresses["visitor:v1"].seen
    world.now += SEEN_FOR
    facts = world.write("v1")
    assert only(facts, f.MessageTaken).forget == 7
    assert len(seen) == SEEN_LEAST


def test_the_duplicate_guard_of_a_busy_address_is_bounded() -> None:
    world = World(make_rules())
    world.write("v1")
    seen = world.state.addresses["visitor:v1"].seen
    for number in range(SEEN_MOST - 1):
        seen[f"site/x{number}"] = world.now
    world.follower.addresses["visitor:v1"].seen = dict(seen)
    assert only(world.write("v1"), f.MessageTaken).forget == 1
    assert len(seen) == SEEN_MOST


@pytest.mark.parametrize(
    "content",
    [
        Reaction(target="n1", emoji="x"),
        Edit(target="n1", text="new"),
        Delete(target="n1"),
        Rating(score=5),
        Call(call="1", event="ended"),
    ],
)
def test_what_does_not_ask_for_an_answer_does_not_reopen(content: msgspec.Struct) -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1")
    world.close("anna", world.of("v1").id)
    facts = world.write("v1", content)
    assert [type(fact) for fact in facts] == [f.MessageTaken]
    assert world.of("v1").status == "closed"


def test_a_call_that_rings_asks_for_an_answer() -> None:
    world = World(make_rules())
    assert only(world.write("v1", Call(call="1", event="ringing"), channel="phone"), f.MessageTaken).waits


def test_a_rating_of_somebody_parked_comes_to_the_last_conversation_and_leaves_again() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1")
    name = world.of("v1").id
    world.close("anna", name)
    world.wait(601_000)
    facts = world.write("v1", Rating(score=5))
    assert only(facts, f.MessageTaken).conversation == name
    assert world.records()[-1].loaded[0].log == 0
    world.wait(601_000)
    assert world.state.people == {}


@pytest.mark.parametrize("content", [Rating(score=5), Reaction(target="n1", emoji="x"), Delete(target="n1")])
def test_what_asks_for_no_answer_is_kept_and_is_nobodys_work_when_its_conversation_is_gone(
    content: msgspec.Struct,
) -> None:
    world = World(make_rules(times=Times(archive=1_000, reopen=1_000)))
    world.up("anna")
    for step in ("a stranger", "somebody whose conversation is gone"):
        facts = world.write("v1", content)
        assert [type(one) for one in facts if not isinstance(one, f.PersonCreated)] == [
            f.ConversationOpened,
            f.MessageTaken,
            f.ConversationClosed,
        ], step
        assert only(facts, f.ConversationClosed).result == "no answer needed"
        assert world.operator("anna").held == {}
        world.write("v1")
        world.close("anna", world.of("v1").id)
        world.wait(2_000)
        assert world.state.conversations == {}
    world.write("v1", Rating(score=1))
    name = world.of("v1").id
    assert only(world.write("v1", "hello?"), f.ConversationReopened).conversation == name
    assert world.conv(name).owner == "anna"


def test_what_was_changed_says_something_even_if_it_is_all_that_is_known() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1", Edit(target="n1", text="new"))
    assert world.of("v1").owner == "anna"


def test_writing_again_within_the_reopening_time_goes_on_with_the_same_conversation() -> None:
    world = World(make_rules())
    world.up("anna", "ben")
    world.write("v1")
    name, served = world.of("v1").id, world.of("v1").owner or ""
    world.reply(served, name)
    world.close(served, name)
    facts = world.write("v1", channel="mail", type="email", after=60_000)
    assert only(facts, f.ConversationReopened).conversation == name
    queued = only(facts, f.ConversationQueued)
    assert (queued.reason, queued.enqueued_at, queued.kind) == ("reopened", world.now, "deferrable")
    assert only(facts, f.Assigned).operator == served, "the last operator comes first"


def test_writing_after_the_reopening_time_begins_a_new_one_and_the_old_is_archived() -> None:
    world = World(make_rules(times=Times(reopen=1_000, archive=100_000)))
    world.up("anna")
    world.write("v1")
    first = world.of("v1").id
    world.close("anna", first)
    assert only(world.write("v1", after=1_500), f.ConversationOpened)
    person = world.state.people[world.of("v1").person]
    assert person.past == [first]
    archived = [fact for fact in world.wait(101_000) if isinstance(fact, f.ConversationArchived)]
    assert [fact.conversation for fact in archived] == [first]
    assert person.past == []
    assert first not in world.state.conversations


def test_an_archived_conversation_does_not_come_back_with_its_person() -> None:
    world = World(make_rules(times=Times(archive=700_000)))
    world.up("anna")
    world.write("v1")
    first = world.of("v1").id
    world.close("anna", first)
    world.wait(601_000)
    assert of_kind(world.wait(101_000), f.ConversationArchived)
    assert only(world.write("v1"), f.ConversationOpened).conversation != first
    assert first not in world.state.conversations


def test_the_last_conversation_is_archived_while_its_person_is_here() -> None:
    world = World(make_rules(times=Times(archive=5_000)))
    world.up("anna")
    world.write("v1")
    world.close("anna", world.of("v1").id)
    world.wait(6_000)
    (person,) = world.state.people.values()
    assert person.conversation is None


def test_languages_are_taken_from_text_and_sender_and_a_sure_one_comes_to_the_front() -> None:
    world = World(make_rules())
    sender = Sender(languages=(Language(code="en-GB", confidence=0.9),))
    world.write("v1", language=language("de", 0.5), sender=sender)
    assert world.of("v1").languages == ("de", "en")
    world.write("v1", language=language("pl"))
    assert world.of("v1").languages == ("pl", "de", "en")
    world.write("v1", language=language("en", 0.3))
    world.write("v1", language=language("pl"))
    assert world.of("v1").languages == ("pl", "de", "en")


def test_the_channel_data_of_the_last_message_comes_back_with_the_answer() -> None:
    world = World(make_rules())
    world.up("anna")
    world.write("v1", native_id="first")
    world.write("v1", native_id="second", channel_data=msgspec.Raw(b'{"thread":7}'))
    sent = only(world.reply("anna", world.of("v1").id), f.ReplySent).outbound
    assert (sent.reply_to, bytes(sent.channel_data)) == ("second", b'{"thread":7}')


# --- receipts -------------------------------------------------------------------------------------------------


def answered() -> tuple[World, str]:
    world = World(make_rules())
    world.up("anna")
    world.write("v1")
    name = world.of("v1").id
    world.reply("anna", name)
    return world, name


def test_receipts_only_rise() -> None:
    world, name = answered()
    outbound = f"{name}-2"
    assert world.receipt(outbound, ReceiptState.DELIVERED)
    assert world.receipt(outbound, ReceiptState.SENT) == []
    assert world.receipt(outbound, ReceiptState.DELIVERED) == []
    assert world.receipt(outbound, ReceiptState.READ)
    assert world.conv(name).outbounds == {}
    assert world.receipt(outbound, ReceiptState.READ) == []


def test_a_watermark_settles_earlier_answers_to_that_address_but_not_those_that_failed() -> None:
    world, name = answered()
    world.reply("anna", name)
    world.reply("anna", name)
    world.reply("anna", name)
    world.receipt(f"{name}-3", ReceiptState.FAILED)
    world.receipt(f"{name}-4", ReceiptState.DELIVERED, watermark=True)
    assert world.conv(name).outbounds == {
        f"{name}-2": ReceiptState.DELIVERED,
        f"{name}-3": ReceiptState.FAILED,
        f"{name}-4": ReceiptState.DELIVERED,
        f"{name}-5": ReceiptState.QUEUED,
    }


def test_a_channel_has_no_say_in_what_another_has_sent() -> None:
    world, name = answered()
    for state in (ReceiptState.FAILED, ReceiptState.READ):
        assert world.receipt(f"{name}-2", state, "mail", watermark=True) == []
    assert world.conv(name).outbounds == {f"{name}-2": ReceiptState.QUEUED}
    assert world.receipt(f"{name}-2", ReceiptState.SENT, "site")


def test_a_watermark_does_not_reach_what_went_through_another_channel() -> None:
    world, name = answered()
    world.write("v1", channel="ring")
    world.reply("anna", name)
    assert (world.conv(name).channels[f"{name}-2"], world.conv(name).channels[f"{name}-4"]) == ("site", "ring")
    world.receipt(f"{name}-4", ReceiptState.READ, "ring", watermark=True)
    assert world.conv(name).outbounds == {f"{name}-2": ReceiptState.QUEUED}
    assert (list(world.conv(name).targets), list(world.conv(name).channels)) == ([f"{name}-2"], [f"{name}-2"])


def test_news_of_answers_from_before_channels_were_remembered_are_still_taken() -> None:
    world, name = answered()
    for state in (world.state, world.follower):
        state.conversations[name].channels.clear()
    assert world.receipt(f"{name}-2", ReceiptState.READ)


def test_receipts_of_unknown_conversations_and_answers_are_ignored() -> None:
    world, name = answered()
    assert world.receipt("c999-1", ReceiptState.READ) == []
    assert world.receipt(f"{name}-77", ReceiptState.READ) == []


def test_news_of_very_old_answers_are_not_followed_any_more() -> None:
    world, name = answered()
    for _ in range(256):
        world.reply("anna", name)
    assert len(world.conv(name).outbounds) == 256
    assert f"{name}-2" not in world.conv(name).outbounds


# --- holding phrases ------------------------------------------------------------------------------------------

PHRASES = (
    Waiting(after=15_000, say={"en": "One moment.", "pl": "Chwileczke."}),
    Waiting(after=60_000, say={"en": "Still looking."}),
)


def test_each_holding_phrase_is_said_once_in_the_customers_language() -> None:
    world = World(make_rules(waiting=PHRASES))
    world.write("v1", language=language("pl"))
    facts = world.wait(120_000)
    said = [fact.outbound for fact in of_kind(facts, f.ReplySent)]
    assert [one.content.text for one in said if isinstance(one.content, Text)] == ["Chwileczke.", "Still looking."]
    assert all(one.author.kind == "system" for one in said)
    assert world.of("v1").replied == 0


def test_an_answer_ends_the_wait_and_the_next_message_begins_another() -> None:
    world = World(make_rules(waiting=PHRASES))
    world.up("anna")
    world.write("v1")
    world.wait(16_000)
    world.reply("anna", world.of("v1").id)
    assert of_kind(world.wait(60_000), f.ReplySent) == []
    world.write("v1")
    assert len(of_kind(world.wait(61_000), f.ReplySent)) == 2


def test_after_a_standstill_only_the_latest_phrase_is_said() -> None:
    world = World(make_rules(waiting=PHRASES))
    world.write("v1")
    facts = world.tick(300_000)
    assert [fact.waiting for fact in of_kind(facts, f.ReplySent)] == [1]


def test_no_phrase_goes_to_a_call_nor_to_an_address_whose_channel_is_gone() -> None:
    world = World(make_rules(waiting=PHRASES))
    world.write("v1", channel="phone")
    world.write("v2", channel="closed-down")
    assert of_kind(world.wait(61_000), f.ReplySent) == []


def test_a_phrase_without_a_fitting_language_is_said_in_the_one_there_is() -> None:
    world = World(make_rules(waiting=(Waiting(after=1_000, say={"ru": "Минуту"}),)))
    world.write("v1")
    said = [fact.outbound.content for fact in of_kind(world.wait(3_000), f.ReplySent)]
    assert said == [Text(text="Минуту")]


def test_fewer_phrases_in_new_rules_do_not_repeat_one() -> None:
    world = World(make_rules(waiting=PHRASES))
    world.write("v1")
    world.wait(16_000)
    world.propose(make_rules(waiting=PHRASES[:1]))
    assert of_kind(world.wait(61_000), f.ReplySent) == []


def test_notes_and_phrases_do_not_answer() -> None:
    world = World(make_rules(waiting=PHRASES))
    world.up("anna")
    world.write("v1")
    world.order("anna", AddNote(conversation=world.of("v1").id, content=Text(text="vip")))
    assert world.of("v1").unanswered
