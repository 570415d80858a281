"""What operators ask a phone for: to call the customer, and to hang up."""

from router import facts as f
from router.draft import Draft, Refused
from router.inputs import Command, Dial, HangUp
from router.people import Conversation, LiveCall
from router.phone import held_call, live_calls, spoken_call
from router.phone_orders import wish
from router.rights import find_mine

DIALLING_FOR = 60_000
"""Milliseconds in which a call that was asked for comes to the operator's phone, or nothing is heard of it any more."""

_DIALLED = ("tel:", "sip:")


def dial(d: Draft, command: Command, action: Dial) -> None:
    """Call the customer: the operator's own phone rings, then the customer's."""
    conversation = find_mine(d, command, action.conversation)
    phone = d.rules.operators[command.operator].phone
    if not phone:
        raise Refused("no_phone", "You have no phone here: it stands in the configuration file, as `phone`.")
    operator = d.state.operators.get(command.operator)
    if operator is not None and operator.talking:
        raise Refused("on_call", "You are on the phone already.", now=min(operator.talking.values()))
    if held_call(conversation) is not None:
        raise Refused("on_call", "There is a call with this customer already.", now=conversation.owner or "")
    if d.now < conversation.dialling_until:
        raise Refused("on_call", "This customer is being called already: the phone is about to ring.")
    address = _number(d, conversation, action.address)
    sending = conversation.sendings.get(address)
    channel = d.policy.phone_channel(sending.channel if sending is not None else "")
    if channel is None:
        raise Refused("no_phone_channel", "No phone is connected to this desk: there is no such channel.")
    name = d.next_outbound(conversation)
    asked = LiveCall(id=name, channel=channel, address=address, direction="out")
    wish(d, conversation, asked, "initiated", phone, by=command.operator, dials_until=d.now + DIALLING_FOR)


def _number(d: Draft, conversation: Conversation, wanted: str | None) -> str:
    """Choose the number to call, which is the customer's own (promise P7): where they wrote last, or another one."""
    theirs = d.state.people[conversation.person].addresses
    if wanted is not None:
        if wanted not in theirs:
            raise Refused("no_address", "The number does not belong to this customer. Choose another.")
        numbers = [wanted]
    else:
        numbers = [conversation.last_address, *sorted(conversation.sendings), *theirs]
    found = next((one for one in numbers if one in theirs and one.startswith(_DIALLED)), None)
    if found is None:
        raise Refused("no_number", "No phone number of this customer is known.")
    return found


def hang_up(d: Draft, command: Command, action: HangUp) -> None:
    """Ask the channel to end the call."""
    conversation = find_mine(d, command, action.conversation)
    live = spoken_call(conversation) or next(iter(live_calls(conversation)), None)
    if live is None:
        raise Refused("no_call", "There is no call to hang up.")
    d.emit(
        f.CallChanged(
            conversation=conversation.id,
            call=live.id,
            channel=live.channel,
            address=live.address,
            at=live.at,
            direction=live.direction,
            state="answered" if live.state == "answered" else "ringing",
            operator=live.operator,
            fresh=live.fresh,
            hang_up=d.next_outbound(conversation),
        )
    )
    wish(d, conversation, live, "ended", by=command.operator)
