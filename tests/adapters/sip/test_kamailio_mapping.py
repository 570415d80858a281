"""What trunkline.cfg says, in our words."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sip.causes import Cause
from adapters.sip.kamailio.mapping import BadWord, decode, read_list, to_event, to_events, to_refusal

NOW = 1_800_000_000_000


def said(**words: object) -> bytes:
    plain = {
        "event": "initiated",
        "call": "c-1",
        "direction": "in",
        "from": "sip:+48600100200@trunk",
        "name": '"Zoe"',
        "called": "48221234567",
        "to": "",
        "wish": "<null>",
        "sip": 0,
        "at": "1795341616.913297",
    }
    return msgspec.json.encode({**plain, **words})


def test_an_event_says_who_when_and_why() -> None:
    event = to_event(decode(said(event="ended", reason='Q.850;cause=16;text="bye"', to="sip:anna@pbx")), now=NOW)
    assert (event.kind, event.customer, event.called, event.to) == (
        "ended",
        "sip:+48600100200@trunk",
        "48221234567",
        "sip:anna@pbx",
    )
    assert (event.at, event.seq, event.cause) == (1795341616913, "1795341616.913297", Cause(q850=16, text="bye"))


def test_a_call_of_ours_is_of_the_one_who_is_called() -> None:
    event = to_event(decode(said(direction="out", to='"Anna" <sip:anna@PBX.example;transport=udp>')), now=NOW)
    assert (event.customer, event.called, event.to) == ("48221234567", "", "sip:anna@pbx.example")


def test_a_transfer_names_where_to() -> None:
    event = to_event(decode(said(event="transferred", refer="<sip:ben@pbx>;method=INVITE")), now=NOW)
    assert (event.kind, event.to) == ("transferred", "sip:ben@pbx")


def test_a_time_that_is_none_is_now() -> None:
    assert to_event(decode(said(at="<null>")), now=NOW).at == NOW


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", said(event="exploded"), said(sip="x"), b'{"event": "ringing"}'])
def test_what_is_no_event_is_refused(payload: bytes) -> None:
    with pytest.raises(BadWord):
        to_event(decode(payload), now=NOW)


@given(st.binary(max_size=300) | st.dictionaries(st.text(max_size=9), st.text(max_size=9)).map(msgspec.json.encode))
def test_no_bytes_break_the_reading(payload: bytes) -> None:
    with contextlib.suppress(BadWord):
        to_event(decode(payload), now=NOW)


@pytest.mark.parametrize(
    ("sip", "code"), [(486, "busy"), (408, "no_answer"), (404, "not_registered"), (603, "declined"), (418, "not_taken")]
)
def test_a_refusal_is_a_receipt_of_the_wish(sip: int, code: str) -> None:
    receipt = to_refusal(decode(said(event="refused", wish="c1-1", sip=sip)), now=NOW)
    assert receipt is not None
    assert (receipt.outbound, receipt.code, receipt.at) == ("c1-1", code, 1795341616913)


def test_a_refusal_without_a_wish_is_nobodys() -> None:
    assert to_refusal(decode(said(event="refused")), now=NOW) is None


def dialog(state: int, **words: object) -> dict[str, object]:
    variables = [
        {"tl_dir": "in"},
        {"tl_called": "48221234567"},
        {"tl_started": "1795341616.5"},
        {"tl_to": "sip:anna@pbx"},
    ]
    plain = {"call-id": f"c-{state}", "from_uri": "sip:+48600100200@trunk", "state": state, "start_ts": 1795341620}
    return {**plain, "variables": variables, **words}


def test_a_list_tells_where_each_call_stands() -> None:
    others = {"call-id": "x", "state": 4, "variables": []}
    dialogs = read_list(msgspec.json.encode({"result": [dialog(1), dialog(4), dialog(5), others]}))
    assert [entry.waits for entry in dialogs] == [True, False]
    events = to_events(dialogs, now=NOW)
    assert {name: [event.kind for event in found] for name, found in events.items()} == {
        "c-1": ["initiated"],
        "c-4": ["initiated", "answered"],
    }
    begun, answered = events["c-4"]
    assert (begun.at, begun.called, begun.to) == (1795341616500, "48221234567", "")
    assert (answered.at, answered.to) == (1795341620000, "sip:anna@pbx")


def test_a_list_that_is_none_is_refused() -> None:
    with pytest.raises(BadWord):
        read_list(b"<html>")
