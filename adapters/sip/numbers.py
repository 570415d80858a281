"""Who is on the line: SIP URIs and numbers, written as the one address of a person. Pure.

A number in international form (E.164) is a ``tel:`` address. Whoever has none is known within this channel only, as
``sip:<channel>/user@host``; a caller who hides is somebody new in each call.
"""

import re
from collections.abc import Collection

import phonenumbers
from msgspec import Struct

from normalizer.address import address

SCHEME = "sip"
LONGEST_URI = 255

_URI = re.compile(r"(?:(?P<scheme>sips?|tel):)?(?P<user>[^@;?<>\s]*)(?:@(?P<host>[^;?<>\s]+))?")
_NAME_ADDR = re.compile(r'(?:\s*"(?:[^"\\]|\\.)*"\s*|[^"<>]*)<([^<>]*)>')
"""RFC 3261 section 25.1: a caller's name is the caller's choice, and may hold what looks like somebody else's URI."""

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What no telephone system takes for anything but a number or a name; `*` and `#` begin its commands."""

_DIGITS = re.compile(r"\+?[0-9]{1,32}")

_PORT = re.compile(r":[0-9]{1,5}$")
_NUMBER = re.compile(r"\+?[0-9][0-9 ().-]{2,30}")
_HIDDEN = frozenset({"", "anonymous", "unavailable", "unknown", "restricted", "private", "withheld"})
_HIDDEN_IN = "anonymous?"
"""With a sign that no user has, so that nobody can be called like somebody who hides."""

HIDDEN_HOST = "anonymous.invalid"
"""RFC 3323 section 4.1.1.3."""


class Uri(Struct, frozen=True):
    """What matters of a SIP or tel URI (RFC 3261 section 19.1, RFC 3966); parameters are left out."""

    user: str
    host: str = ""

    def __str__(self) -> str:
        return f"sip:{self.user}@{self.host}" if self.host else f"sip:{self.user}"


def parse(text: str) -> Uri:
    """Read a URI, a plain number, or a name-addr such as ``"Zoe" <sip:+48...@host;user=phone>``."""
    if "<" in text or '"' in text:
        named = _NAME_ADDR.match(text)
        text = named[1] if named is not None else ""
    match = _URI.match(text.strip()[:LONGEST_URI])
    if match is None:
        return Uri("")
    host = (match["host"] or "").lower()
    return Uri(match["user"].partition(":")[0], host)


def plain(text: str) -> str:
    """Write a URI without name and parameters, the way an operator's phone stands in the configuration."""
    return str(parse(text)) if text.strip() else ""


def number(user: str, country: str) -> str | None:
    """Give the number as E.164, or None. ``country`` (ISO 3166) is where numbers without a + are at home."""
    if not _NUMBER.fullmatch(user):
        return None
    try:
        found = phonenumbers.parse(user, country or None)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164) if _is_one(found) else None


def _is_one(found: phonenumbers.PhoneNumber) -> bool:
    """Whether it can be somebody's number; short ones are extensions of the telephone system."""
    return bool(phonenumbers.is_possible_number(found))


def person(text: str, *, channel: str, country: str, call: str) -> str:
    """Give the address of whoever a URI means; of somebody who hides, one of this ``call`` alone."""
    uri = parse(text)
    found = number(uri.user, country)
    if found is not None:
        return address("tel", found)
    if uri.user.lower() in _HIDDEN or uri.host == HIDDEN_HOST:
        return address(SCHEME, f"{channel}/{_HIDDEN_IN}{call}")
    host = _PORT.sub("", uri.host)  # a phone may come from another port each time
    return address(SCHEME, f"{channel}/{uri.user}@{host}" if host else f"{channel}/{uri.user}")


def hides(whose: str, channel: str) -> bool:
    """Tell whether an address of :func:`person` is that of somebody who hid the number."""
    return whose.startswith(f"{SCHEME}:{channel}/{_HIDDEN_IN}")


def called(text: str, country: str) -> str:
    """Give our own number that was called: E.164 where it is one, else as it was dialled."""
    user = parse(text).user
    return number(user, country) or user


def dialled(to: str, channel: str, hosts: Collection[str] = ()) -> str:
    """Give what is dialled to reach an address of :func:`person`; empty where nobody knows, or where it may not be.

    A caller chooses name and host freely, and the name goes into commands here. So a name is dialled only where its
    host is one of our own ``hosts``; a number always, unless it is the name of somebody on another host.
    """
    scheme, _, value = to.partition(":")
    if scheme == "tel":  # of any channel, also of one that somebody else has written
        return value if _DIGITS.fullmatch(value) else ""
    if scheme != SCHEME or not value.startswith(f"{channel}/"):
        return ""
    user, _, host = value.removeprefix(f"{channel}/").partition("@")
    safe = _NAME.fullmatch(user) and host in hosts if host else _DIGITS.fullmatch(user)
    return user if safe else ""
