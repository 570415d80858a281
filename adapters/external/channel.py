"""A channel whose program speaks NATS itself: it appends to IN what customers say, and is asked here to send.

Order, claims, repetition and rendering stay with the delivery policy, so the program needs no stream, no state and no
right but to publish to its own subject and to answer.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from adapters.contract import Adapter, Context, Finding, NobodyServes, Sent
from adapters.errors import NotReachable, OutcomeUnknown, TryLater
from adapters.external.settings import ExternalSettings
from adapters.external.wire import Answer, Check, Send, to_outcome
from adapters.pace import Pace, Rate
from normalizer.capabilities import Capabilities
from normalizer.outbound import Outbound

CHECK_WITHIN = 5.0
LOOK_EVERY = 30.0
"""Seconds between two looks whether the program is still there."""

GRACE = 1_000
"""Milliseconds by which our patience ends before that of the delivery policy, so that the reason is ours to tell."""


class External(Adapter):
    """The channel."""

    type = "external"
    Settings = ExternalSettings
    settings: ExternalSettings

    capabilities = Capabilities()

    def __init__(self, settings: ExternalSettings, context: Context) -> None:
        super().__init__(settings, context)
        self.capabilities = _capabilities(settings)
        self.pace = Pace(
            call_timeout=int(settings.timeout) + GRACE,
            channel=Rate(per_second=settings.per_second) if settings.per_second else None,
        )

    @classmethod
    def capabilities_at(cls, settings: ExternalSettings, address: str) -> Capabilities:
        """Say what the program can show, the same everywhere."""
        del address
        return _capabilities(settings)

    async def check(self) -> Sequence[Finding]:
        """Ask whether the program is there and can work."""
        try:
            answer = await self._ask(Check(), CHECK_WITHIN)
        except NobodyServes as exc:
            raise NotReachable("nobody_serves", f"{exc}. Start the program; see docs/other-languages.md") from exc
        except (TimeoutError, msgspec.MsgspecError) as exc:
            raise NotReachable("no_answer", "The program is there and does not answer its check.") from exc
        what = answer.message or "the program answers"
        return [Finding(what=what, ok=answer.error is None, remedy="see what the program says of itself")]

    async def run(self) -> None:
        """Look from time to time whether it is still there. Raises NotReachable."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.check()

    async def send(self, outbound: Outbound) -> Sent:
        """Ask the program to send."""
        try:
            answer = await self._ask(Send(outbound=outbound), self.settings.timeout.seconds)
        except NobodyServes as exc:
            raise TryLater("nobody_serves", "The program that serves this channel does not run.") from exc
        except TimeoutError as exc:
            raise OutcomeUnknown("no_answer", "The program has not said whether it sent the message.") from exc
        except msgspec.MsgspecError as exc:
            raise OutcomeUnknown("bad_answer", f"The program's answer cannot be read: {exc}") from exc
        return to_outcome(answer)

    async def _ask(self, question: Send | Check, within: float) -> Answer:
        return msgspec.json.decode(await self.context.ask(msgspec.json.encode(question), within=within), type=Answer)


def _capabilities(settings: ExternalSettings) -> Capabilities:
    return Capabilities(
        text_limit=settings.text_limit,
        unit=settings.unit,
        kinds=frozenset(settings.kinds),
        buttons=settings.buttons,
        button_limit=settings.button_limit,
        delivered=settings.delivered,
        read=settings.read,
    )
