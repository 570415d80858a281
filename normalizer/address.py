"""Addresses: who or where on a channel, as ``scheme:value``, the same person always written the same way.

An address is the key of a person (promise P7), so a value means one person or place in the whole workspace. A value
that is unique within one configured channel only is qualified by that channel's name: ``webhook:<channel>/<value>``,
and likewise for any scheme of a plugin whose provider counts its users anew for each account.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import partial

import idna

MAX_VALUE_LENGTH = 360

_SCHEME = re.compile(r"[a-z][a-z0-9+-]{0,31}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_QUOTED_NEEDLESSLY = re.compile(r"\"([\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*)\"")
_PHONE_PUNCTUATION = str.maketrans("", "", " -.()/\u00a0\u2010\u2011\u2013")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class AddressError(ValueError):
    """Not an address; the message says what is wrong with it and what was expected."""


def address(scheme: str, value: str) -> str:
    """Return the one way to write ``value`` of ``scheme``. Raises AddressError.

    ``email``: lower case, the domain in ASCII (IDNA 2008 with UTS 46), no quotes where none are needed. The part before
    the @ is the receiver's own business (RFC 5321 section 2.3.11), but no mail service tells ``Anna`` from ``anna``,
    while people and programs write both: one customer is one address. Dots and ``+tags`` stay: where they are ignored
    is known to the service alone. ``tel``: ``+`` and the digits of E.164.
    ``whatsapp``: the same, or ``<channel>/<user id>`` where a customer hides the number. All others stay as they are.
    """
    if not _SCHEME.fullmatch(scheme):
        raise AddressError(
            f"The scheme {scheme!r} is not one: 1 to 32 lower-case letters, digits, + and -, a letter first."
        )
    _check_value(scheme, value)
    normalise = _NORMALISERS.get(scheme)
    if normalise is None:
        return f"{scheme}:{value}"
    normal = normalise(value)
    _check_length(scheme, normal)
    return f"{scheme}:{normal}"


def split(address: str) -> tuple[str, str]:
    """Return the scheme and the value of an address. Raises AddressError if it is none or not normalised."""
    scheme, colon, value = address.partition(":")
    if not colon:
        raise AddressError(f"The address {address!r} has no scheme: write scheme:value, for example email:a@b.example.")
    normal = _address(scheme, value)
    if normal != address:
        raise AddressError(f"The address {address!r} is not normalised: write {normal!r}.")
    return scheme, value


_address = address
"""For :func:`split`, whose argument bears that name."""


def _check_value(scheme: str, value: str) -> None:
    if not value.strip():
        raise AddressError(f"The {scheme} address has no value: write {scheme}:value.")
    _check_length(scheme, value)
    if not value.isprintable() and _UNPRINTABLE.search(value):
        raise AddressError(f"The {scheme} address {value!r} holds a control character or half a surrogate pair.")


def _check_length(scheme: str, value: str) -> None:
    """Lower case and ASCII domains can be longer than what was written, so this is looked at before and after."""
    if len(value) > MAX_VALUE_LENGTH:
        raise AddressError(
            f"The {scheme} address is {len(value)} characters long; {MAX_VALUE_LENGTH} are allowed after the scheme."
        )


def _email(value: str) -> str:
    local, at, domain = value.strip().rpartition("@")
    if not (local and at and domain) or (any(map(str.isspace, local)) and not local.startswith('"')):
        raise AddressError(f"{value!r} is not an e-mail address: write name@domain, without spaces or angle brackets.")
    plain = _QUOTED_NEEDLESSLY.fullmatch(local)
    local = unicodedata.normalize("NFC", (plain[1] if plain else local).lower())
    return f"{local}@{_host(domain)}"


def _host(domain: str) -> str:
    """Plain ASCII names are taken as mail servers use them, underscores included, which IDNA forbids."""
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as error:
            raise AddressError(f"The domain {domain!r} of the e-mail address is not a name: {error}.") from error
    host = domain.lower().removesuffix(".")
    if not _HOST.fullmatch(host):
        raise AddressError(
            f"The domain {domain!r} of the e-mail address is not a name: write for example shop.example."
        )
    return host


def _tel(value: str) -> str:
    number = value.translate(_PHONE_PUNCTUATION)
    if not _E164.fullmatch(number):
        raise AddressError(
            f"{value!r} is not a phone number in international form: write + and 7 to 15 digits, country code first."
        )
    return number


def _qualified(scheme: str, value: str) -> str:
    channel, slash, sender = value.partition("/")
    if not (channel and slash and sender):
        raise AddressError(
            f"The {scheme} address {value!r} does not name its channel: write {scheme}:<channel>/<value>."
        )
    return value


def _whatsapp(value: str) -> str:
    """A phone number, or (a business-scoped user id) something that only the account of one channel knows."""
    return _tel(value) if value.startswith("+") else _qualified("whatsapp", value)


_NORMALISERS: dict[str, Callable[[str], str]] = {
    "email": _email,
    "tel": _tel,
    "twilio": partial(_qualified, "twilio"),
    "webhook": partial(_qualified, "webhook"),
    "whatsapp": _whatsapp,
}
