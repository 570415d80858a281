"""Where an answer can go and what may be sent there: windows, approved texts, and phones, which take no text."""

import re
from typing import Final

from msgspec.structs import replace

from desk.ports import ApprovedText, Channels
from desk.protocol.wire import ChannelShown, RouteShown, TemplateShown
from normalizer.capabilities import Capabilities
from normalizer.content import Template
from router.inputs import Action, Reply, Resend
from router.people import Conversation
from router.policy import makes_calls
from router.state import State

_VARIABLE: Final = re.compile(r"\{\{\s*([A-Za-z0-9_]{1,16})\s*\}\}")
NEVER_HEARD: Final = 1
"""The end of a window that was never opened."""


class NotThere(Exception):
    """An answer cannot go where it is meant for; ``code`` is stable, the message a sentence for the operator."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def routes(state: State, channels: Channels, conversation: Conversation) -> tuple[RouteShown, ...]:
    """Give every way to answer the customer of a conversation, the one that is taken by itself first."""
    theirs = [each for each in conversation.sendings if _owner(state, each) == conversation.person]
    theirs.sort(key=lambda address: address != conversation.last_address)
    return tuple(_route(state, channels, conversation, address) for address in theirs)


def _owner(state: State, address: str) -> str:
    known = state.addresses.get(address)
    return known.person if known else ""


def _route(state: State, channels: Channels, conversation: Conversation, address: str) -> RouteShown:
    channel = channel_of(state, conversation, address)
    can = _capabilities(channels, channel, address)
    if can is None:
        return RouteShown(address=address, channel=channel)
    return RouteShown(
        address=address,
        channel=channel,
        writes="call" not in can.kinds,
        window_until=window_until(state, can, address, channel),
    )


def channel_of(state: State, conversation: Conversation, address: str) -> str:
    """Name the channel that an answer to ``address`` takes, as the router chooses it; empty if unknown."""
    sending = conversation.sendings.get(address)
    if sending is not None:
        return sending.channel
    known = state.addresses.get(address)
    return known.channel if known else ""


def window_until(state: State, can: Capabilities, address: str, channel: str) -> int:
    """Say until when (ms) free texts may be sent, counted from what the customer wrote last there; 0: for ever."""
    if can.window is None:
        return 0
    known = state.addresses.get(address)
    heard = known.heard.get(channel, 0) if known else 0
    return heard + can.window * 1_000 if heard else NEVER_HEARD


def _capabilities(channels: Channels, channel: str, address: str) -> Capabilities | None:
    info = channels.find(channel)
    return info.capabilities(address) if info else None


def settle(state: State, channels: Channels, action: Action, now: int) -> Action:
    """Check an answer against what its channel takes now, and fill an approved text in.

    The router knows the rules and not what a provider allows, so this is decided here, before anything is sent.

    Raises:
        NotThere: ``window_closed``, ``voice_only``, ``no_templates``, ``unknown_template``, ``template_incomplete``.
    """
    if not isinstance(action, Reply | Resend):
        return action
    conversation = state.conversations.get(action.conversation)
    if conversation is None:
        return action
    again = conversation.targets.get(action.outbound) if isinstance(action, Resend) else action.address
    address = again or conversation.last_address
    channel = channel_of(state, conversation, address)
    can = _capabilities(channels, channel, address)
    if can is None:
        return action
    if "call" in can.kinds:
        raise NotThere("voice_only", "Nothing can be written on the phone: call the customer, or write elsewhere.")
    if isinstance(action.content, Template):
        return replace(action, content=_filled(channels, channel, can, action.content))
    until = window_until(state, can, address, channel)
    if until and now >= until:
        hours = round((can.window or 0) / 3_600, 1)
        raise NotThere(
            "window_closed",
            f"The customer's last message on {channel} is more than {hours:g} h old: until they write again, only "
            "an approved text can be sent there. Choose one, or answer on another channel.",
        )
    return action


def _filled(channels: Channels, channel: str, can: Capabilities, wanted: Template) -> Template:
    """Give the template with the text that the customer will read; what the browser says it reads is not believed."""
    info = channels.find(channel)
    templates = info.templates if info else ()
    if "template" not in can.kinds:
        raise NotThere("no_templates", f"The channel {channel} takes no approved texts at this address: write freely.")
    found = next((each for each in templates if each.name == wanted.name), None)
    if found is None:
        raise NotThere("unknown_template", f"The channel {channel} has no approved text named {wanted.name}.")
    missing = [name for name in variables(found) if not wanted.variables.get(name, "").strip()]
    if missing:
        raise NotThere("template_incomplete", f"Fill in what is left open: {', '.join(missing)}.")
    values = {name: wanted.variables[name] for name in variables(found)}
    return Template(name=found.name, text=_VARIABLE.sub(lambda hole: values[hole[1]], found.text), variables=values)


def variables(template: ApprovedText) -> tuple[str, ...]:
    """Name what has to be filled in, in order of appearance."""
    return tuple(dict.fromkeys(_VARIABLE.findall(template.text)))


def show_channels(state: State, channels: Channels) -> dict[str, ChannelShown]:
    """Give the channels of the rules in force as a screen needs them."""
    return {
        name: ChannelShown(
            type=rule.type,
            kind=rule.kind,
            accept=rule.accept,
            offer_timeout=rule.offer_timeout,
            phone=makes_calls(rule),
            templates=_templates(channels, name),
        )
        for name, rule in state.rules.channels.items()
    }


def _templates(channels: Channels, channel: str) -> tuple[TemplateShown, ...]:
    info = channels.find(channel)
    return tuple(
        TemplateShown(name=each.name, language=each.language, text=each.text, variables=variables(each))
        for each in (info.templates if info else ())
    )
