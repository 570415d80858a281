"""Which conversation a mail belongs to, by several signals, and never somebody else's.

The line of a mail is that of its sender, whatever it says that it answers: ids and addresses can be copied, forwarded
and forged. A signal tells which message is answered; one that points to another customer's line is shown to the
operator as such and has no other effect.
"""

from collections.abc import Iterator, Mapping

from adapters.email import tokens
from adapters.email.wire import Known, Ours, ParsedMail, Signal, Threading

REASONS: dict[Signal, str] = {
    "reply_address": "it was sent to the reply address of our message",
    "in_reply_to": "In-Reply-To names our message",
    "references": "References name our message",
    "subject_token": "our token stands in its subject",
    "body_token": "our token stands in its text",
}
"""For the operator."""

NO_SIGNAL = Threading()


def thread(mail: ParsedMail, known: Mapping[str, Known], ours: Ours) -> Threading:
    """Decide what a mail answers: the surest signal that points to the sender's own line, or else a foreign one.

    ``known`` holds what is remembered of the ids in :attr:`ParsedMail.mentioned`.
    """
    if mail.sender is None:
        return NO_SIGNAL
    found = list(_signals(mail, known, ours))
    return next((one for one in found if not one.foreign), found[0] if found else NO_SIGNAL)


def _signals(mail: ParsedMail, known: Mapping[str, Known], ours: Ours) -> Iterator[Threading]:
    reached = (*mail.delivered_to, *(box.address for box in mail.recipients))
    for address in reached:
        yield from _from_tokens(mail, "reply_address", address.partition("@")[0].partition("+")[2], ours)
    for id_ in mail.mentioned:
        signal: Signal = "in_reply_to" if id_ in mail.in_reply_to else "references"
        yield from _from_tokens(mail, signal, id_, ours)
        if id_ in known:
            yield _from_known(mail, signal, known[id_], id_)
    yield from _from_tokens(mail, "subject_token", mail.subject, ours)
    yield from _from_tokens(mail, "body_token", mail.full, ours)


def _from_tokens(mail: ParsedMail, signal: Signal, text: str, ours: Ours) -> Iterator[Threading]:
    assert mail.sender is not None  # noqa: S101  # thread looks at it; mypy cannot see that
    for token in tokens.find(text, ours):
        foreign = not token.was_for(mail.sender.address, ours)
        yield Threading(thread=token.conversation, signal=signal, answers=token.outbound, foreign=foreign)


def _from_known(mail: ParsedMail, signal: Signal, known: Known, id_: str) -> Threading:
    assert mail.sender is not None  # noqa: S101  # as above
    foreign = known.address != f"email:{mail.sender.address}"
    return Threading(thread=known.conversation or id_, signal=signal, answers=known.id, foreign=foreign)
