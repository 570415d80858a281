"""The orders that an Asterisk is given. Each may come twice, and may come for a leg that has just hung up."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from adapters.contract import Context
from adapters.errors import OutcomeUnknown, RateLimited, Refused, TryLater
from adapters.sip import numbers
from adapters.sip.asterisk import legs
from adapters.sip.asterisk.client import NOT_REACHABLE, Absent, Ari, quoted
from adapters.sip.asterisk.legs import Agent, Leg, Ring, bridge_of
from adapters.sip.asterisk.wire import BRIDGE, CHANNELS, UP, VARIABLE
from adapters.sip.settings import SipSettings

T = TypeVar("T")

RING_FOR = 30
"""Seconds that an operator's phone rings."""

PHONE = "TRUNKLINE_PHONE"
"""The variable of a leg that names the operator's phone, as it stands in the configuration."""


class Switchboard:
    """The legs of one Asterisk."""

    def __init__(self, settings: SipSettings, context: Context) -> None:
        self.ari = Ari(settings, context)
        self._settings = settings
        self._context = context

    async def ring(self, call: str, phone: str, wish: str) -> None:
        """Let a phone ring for a call, and no other one; an empty ``phone``: let none ring."""
        leg = Ring(call, wish)
        channels = await self.ask("/channels", CHANNELS)
        caller = next((channel.caller.number for channel in channels if channel.id == call), None)
        if caller is None:
            raise Refused("call_over", "The call is over.")
        rivals = [channel for channel in channels if _is_for(channel.id, call) and channel.id != str(leg)]
        if any(rival.state == UP for rival in rivals):
            raise Refused("call_over", "Somebody has answered the call.")
        for rival in rivals:
            await self.hang_up(rival.id)
        if phone:
            await self._ring_phone(leg, phone, f"ring,{phone}", caller=caller)

    async def dial(self, number: str, phone: str, wish: str) -> None:
        """Let the operator's phone ring; the customer is called when it is answered.

        Where the answer is lost nobody knows: once the call is over, a repetition would be a second one.
        """
        if not self._settings.dial:
            raise Refused("no_dial", "Nobody can be called from here: the channel has no `dial`.")
        try:
            await self._ring_phone(Agent(wish), phone, f"agent,{number},{phone}", caller=number)
        except TryLater as exc:
            if exc.code == NOT_REACHABLE or isinstance(exc, RateLimited):
                raise
            raise OutcomeUnknown(exc.code, "Asterisk did not say whether it lets the phone ring.") from exc

    async def _ring_phone(self, leg: Leg, phone: str, args: str, *, caller: str) -> None:
        if len(str(leg)) > legs.LONGEST or "," in phone:
            raise Refused("bad_phone", f"Asterisk cannot take the phone {phone} or the id {leg}.")
        endpoint = self._settings.phones.replace("{user}", numbers.parse(phone).user)
        try:
            await self.originate(leg, endpoint, phone, args, caller=caller)
        except TryLater as exc:
            if exc.code == "http_500":
                raise Refused("not_registered", f"The phone {phone} cannot be reached: is it registered?") from exc
            raise

    async def originate(self, leg: Leg, endpoint: str, phone: str, args: str, *, caller: str) -> None:
        """Make a leg; one of that id that is there already is the same. Raises SendError."""
        body = {
            "endpoint": endpoint,
            "app": self._settings.app,
            "appArgs": args,
            "timeout": RING_FOR,
            "variables": {PHONE: phone},
            **({"callerId": caller} if caller else {}),
        }
        try:
            await self.ari.order("POST", f"/channels/{quoted(str(leg))}", body)
        except Absent as exc:
            if exc.code != "http_409":  # there is a leg of that id: this order was carried out before
                raise

    async def ringing(self, call: str) -> list[str]:
        """Name the operators' legs of a call."""
        return [channel.id for channel in await self.ask("/channels", CHANNELS) if _is_for(channel.id, call)]

    async def members(self, call: str) -> Sequence[str]:
        """Name the legs that hear one another in a call."""
        try:
            return (await self.ask(f"/bridges/{quoted(bridge_of(call))}", BRIDGE)).channels
        except Absent:
            return ()

    async def phone(self, leg: Leg) -> str:
        """Name the operator's phone that a leg is about; empty when the leg is gone."""
        try:
            return (await self.ask(f"/channels/{quoted(str(leg))}/variable?variable={PHONE}", VARIABLE)).value
        except Absent:
            return ""

    async def hang_up(self, channel: str) -> None:
        """End a leg, if it is still there."""
        await self.attempt("DELETE", f"/channels/{quoted(channel)}")

    async def attempt(self, method: str, path: str, **query: str) -> bool:
        """Order something of a leg that may be gone; say whether it was done."""
        try:
            await self.ari.order(method, path, None, **query)
        except Refused as exc:
            self._context.log.debug("sip.came_late", order=f"{method} {path}", reason=exc.code)
            return False
        return True

    async def ask(self, path: str, decoder: msgspec.json.Decoder[T]) -> T:
        """Ask for something. Raises SendError."""
        try:
            return decoder.decode(await self.ari.order("GET", path))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
            raise TryLater("bad_answer", f"Asterisk's answer to {path} is none: {exc}") from exc

    async def connect(self, call: str, one: str, other: str) -> bool:
        """Let two legs hear one another; False where one of them is gone."""
        bridge = quoted(bridge_of(call))
        await self.attempt("POST", f"/bridges/{bridge}", type="mixing")
        return await self.attempt("POST", f"/bridges/{bridge}/addChannel", channel=f"{one},{other}")


def _is_for(channel: str, call: str) -> bool:
    leg = legs.read(channel)
    return isinstance(leg, Ring) and leg.call == call
