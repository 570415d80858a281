"""The life of a call, and who is on the line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.sip import numbers
from adapters.sip.call import LISTED, LOST, RANK, Event, LiveCall, Place, advance, begin, vanished
from adapters.sip.causes import TO_Q850, TO_SIP, Cause, completed, read_reason
from normalizer.address import AddressError, split
from normalizer.content import Call
from normalizer.envelope import Envelope

POLAND = Place("phone", "PL")
FIRST = Event(call="c-1", kind="initiated", at=1_000, seq="1", customer="sip:600100200@trunk.example:5060")


def live(*events: Event, place: Place = POLAND) -> tuple[LiveCall, list[Envelope]]:
    """Let a call live through events; gives what it is and what it said."""
    call, told = begin(events[0], place, now=events[0].at), []
    for number, event in enumerate(events):
        if (after := advance(call, event, place, new_id=f"id-{number}")) is not None and after.last is not None:
            call = after
            told.append(after.last)
    return call, told


def event(kind: str, seq: str = "1", **changes: object) -> Event:
    return replace(FIRST, kind=kind, seq=seq, **changes)


def kinds(told: list[Envelope]) -> list[str]:
    return [envelope.content.event for envelope in told if isinstance(envelope.content, Call)]


def test_a_whole_call_is_told_in_order() -> None:
    call, told = live(
        FIRST,
        event("ringing", to="sip:anna@pbx", at=2_000),
        event("answered", at=5_000),
        event("held", at=6_000),
        event("answered", "2", at=7_000),
        event("transferred", to="sip:ben@pbx", at=8_000),
        event("ended", at=65_000, cause=Cause(q850=16)),
        event("recording", at=66_000),
    )
    assert kinds(told) == [
        "initiated",
        "ringing",
        "answered",
        "held",
        "answered",
        "transferred",
        "ended",
        "recording",
    ]
    assert [envelope.native_id for envelope in told] == [
        "c-1/initiated",
        "c-1/ringing/1",
        "c-1/answered",
        "c-1/held/1",
        "c-1/answered/2",
        "c-1/transferred/1",
        "c-1/ended",
        "c-1/recording/1",
    ]
    assert call.over
    end = told[-2].content
    assert isinstance(end, Call)
    assert (end.duration, end.to, end.sip, end.q850) == (60_000, "sip:ben@pbx", 0, 16)
    assert {envelope.address for envelope in told} == {"tel:+48600100200"}


@pytest.mark.parametrize("kind", ["initiated", "ringing", "answered", "held", "transferred", "ended", "failed"])
def test_nothing_follows_an_end(kind: str) -> None:
    _, told = live(FIRST, event("failed", cause=Cause(sip=486)), event(kind, "late"))
    assert kinds(told) == ["initiated", "failed"]


def test_the_same_news_twice_is_told_once() -> None:
    _, told = live(
        FIRST, FIRST, event("ringing", to="a"), event("ringing", to="a"), event("answered"), event("answered")
    )
    assert kinds(told) == ["initiated", "ringing", "answered"]


def test_a_call_does_not_go_back() -> None:
    _, told = live(FIRST, event("answered"), event("ringing", to="a"), event("initiated", "2"))
    assert kinds(told) == ["initiated", "answered"]


def test_another_phone_that_rings_is_news() -> None:
    _, told = live(FIRST, event("ringing", "1", to="a"), event("ringing", "2", to="a"), event("ringing", "3", to="b"))
    assert [envelope.native_id for envelope in told[1:]] == ["c-1/ringing/1", "c-1/ringing/3"]


def test_what_is_said_again_after_what_came_since_changes_nothing() -> None:
    """A telephone system posts an event again because its answer was lost, after others have been taken."""
    rings = event("ringing", "1", to="a")
    holds = event("held", "3")
    call, told = live(
        FIRST, rings, event("ringing", "2", to="b"), rings, event("answered"), holds, event("answered", "4"), holds
    )
    assert (call.to, call.held) == ("b", False)
    assert kinds(told) == ["initiated", "ringing", "ringing", "answered", "held", "answered"]
    assert advance(call, event("held", "5"), POLAND, new_id="x") is not None


def test_events_that_an_earlier_release_has_noted_are_known_again() -> None:
    call, _ = live(FIRST, event("ringing", "1", to="a"))
    old = replace(call, seen={"initiated": "1", "ringing": "1"})
    assert advance(old, event("ringing", "1", to="b"), POLAND, new_id="x") is None


def test_a_list_of_calls_does_not_say_that_nobody_is_on_hold() -> None:
    call, _ = live(FIRST, event("answered"), event("held", "2"))
    assert advance(call, event("answered", LISTED), POLAND, new_id="x") is None


def test_an_event_with_a_name_of_its_own_is_told_by_it_whatever_is_known_of_the_call() -> None:
    """Who has not seen what came before must call it the same, and must not take it for a repetition."""
    resumed = event("answered", "e-5", named=True)
    call, told = live(FIRST, event("answered", "e-3", named=True), event("held", "e-4", named=True), resumed)
    _, fresh = live(resumed)
    assert told[-1].native_id == fresh[-1].native_id == "c-1/answered/e-5"
    for kind in ("held", "answered"):
        assert advance(call, event(kind, "e-6", named=True), POLAND, new_id="x") is not None
        assert advance(replace(call, held=True), event(kind, LISTED, named=True), POLAND, new_id="x") is not None


def test_a_recording_that_is_ready_ends_no_hold() -> None:
    _, told = live(FIRST, event("answered"), event("held", "2"), event("recording", "3"), event("answered", "4"))
    assert kinds(told) == ["initiated", "answered", "held", "recording", "answered"]


def test_a_call_may_be_joined_in_the_middle() -> None:
    call, told = live(event("answered"), event("ended", at=9_000))
    assert kinds(told) == ["answered", "ended"]
    assert call.address == "tel:+48600100200"


def test_a_call_that_vanished_ends_without_a_cause() -> None:
    call, _ = live(FIRST, event("answered", at=2_000))
    last = advance(call, vanished(call, 9_000), POLAND, new_id="x")
    assert last is not None
    assert last.last is not None
    content = last.last.content
    assert isinstance(content, Call)
    assert (content.event, content.sip, content.q850, content.reason) == ("ended", 0, 0, LOST)


def test_a_failure_bears_both_causes() -> None:
    _, told = live(FIRST, event("failed", cause=Cause(sip=486)))
    content = told[-1].content
    assert isinstance(content, Call)
    assert (content.sip, content.q850) == (486, 17)


def test_calls_of_ours_are_of_the_customer() -> None:
    outwards = replace(FIRST, direction="out", customer="+48600100200", to="sip:anna@pbx")
    _, told = live(outwards)
    assert told[0].address == "tel:+48600100200"
    content = told[0].content
    assert isinstance(content, Call)
    assert (content.direction, content.to) == ("out", "sip:anna@pbx")


KINDS = [*RANK, "recording"]


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from("123"), st.sampled_from(["", "a", "b"])), max_size=20)
)
def test_whatever_a_source_says_a_call_moves_forward_and_ids_are_told_once(news: list[tuple[str, str, str]]) -> None:
    _, told = live(FIRST, *(event(kind, seq, to=to) for kind, seq, to in news))
    ranks = [RANK[kind] for kind in kinds(told) if kind != "recording"]  # type: ignore[index] # they are kinds
    assert ranks == sorted(ranks)
    assert sum(kind in ("ended", "failed") for kind in kinds(told)) <= 1
    ids = [envelope.native_id for envelope in told]
    assert len(set(ids)) == len(ids)


# --- who ---


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("sip:+48600100200@trunk.example;user=phone", "tel:+48600100200"),
        ("sip:0048600100200@trunk.example", "tel:+48600100200"),
        ("sip:600100200@trunk.example:5060", "tel:+48600100200"),
        ('"Zoe" <sip:+48-600-100-200@trunk.example>;tag=x', "tel:+48600100200"),
        ("tel:+48-600-100-200", "tel:+48600100200"),
        ("+48600100200", "tel:+48600100200"),
        ("sip:101@pbx.example", "sip:phone/101@pbx.example"),
        ("sip:zoe@Example.ORG:5070;transport=tcp", "sip:phone/zoe@example.org"),
        ("sips:zoe:secret@example.org", "sip:phone/zoe@example.org"),
        (r'"\" <sip:+48600100300@x>" <sip:101@pbx.example>', "sip:phone/101@pbx.example"),
        ('"<sip:+48600100300@x>" <sip:101@pbx.example>', "sip:phone/101@pbx.example"),
        ('<sip:101@pbx.example>;x="<sip:+48600100300@x>"', "sip:phone/101@pbx.example"),
        ('"Zoe <sip:+48600100300@x>', "sip:phone/anonymous?c-1"),
        ("anonymous-c-1", "sip:phone/anonymous-c-1"),
        ("anonymous?c-1", "sip:phone/anonymous?c-1"),
        ("sip:anonymous@anonymous.invalid", "sip:phone/anonymous?c-1"),
        ("sip:Anonymous@trunk.example", "sip:phone/anonymous?c-1"),
        ("sip:x@anonymous.invalid", "sip:phone/anonymous?c-1"),
        ("", "sip:phone/anonymous?c-1"),
    ],
)
def test_a_caller_is_written_in_one_way(uri: str, address: str) -> None:
    found = numbers.person(uri, channel="phone", country="PL", call="c-1")
    assert found == address
    split(found)


def test_a_number_without_a_country_is_known_within_the_channel_only() -> None:
    assert numbers.person("sip:600100200@t", channel="phone", country="", call="c") == "sip:phone/600100200@t"


@pytest.mark.parametrize(
    ("address", "dialled"),
    [
        ("tel:+48600100200", "+48600100200"),
        ("tel:*72900", ""),
        ("tel:+48600100200@elsewhere.example", ""),
        ("sip:phone/101@pbx.example", "101"),
        ("sip:phone/zoe@pbx.example", "zoe"),
        ("sip:phone/101@elsewhere.example", ""),
        ("sip:phone/112@pbx.example.elsewhere", ""),
        ("sip:phone/*72900@pbx.example", ""),
        ("sip:phone/*72900", ""),
        ("sip:phone/zoe", ""),
        ("sip:phone/600100200", "600100200"),
        ("sip:phone/anonymous?c-1", ""),
        ("sip:phone/anonymous-joe@pbx.example", "anonymous-joe"),
        ("sip:phone/101,sip:ben@pbx.example", ""),
        ("sip:phone/101%0d%0aX:1@pbx.example", ""),
        ('sip:phone/1"&PJSIP/2@pbx.example', ""),
        ("sip:other/101@pbx.example", ""),
        ("email:a@b.example", ""),
    ],
)
def test_it_is_known_how_to_call_back(address: str, dialled: str) -> None:
    assert numbers.dialled(address, "phone", ["pbx.example"]) == dialled


def test_without_hosts_of_our_own_only_numbers_are_called() -> None:
    assert numbers.dialled("sip:phone/101@pbx.example", "phone") == ""
    assert numbers.dialled("sip:phone/101", "phone") == "101"


@given(st.text(max_size=60))
def test_anything_in_the_place_of_a_caller_is_somebody_or_refused(text: str) -> None:
    try:
        split(numbers.person(text, channel="phone", country="PL", call="c-1"))
    except AddressError:
        assert not text.isprintable() or max(text) >= "\ud800"


# --- why ---


def test_a_reason_header_may_hold_both() -> None:
    header = 'SIP;cause=200;text="Call completed elsewhere", Q.850 ;cause=26; text="Non-selected"'
    assert read_reason(header) == Cause(sip=200, q850=26, text="Non-selected")


@pytest.mark.parametrize("header", ["", "nonsense", "Q.850", "Q.850;cause=abc", "X;cause=16"])
def test_other_headers_say_nothing(header: str) -> None:
    assert read_reason(header) == Cause()


def test_causes_are_filled_in_for_failures_only() -> None:
    assert completed(Cause(q850=17), failed=True).sip == 486
    assert completed(Cause(sip=486), failed=True).q850 == 17
    assert completed(Cause(q850=16), failed=False) == Cause(q850=16)
    assert completed(Cause(sip=299), failed=True) == Cause(sip=299)


def test_the_tables_hold_codes_and_causes() -> None:
    assert all(400 <= sip < 700 and 0 < cause < 128 for sip, cause in TO_Q850.items())
    assert all(400 <= sip < 700 and 0 < cause < 128 for cause, sip in TO_SIP.items())
