"""Whatever Twilio signs, the mapping gives envelopes that the router takes, or says what is wrong."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from adapters.testing.context import made_id
from adapters.twilio.mapping import Found, Missing, read_card, read_trace, to_envelopes, to_receipt
from adapters.twilio.numbers import to_address
from adapters.twilio.wire import ATTRIBUTES, Unreadable, read_form, read_json, read_message, read_status
from normalizer.address import AddressError
from normalizer.codec import encode_envelope
from normalizer.content import ContactCard, Media, StoredFile
from tests.adapters.twilio.conftest import PATIENTLY

NAMES = [
    "MessageSid", "SmsSid", "From", "To", "Body", "NumMedia", "MediaUrl0", "MediaContentType0", "WaId", "ProfileName",
    "ButtonText", "ButtonPayload", "ListId", "ListTitle", "Latitude", "Longitude", "Label", "Address", "MessageType",
    "OriginalRepliedMessageSid", "MessageStatus", "ErrorCode", *ATTRIBUTES,
]  # fmt: skip
SID = st.text("0123456789abcdefS", max_size=40)
WORD = st.one_of(st.text(), st.floats().map(str), st.integers().map(str), SID, st.just("whatsapp:+48600100200"))
PARAMS = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=10), WORD), max_size=40)
FILE = StoredFile(name="f", size=1, key="k")
FOUND: st.SearchStrategy[list[Found]] = st.lists(
    st.one_of(
        st.builds(Media, file=st.just(FILE), type=st.just("image/png"), filename=st.text(max_size=10)),
        st.builds(ContactCard, name=st.text(max_size=10)),
        st.builds(Missing, st.text(max_size=100)),
    ),
    max_size=10,
)


def sane(pairs: list[tuple[str, str]]) -> MultiDict[str]:
    """What bytes from the wire can become."""
    return MultiDict((key, value.encode("utf-8", "replace").decode()) for key, value in pairs)


@PATIENTLY
@given(PARAMS, SID.map(lambda sid: f"SM{sid}"), FOUND)
def test_a_message_is_envelopes_or_unreadable(pairs: list[tuple[str, str]], sid: str, found: list[Found]) -> None:
    params = sane([("MessageSid", sid), *pairs, ("From", "whatsapp:+48600100200"), ("To", "whatsapp:+1415")])
    try:
        message = read_message(params)
        address = to_address(message.sender, message.wa_id, "wa", ("AR", "BR", "MX"))
    except (Unreadable, AddressError):
        return
    ids = iter(range(10))
    made = to_envelopes(message, found, channel="wa", address=address, new_id=lambda: made_id(next(ids)), now=1)
    assert 1 <= len(made) <= 2
    assert len({one.native_id for one in made}) == len(made)
    assert {one.address for one in made} == {address}
    for envelope in made:
        assert read_trace(envelope.channel_data) is not None
        encode_envelope(envelope)


@PATIENTLY
@given(PARAMS, st.text())
def test_a_status_is_a_receipt_or_unreadable(pairs: list[tuple[str, str]], outbound: str) -> None:
    try:
        status = read_status(sane(pairs), outbound)
    except Unreadable:
        return
    receipt = to_receipt(status, now=1)
    if receipt is not None:
        msgspec.convert(msgspec.to_builtins(receipt), type(receipt))


@PATIENTLY
@given(st.binary())
def test_any_body_is_parameters_or_unreadable(body: bytes) -> None:
    for read in (read_form, read_json):
        try:
            params = read(body)
        except Unreadable:
            continue
        for key, value in params.items():
            f"{key}{value}".encode()


@PATIENTLY
@given(st.text())
def test_any_text_is_a_contact_or_none(text: str) -> None:
    for card in (text, f"BEGIN:VCARD\n{text}\nEND:VCARD", f"BEGIN:VCARD\nFN:{text}\nTEL:{text}"):
        found = read_card(card)
        if found is not None:
            msgspec.convert(msgspec.to_builtins(found), ContactCard)


def test_two_contacts_in_one_file_are_a_file() -> None:
    one = "BEGIN:VCARD\nFN:A\nEND:VCARD\n"
    assert read_card(one) == ContactCard(name="A")
    assert read_card(one * 2) is None
    assert read_card("BEGIN:VCARD\nEND:VCARD") is None


def test_a_name_in_parts_and_folded_lines_are_read() -> None:
    card = "BEGIN:VCARD\r\nN:Nowak;Jan;;;\r\nTEL;TYPE=CELL:tel:+48\r\n 22\r\nEND:VCARD"
    assert read_card(card) == ContactCard(name="Nowak Jan", phones=("+4822",))


@pytest.mark.parametrize("body", [b"[" * 5_000, b"null", b"[]", b'{"a": {"b": 1}}', b'{"a": "\\ud800"}', b"\xff"])
def test_json_that_is_no_set_of_parameters(body: bytes) -> None:
    with contextlib.suppress(Unreadable):
        assert read_json(body) == MultiDict()
