"""Translation, and nothing else: lines to envelopes, answers to lines, numbers to errors. Pure."""

import re
from collections.abc import Sequence

from adapters.errors import RateLimited, Refused, SendError, TryLater, Unreachable
from normalizer.address import address
from normalizer.content import Text
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Outbound
from normalizer.plain import clean_text

from trunkline_irc.wire import Line

TYPE = "irc"
PAUSE = 10.0
"""Seconds to wait when a server asks for a pause and does not say how long."""

WHO, BUSY = "311", "263"
TOO_FAST = ("439", "707")
NOBODY = ("401", "406")

_PEOPLE = re.compile(r"(?P<nick>[^!@\s]+)!(?P<user>[^!@\s]+)@(?P<host>[^!@\s]+)")
_GROUPS = "#&+!$@%~"
"""A target that begins so is a group of people, not us."""

_ACTION = re.compile("\x01ACTION (.*?)\x01?")
_FORMAT = re.compile("\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?|\x04(?:[0-9A-Fa-f]{6})?|[\x02\x0f\x11\x16\x1d\x1e\x1f]")
"""Colours and faces of letters (https://modern.ircdocs.horse/formatting)."""

# RFC 1459 section 2.2: because of IRC's Scandinavian origin {}|^ are the lower-case letters of []\~.
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ[]\\~", "abcdefghijklmnopqrstuvwxyz{}|^")


def to_envelope(said: Line, channel: str, *, number: str, new_id: str, now: int) -> Envelope | None:
    """Read what somebody wrote to us; None for all else that a server says.

    ``number`` names the line where the server does not: it repeats nothing, so any name is the only one.
    Raises ValueError: it is a message, and broken.
    """
    person = _PEOPLE.fullmatch(said.source)
    if said.command != "PRIVMSG" or person is None or (said.params and said.params[0][0] in _GROUPS):
        return None
    if len(said.params) != 2:  # noqa: PLR2004 - whom, and what
        raise ValueError("a message needs a recipient and a text")
    text = _plain(said.params[1])
    if not text:
        return None
    return Envelope(
        id=new_id,
        at=now,
        channel=channel,
        type=TYPE,
        native_id=said.tags.get("msgid") or number,
        address=address(TYPE, f"{channel}/{mask(person['nick'], person['user'], person['host'])}"),
        content=Text(text=text),
        sender=Sender(name=person["nick"][:255]),
    )


def mask(nick: str, user: str, host: str) -> str:
    """Name a person: a nickname alone may be somebody else's in a minute."""
    return f"{nick.translate(_LOWER)}!{user}@{host}"


def recipient(outbound: Outbound) -> str:
    """Give the mask of the person that an answer is for."""
    return outbound.address.partition("/")[2]


def to_text(outbound: Outbound) -> str:
    """Write an answer on one line, as there is only one. Raises Refused."""
    if not isinstance(outbound.content, Text):
        raise Refused("not_text", "IRC carries text only.")
    return " ".join(row.strip() for row in clean_text(outbound.content.text).splitlines() if row.strip())


def absence(replies: Sequence[Line], wanted: str) -> SendError | None:
    """Say why an answer must not be sent, from what the server knows of the person; None: it may."""
    if any(reply.command == BUSY for reply in replies):
        return TryLater("busy", "The server is busy and does not say who is there.")
    known = next((reply.params for reply in replies if reply.command == WHO), ())
    match known:
        case (_, nick, user, host, *_):
            if mask(nick, user, host) == wanted:
                return None
            return Unreachable("somebody_else", "The nickname belongs to somebody else now.")
        case _:
            return Unreachable("gone", "The customer is not connected any more.")


def refusal(replies: Sequence[Line]) -> SendError | None:
    """Say why a message was not delivered, from what the server answered; None: it was."""
    for reply in replies:
        words = reply.params[-1] if reply.params else ""
        if reply.command in TOO_FAST:
            seconds = re.search(r"[0-9]+(?= sec)", words)
            return RateLimited(
                "too_fast", "The server asks for a pause.", retry_after=float(seconds[0]) if seconds else PAUSE
            )
        if reply.command == BUSY:
            return TryLater("busy", "The server is busy and did not take the message.")
        if reply.command in NOBODY:
            return Unreachable("gone", "The customer is not connected any more.")
        if reply.command == "716" or reply.command[0] in "45":
            return Refused(f"irc_{reply.command}", f"The server refused the message: {words[:200]}")
    return None


def _plain(text: str) -> str:
    action = _ACTION.fullmatch(text)
    if action is None and text.startswith("\x01"):
        return ""  # a question of one program to another (CTCP)
    return clean_text(_FORMAT.sub("", f"* {action[1]}" if action else text)).strip()
