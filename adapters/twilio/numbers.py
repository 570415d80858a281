"""Who wrote: Twilio's addresses to ours and back, and numbers that are written in two ways to one. Pure.

Mobile numbers of Brazil (ninth digit), Argentina (9 before the area code) and Mexico (1 before it) differ between what
was dialled and what WhatsApp says; both must be one person. The longer forms are the normal ones for Brazil and
Argentina, the shorter one for Mexico.
"""

import re
from collections.abc import Collection

import phonenumbers

from adapters.twilio.settings import WHATSAPP, Country
from normalizer.address import address

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_RULES: dict[Country, tuple[re.Pattern[str], str]] = {
    "AR": (re.compile(r"\+54([1-8][0-9]{9})"), r"+549\1"),
    "BR": (re.compile(r"\+55([1-9]{2})([6-9][0-9]{7})"), r"+55\g<1>9\2"),
    "MX": (re.compile(r"\+521([1-9][0-9]{9})"), r"+52\1"),
}
_MOBILE = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)


def to_address(sender: str, wa_id: str, channel: str, variants: Collection[Country]) -> str:
    """Give our address of a Twilio one such as ``whatsapp:+48...`` or ``+48...``. Raises AddressError.

    ``wa_id``, where there is one, is the number that WhatsApp knows the sender by, without ``+``. What is no phone
    number (a business-scoped user id, a short code) counts within its channel only.
    """
    name = sender.removeprefix(WHATSAPP)
    known = f"+{wa_id}"
    if not sender.startswith(WHATSAPP):
        return address("tel", name) if _E164.fullmatch(name) else address("twilio", f"{channel}/{sender}")
    if _E164.fullmatch(known) and _E164.fullmatch(name):
        return address("whatsapp", normal(known, variants))
    return address("whatsapp", normal(name, variants) if _E164.fullmatch(name) else f"{channel}/{name}")


def to_twilio(ours: str) -> str:
    """Give Twilio's address of one of ours; the reverse of :func:`to_address` but for variants of a number."""
    scheme, _, value = ours.partition(":")
    match scheme:
        case "tel":
            return value
        case "whatsapp":
            return WHATSAPP + (value if value.startswith("+") else value.partition("/")[2])
        case _:
            return value.partition("/")[2]


def normal(number: str, variants: Collection[Country]) -> str:
    """Give the one way to write a mobile number; all other numbers stay as they are."""
    for country in variants:
        pattern, other = _RULES[country]
        found = pattern.fullmatch(number)
        if found and (country == "AR" or not _is_mobile(number)) and _is_mobile(found.expand(other)):
            return found.expand(other)
    return number


def _is_mobile(number: str) -> bool:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.number_type(parsed) in _MOBILE
