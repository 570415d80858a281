"""The phone channel: calls in as envelopes, wishes out to the telephone system."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from aiohttp import web

from adapters.contract import Adapter, Context, Finding, Sent
from adapters.errors import Refused, Unreachable
from adapters.pace import Pace
from adapters.sip import numbers
from adapters.sip.asterisk import Asterisk
from adapters.sip.call import TYPE
from adapters.sip.kamailio import Kamailio
from adapters.sip.pbx import AnyPbx
from adapters.sip.settings import SipSettings, SourceName
from adapters.sip.source import Source
from normalizer.capabilities import Capabilities
from normalizer.content import Call
from normalizer.outbound import Outbound

PATIENCE = 60_000
"""Milliseconds. A wish that could not be carried out for so long is of no use: the caller has been waiting."""

SOURCES: Mapping[SourceName, Callable[[SipSettings, Context], Source]] = {
    "kamailio": Kamailio,
    "asterisk": Asterisk,
    "webhook": AnyPbx,
}


class Sip(Adapter):
    """The channel. Which telephone system it is about is the business of its source."""

    type = TYPE
    Settings = SipSettings
    capabilities = Capabilities(kinds=frozenset({"call"}))
    single_reader: ClassVar[bool] = True
    pace = Pace(patience=PATIENCE, call_timeout=15_000, longest_pause=5_000, finds=1)
    settings: SipSettings

    def __init__(self, settings: SipSettings, context: Context) -> None:
        super().__init__(settings, context)
        self._source = SOURCES[settings.source](settings, context)

    def secrets(self) -> Sequence[str]:
        """Name the password and the shared secrets."""
        own = [secret.reveal() for secret in (self.settings.password, *self.settings.secrets) if secret]
        return [*own, *self._source.secrets()]

    async def check(self) -> Sequence[Finding]:
        """Look whether the telephone system can be reached and lets us in."""
        return await self._source.check()

    async def run(self) -> None:
        """Take its events."""
        await self._source.run()

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the addresses that it posts to, if it does."""
        return self._source.routes()

    async def send(self, outbound: Outbound) -> Sent:
        """Carry out a wish: ``ringing``, ``initiated`` or ``ended``. Nothing else can be said on the phone."""
        match outbound.content:
            case Call(event="ringing", call=call, to=phone) if call:
                await self._source.ring(call, phone, outbound.id)
            case Call(event="ended", call=call) if call:
                await self._source.hang_up(call, outbound.id)
            case Call(event="initiated", to=phone) if phone:
                await self._source.dial(self._number(outbound.address), phone, outbound.id)
            case Call(event=event):
                raise Refused("not_a_wish", f"A phone can be let ring, called or hung up; this is {event!r}.")
            case _:
                raise Refused(
                    "voice_only", "Nothing can be written on the phone: call the customer, or write elsewhere."
                )
        return Sent()

    def _number(self, address: str) -> str:
        number = numbers.dialled(address, self.context.channel, self.settings.hosts)
        if number:
            return number
        if numbers.hides(address, self.context.channel):
            raise Unreachable("no_number", "The caller hid the number, so nobody can be called back.")
        raise Unreachable(
            "not_ours",
            "The caller has no number, and the name it gave is none of our telephone system's own (`hosts` of the "
            "channel): it is not called.",
        )
