"""Call control: what is done about each event of an Asterisk, who rings and who is connected with whom.

Nothing is remembered of our own legs but their ids (:mod:`adapters.sip.asterisk.legs`), so that any node may order one,
and whoever reads next goes on. Each order may come twice, and may come for a leg that has just hung up: both is normal.
"""

from collections.abc import Awaitable, Callable, Mapping

from adapters.contract import Context
from adapters.errors import NotReachable, Refused, SendError
from adapters.sip.asterisk import legs
from adapters.sip.asterisk.client import quoted
from adapters.sip.asterisk.legs import Agent, Customer, Leg, Ring, bridge_of
from adapters.sip.asterisk.mapping import NORMAL, ended, incoming, outgoing, refusal, said, target, transferred_to
from adapters.sip.asterisk.recordings import fetch_recording
from adapters.sip.asterisk.switchboard import Switchboard
from adapters.sip.asterisk.wire import RINGING, SUCCESS, AriEvent, Channel, Recording
from adapters.sip.call import TALKING, Event, Kind
from adapters.sip.ledger import Ledger
from adapters.sip.settings import SipSettings

Handler = Callable[[AriEvent, Channel], Awaitable[None]]
"""What is done about an event of one type."""


class CallControl:
    """Brings each call on by what its legs do: orders to the ``board``, news to the ``ledger``."""

    def __init__(self, settings: SipSettings, context: Context, board: Switchboard, ledger: Ledger) -> None:
        self._settings = settings
        self._context = context
        self._board = board
        self._ledger = ledger
        self._handlers: Mapping[str, Handler] = {
            "StasisStart": self._entered,
            "ChannelStateChange": self._changed,
            "ChannelDestroyed": self._destroyed,
            "ChannelHold": self._held,
            "ChannelUnhold": self._held,
            "BridgeBlindTransfer": self._transferred,
            "BridgeAttendedTransfer": self._transferred,
        }

    def talks(self, call: str) -> bool:
        """Tell whether an operator and the customer hear one another in a call that lives."""
        known = self._ledger.calls.get(call)
        return known is not None and known.rank >= TALKING

    async def heed(self, event: AriEvent) -> None:
        """Do what an event asks for; one that cannot be done is logged. Raises NotReachable: nobody tells us more."""
        if event.type == "ApplicationReplaced":
            message = f"somebody else reads the events of the application {self._settings.app}: give each its own `app`"
            raise NotReachable("replaced", message)
        try:
            if event.type == "RecordingFinished" and event.recording is not None:
                await self._keep(event, event.recording)
            channel = event.channel or event.transferer_first_leg
            if channel is not None and (handler := self._handlers.get(event.type)) is not None:
                await handler(event, channel)
        except SendError as exc:
            self._context.count("not_done")
            self._context.log.warning("sip.not_done", kind=event.type, code=exc.code, reason=exc.message)

    async def _take(self, *events: Event) -> None:
        await self._ledger.take(events)

    def _is_transferred(self, call: str) -> bool:
        """Whether it goes on without the phone that had it."""
        known = self._ledger.calls.get(call)
        return known is not None and known.transferred

    # --- a leg comes into our hands ---

    async def _entered(self, event: AriEvent, channel: Channel) -> None:
        match legs.read(channel.id):
            case None:
                await self._take(incoming(event, channel, now=self._context.now()))
                await self._board.attempt("POST", f"/channels/{quoted(channel.id)}/ring")
            case Ring() as leg:
                await self._connect_customer(event, leg, channel)
            case Agent() as leg:
                await self._call_customer(event, leg)
            case Customer() as leg:
                await self._connect_agent(event, leg)

    async def _connect_customer(self, event: AriEvent, leg: Ring, channel: Channel) -> None:
        """An operator has answered: connect the caller, unless somebody else was faster or the caller is gone."""
        if self.talks(leg.call) and channel.id in await self._board.members(leg.call):
            return  # a look was faster
        if self.talks(leg.call) or not (
            await self._board.attempt("POST", f"/channels/{quoted(leg.call)}/answer")
            and await self._board.connect(leg.call, leg.call, channel.id)
        ):
            await self._board.hang_up(channel.id)
            return
        phone = event.args[1] if len(event.args) > 1 else await self._board.phone(leg)
        await self._take(said(event, "answered", leg.call, to=phone, now=self._context.now()))

    async def _call_customer(self, event: AriEvent, leg: Agent) -> None:
        """The operator who wants to call has answered: call the customer."""
        number, phone = (*event.args, "", "")[1:3]
        customer = Customer(leg.wish)
        await self._take(outgoing(event, str(customer), number, phone, now=self._context.now()))
        try:
            await self._board.originate(
                customer, self._settings.dial.replace("{number}", number), phone, f"customer,{phone}", caller=""
            )
        except Refused as exc:
            await self._take(said(event, "failed", str(customer), reason=exc.message, now=self._context.now()))
            await self._board.hang_up(str(leg))
            return
        if not await self._board.attempt("GET", f"/channels/{quoted(str(leg))}"):
            await self._board.hang_up(str(customer))  # the operator has hung up meanwhile

    async def _connect_agent(self, event: AriEvent, leg: Customer) -> None:
        """The customer has answered: connect the operator, unless gone."""
        call = str(leg)
        if not await self._board.connect(call, str(Agent(leg.wish)), call):
            await self._board.hang_up(call)
            return
        await self._take(said(event, "answered", call, to=await self._board.phone(leg), now=self._context.now()))

    # --- a leg changes ---

    async def _changed(self, event: AriEvent, channel: Channel) -> None:
        leg = legs.read(channel.id)
        if channel.state == RINGING and isinstance(leg, Ring | Customer) and leg.call in self._ledger.calls:
            phone = await self._board.phone(leg)
            await self._take(said(event, "ringing", leg.call, to=phone, now=self._context.now()))

    async def _held(self, event: AriEvent, channel: Channel) -> None:
        leg = legs.read(channel.id)
        call = channel.id if leg is None else leg.call
        if self.talks(call):
            kind: Kind = "held" if event.type == "ChannelHold" else "answered"
            await self._take(said(event, kind, call, now=self._context.now()))

    async def _transferred(self, event: AriEvent, channel: Channel) -> None:
        """A phone that had the call has given it to somebody else."""
        leg = legs.read(channel.id)
        call = channel.id if leg is None else leg.call
        if event.result == SUCCESS and self.talks(call):
            await self._take(said(event, "transferred", call, to=transferred_to(event), now=self._context.now()))

    async def _destroyed(self, event: AriEvent, channel: Channel) -> None:
        match legs.read(channel.id):
            case Ring() as leg:
                await self._phone_gone(event, leg)
            case Agent() as leg:
                await self._agent_gone(event, leg)
            case leg:
                await self._customer_gone(event, channel, leg)

    async def _phone_gone(self, event: AriEvent, leg: Ring) -> None:
        """An operator's phone has hung up, or has not taken the call, which then still waits."""
        bridge = await self._board.members(leg.call)
        if self.talks(leg.call):
            if leg.call in bridge and len(bridge) == 1 and not self._is_transferred(leg.call):
                await self._board.hang_up(leg.call)
        elif event.cause not in NORMAL:
            await self._context.report(refusal(leg.wish, event.cause, at=self._context.now()))

    async def _agent_gone(self, event: AriEvent, leg: Agent) -> None:
        customer = str(Customer(leg.wish))
        if customer not in self._ledger.calls and event.cause not in NORMAL:
            await self._context.report(refusal(leg.wish, event.cause, at=self._context.now()))
        if not self._is_transferred(customer):
            await self._board.hang_up(customer)

    async def _customer_gone(self, event: AriEvent, channel: Channel, leg: Leg | None) -> None:
        members = await self._board.members(channel.id)
        if channel.id in self._ledger.calls:
            await self._take(ended(event, channel.id, talking=self.talks(channel.id), now=self._context.now()))
        others = [str(Agent(leg.wish))] if isinstance(leg, Customer) else await self._board.ringing(channel.id)
        for other in {*members, *others} - {channel.id}:
            await self._board.hang_up(other)
        await self._board.attempt("DELETE", f"/bridges/{quoted(bridge_of(channel.id))}")

    async def _keep(self, event: AriEvent, recording: Recording) -> None:
        """Fetch a recording of a call that is known. That of a bridge is ready when the bridge is gone."""
        call = target(recording.target_uri)
        if not self._ledger.knows(call):
            return
        media, reason = await fetch_recording(self._board.ari, self._context, recording, call)
        await self._take(said(event, "recording", call, reason=reason, recording=media, now=self._context.now()))
