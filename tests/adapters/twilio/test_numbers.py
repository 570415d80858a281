"""Who wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.twilio.numbers import normal, to_address, to_twilio
from adapters.twilio.settings import Country
from normalizer.address import AddressError, split
from tests.adapters.twilio.conftest import PATIENTLY

ALL: tuple[Country, ...] = ("AR", "BR", "MX")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+553187654321", "+5531987654321"),
        ("+5531987654321", "+5531987654321"),
        ("+551132145678", "+551132145678"),  # a landline
        ("+551178123456", "+551178123456"),  # mobile numbers that never got the ninth digit
        ("+541145678901", "+5491145678901"),
        ("+5491145678901", "+5491145678901"),
        ("+5215512345678", "+525512345678"),
        ("+525512345678", "+525512345678"),
        ("+48600100200", "+48600100200"),
        ("+14155238886", "+14155238886"),
    ],
)
def test_a_mobile_number_is_written_one_way(number: str, expected: str) -> None:
    assert normal(number, ALL) == expected
    assert normal(number, ()) == number


@pytest.mark.parametrize(
    ("sender", "wa_id", "expected"),
    [
        ("whatsapp:+48600100200", "48600100200", "whatsapp:+48600100200"),
        ("whatsapp:+5531987654321", "553187654321", "whatsapp:+5531987654321"),
        ("whatsapp:+48600100200", "", "whatsapp:+48600100200"),
        ("whatsapp:US.13491208655302741918", "", "whatsapp:wa/US.13491208655302741918"),
        ("whatsapp:US.13491208655302741918", "48600100200", "whatsapp:wa/US.13491208655302741918"),
        ("+48600100200", "", "tel:+48600100200"),
        ("32665", "", "twilio:wa/32665"),
        ("messenger:123", "", "twilio:wa/messenger:123"),
    ],
)
def test_every_sender_has_an_address(sender: str, wa_id: str, expected: str) -> None:
    assert to_address(sender, wa_id, "wa", ALL) == expected
    split(expected)
    if wa_id in ("", sender.removeprefix("whatsapp:+")):
        assert to_twilio(expected) == sender


@PATIENTLY
@given(st.text(), st.text())
def test_a_sender_is_an_address_or_none(sender: str, wa_id: str) -> None:
    try:
        found = to_address(sender, wa_id, "wa", ALL)
    except AddressError:
        return
    split(found)


@PATIENTLY
@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_the_one_way_stays(number: str) -> None:
    once = normal(number, ALL)
    assert normal(once, ALL) == once
