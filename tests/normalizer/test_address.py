import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalizer.address import MAX_VALUE_LENGTH, AddressError, address, split


@pytest.mark.parametrize(
    ("scheme", "value", "expected"),
    [
        ("email", "Anna@Shop.EXAMPLE", "email:anna@shop.example"),
        ("email", '"Anna.B"@shop.example', "email:anna.b@shop.example"),
        ("email", '"a..b"@shop.example', 'email:"a..b"@shop.example'),
        ("email", "a.n.n.a+tag@shop.example", "email:a.n.n.a+tag@shop.example"),
        ("email", "\u0130@a.example", "email:i\u0307@a.example"),
        ("email", " anna@shop.example. ", "email:anna@shop.example"),
        ("email", "anna@bücher.example", "email:anna@xn--bcher-kva.example"),
        ("email", "anna@BÜCHER.example", "email:anna@xn--bcher-kva.example"),
        ("email", "анна@почта.рф", "email:анна@xn--80a1acny.xn--p1ai"),
        ("email", "jose\u0301@a.example", "email:jos\u00e9@a.example"),
        ("email", '"a b"@a.example', 'email:"a b"@a.example'),
        ("email", "a@b@mail_1.example", "email:a@b@mail_1.example"),
        ("email", "root@localhost", "email:root@localhost"),
        ("tel", "+48 22 123-45-67", "tel:+48221234567"),
        ("tel", "+1 (415) 523.8886", "tel:+14155238886"),
        ("telegram", "12345", "telegram:12345"),
        ("visitor", "AbC-9", "visitor:AbC-9"),
        ("webhook", "crm/User 7", "webhook:crm/User 7"),
        ("whatsapp", "+48 22 123-45-67", "whatsapp:+48221234567"),
        ("whatsapp", "wa/US.1349120865", "whatsapp:wa/US.1349120865"),
        ("twilio", "sms/32665", "twilio:sms/32665"),
        ("x-fediverse", "@Anna:home", "x-fediverse:@Anna:home"),
    ],
)
def test_one_person_is_written_one_way(scheme: str, value: str, expected: str) -> None:
    assert address(scheme, value) == expected
    assert split(expected) == (scheme, expected.partition(":")[2])


@pytest.mark.parametrize(
    ("scheme", "value", "complaint"),
    [
        ("Email", "a@b", "scheme 'Email' is not one"),
        ("1x", "a", "a letter first"),
        ("x" * 33, "a", "1 to 32"),
        ("telegram", "", "has no value"),
        ("telegram", " \t", "has no value"),
        ("telegram", "1\n2", "control character"),
        ("telegram", "1\u2028", "control character"),
        ("telegram", "\ud800", "half a surrogate pair"),
        ("telegram", "1" * (MAX_VALUE_LENGTH + 1), "361 characters"),
        ("email", "\u0130" * 300 + "@a.example", "610 characters"),
        ("email", "anna", "not an e-mail address"),
        ("email", "anna@", "not an e-mail address"),
        ("email", "@shop.example", "not an e-mail address"),
        ("email", "Anna <anna@shop.example", "without spaces or angle brackets"),
        ("email", "anna@shop..example", "not a name"),
        ("email", "anna@-shop.example", "not a name"),
        ("email", "anna@ü..example", "not a name"),
        ("email", "anna@" + "a" * 64 + ".example", "not a name"),
        ("tel", "0221234567", "country code first"),
        ("tel", "+1234567890123456", "7 to 15 digits"),
        ("tel", "+48\u0662\u0662\u0661234567", "not a phone number"),
        ("webhook", "user7", "does not name its channel"),
        ("webhook", "/user7", "does not name its channel"),
        ("webhook", "crm/", "does not name its channel"),
        ("whatsapp", "+0221234567", "country code first"),
        ("whatsapp", "48221234567", "does not name its channel"),
        ("twilio", "32665", "write twilio:<channel>/<value>"),
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(scheme: str, value: str, complaint: str) -> None:
    with pytest.raises(AddressError, match=complaint) as refused:
        address(scheme, value)
    assert str(refused.value).endswith(".")


def test_an_address_without_scheme_is_refused() -> None:
    with pytest.raises(AddressError, match="has no scheme"):
        split("anna")


def test_an_address_that_is_not_normalised_is_refused_with_the_right_one() -> None:
    with pytest.raises(AddressError, match=r"write 'tel:\+48221234567'"):
        split("tel:+48 221234567")


@given(st.sampled_from(["email", "tel", "telegram", "webhook", "whatsapp", "irc"]), st.text() | st.emails())
def test_normalising_twice_changes_nothing(scheme: str, value: str) -> None:
    try:
        once = address(scheme, value)
    except AddressError:
        return
    assert address(*split(once)) == once
    assert len(once.partition(":")[2]) <= MAX_VALUE_LENGTH


@given(st.text())
def test_split_raises_nothing_else(text: str) -> None:
    try:
        scheme, value = split(text)
    except AddressError:
        return
    assert f"{scheme}:{value}" == text
