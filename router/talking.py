"""Answers, notes, read marks, and the holding phrases for customers who wait."""

from datetime import UTC, datetime

from normalizer.content import Call, Content, Text
from normalizer.outbound import Author, Outbound, ReceiptState
from router import facts as f
from router.deadlines import SAY, timer_id
from router.draft import Draft, Refused
from router.hours import is_open, local_time, opens_at
from router.inputs import AddNote, Command, MarkRead, MarkUnread, Reply, Resend
from router.matching import absence
from router.people import Conversation, Sending
from router.queueing import idle_due
from router.rights import find, find_mine, require_supervisor
from router.rules import Hours


def reply(d: Draft, command: Command, action: Reply) -> None:
    """Answer the customer, at an address that is still theirs (promise P7)."""
    conversation = find_mine(d, command, action.conversation)
    _check_fresh(conversation, command, action)
    if action.again is not None:
        _check_again(conversation, action.again, anyway=action.anyway)
    _send(d, command, conversation, action.content, action.address, action.again)


def resend(d: Draft, command: Command, action: Resend) -> None:
    """Send an answer that did not arrive once more, to where it was meant for, as a new one that replaces it."""
    conversation = find_mine(d, command, action.conversation)
    _check_again(conversation, action.outbound, anyway=action.anyway)
    if action.content is None:
        raise Refused("no_content", "What was sent could not be found. Write it again.")
    _send(d, command, conversation, action.content, conversation.targets[action.outbound], action.outbound)


def _check_again(conversation: Conversation, outbound: str, *, anyway: bool) -> None:
    """Allow an answer that failed to be sent again; one whose outcome is unknown only with ``anyway``."""
    state = conversation.outbounds.get(outbound)
    if state is ReceiptState.UNKNOWN and not anyway:
        raise Refused(
            "unknown_outcome",
            "It is not known whether this answer arrived: the customer may get it twice. Confirm that you want that.",
            now=state.value,
        )
    if state not in (ReceiptState.FAILED, ReceiptState.UNKNOWN):
        raise Refused("not_failed", "Only an answer that failed, or of which nothing is known, can be sent again.")


def _send(  # noqa: PLR0913, PLR0917  # each stands for a word of the fact
    d: Draft, command: Command, conversation: Conversation, content: Content, address: str | None, again: str | None
) -> None:
    if isinstance(content, Call):
        raise Refused("not_a_message", "A call is no answer in writing: call the customer instead.")
    rule = d.rules.operators[command.operator]
    author = Author(id=command.operator, name=rule.name, avatar=rule.avatar)
    outbound = _address(d, conversation, address, author, content)
    if outbound is None:
        raise Refused(
            "no_address",
            "The address does not belong to this customer, or its channel is not connected any more. Choose another.",
        )
    n = conversation.n + 1
    idle = idle_due(d, conversation) if conversation.owner is not None and not conversation.parked_at else 0
    d.emit(
        f.ReplySent(
            conversation=conversation.id, n=n, outbound=outbound, by=command.operator, again=again, idle_at=idle
        )
    )


def _check_fresh(conversation: Conversation, command: Command, action: Reply) -> None:
    other = conversation.replied_by != command.operator
    if not action.anyway and other and conversation.replied > action.seen:
        raise Refused(
            "stale",
            "A colleague has answered in the meantime. Read it, then send yours again if it is still needed.",
            now=str(conversation.replied),
        )


def _address(
    d: Draft, conversation: Conversation, wanted: str | None, author: Author, content: Content
) -> Outbound | None:
    """Put an envelope around ``content``: to ``wanted``, or to where the customer wrote last; None if not theirs."""
    address = conversation.last_address if wanted is None else wanted
    known = d.state.addresses.get(address)
    if known is None or known.person != conversation.person:
        return None
    sending = conversation.sendings.get(address) or Sending(channel=known.channel)
    if sending.channel not in d.rules.channels:
        return None
    return Outbound(
        id=d.next_outbound(conversation),
        conversation=conversation.id,
        channel=sending.channel,
        address=address,
        at=d.now,
        content=content,
        author=author,
        reply_to=sending.reply_to,
        channel_data=sending.channel_data,
    )


def note(d: Draft, command: Command, action: AddNote) -> None:
    """Add a note; any operator may, on a closed conversation too. Supervisors may whisper it to the owner.

    Who is mentioned may read it from then on, so nobody lets themselves in.
    """
    conversation = find(d, action.conversation)
    if action.whisper:
        require_supervisor(d, command)
        if conversation.owner is None:
            raise Refused("no_owner", "Nobody has the conversation now, so nobody would hear it.")
    d.emit(
        f.NoteAdded(
            conversation=conversation.id,
            n=conversation.n + 1,
            by=command.operator,
            content=action.content,
            mentions=tuple(name for name in dict.fromkeys(action.mentions) if name != command.operator),
            whisper=conversation.owner or "" if action.whisper else "",
        )
    )


def read(d: Draft, command: Command, action: MarkRead) -> None:
    """Note what an operator has on the screen; it never goes back."""
    conversation = find(d, action.conversation)
    upto = max(conversation.read.get(command.operator, 0), min(action.upto, conversation.n))
    d.emit(f.EntriesRead(conversation=conversation.id, upto=upto, by=command.operator))


def unread(d: Draft, command: Command, action: MarkUnread) -> None:
    """Set back what an operator has read, so that they come back to it."""
    conversation = find(d, action.conversation)
    upto = min(conversation.read.get(command.operator, 0), action.upto)
    d.emit(f.EntriesUnread(conversation=conversation.id, upto=upto, by=command.operator))


def hold(d: Draft, name: str) -> None:
    """Say the phrase that is due to a customer who waits; after a standstill only the latest of several."""
    conversation = d.conversation(name)
    phrases = d.rules.waiting
    hours = d.policy.hours(d.policy.named(conversation.rule))
    closed = hours is not None and bool(hours.say) and not is_open(hours, d.now)
    if hours is not None and closed and not conversation.said and _unattended(d, conversation):
        _tell_closed(d, conversation, hours)
        return
    due = [i for i, one in enumerate(phrases) if conversation.unanswered + one.after <= d.now]
    if not due and phrases:  # the hours of others are closed, or somebody is there all the same
        d.emit(f.TimerSet(timer=timer_id(SAY, name), due=conversation.unanswered + phrases[0].after))
    if not due or due[-1] < conversation.said:
        return
    index = due[-1]
    text = Text(text=_phrase(d, conversation, phrases[index].say))
    outbound = _address(d, conversation, None, Author(kind="system"), text)
    if outbound is None:
        return
    later = phrases[index + 1 :]
    d.emit(
        f.ReplySent(
            conversation=name,
            n=conversation.n + 1,
            outbound=outbound,
            waiting=index,
            say_at=conversation.unanswered + later[0].after if later else 0,
        )
    )


def _unattended(d: Draft, conversation: Conversation) -> bool:
    """Tell whether neither the owner of the conversation nor anybody who is offered it is at work."""
    holders = {conversation.owner, *(running.operator for running in conversation.offers)} - {None}
    return all(absence(d.state.operators.get(name or "")) is not None for name in holders)


def _tell_closed(d: Draft, conversation: Conversation, hours: Hours) -> None:
    """Say, once for each time that the customer waits, that nobody is there and when somebody will be."""
    opens = opens_at(hours, d.now)
    clock = datetime.fromtimestamp(local_time(hours, opens) / 1_000, UTC).strftime("%Y-%m-%d %H:%M") if opens else ""
    text = Text(text=_phrase(d, conversation, hours.say).replace("{opens}", clock))
    outbound = _address(d, conversation, None, Author(kind="system"), text)
    if outbound is not None:
        last = max(len(d.rules.waiting) - 1, 0)
        n = conversation.n + 1
        d.emit(f.ReplySent(conversation=conversation.id, n=n, outbound=outbound, waiting=last))


def _phrase(d: Draft, conversation: Conversation, say: dict[str, str]) -> str:
    codes = (*conversation.languages, *d.rules.languages, *sorted(say))
    return next(say[code] for code in codes if code in say)
