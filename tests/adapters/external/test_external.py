"""A channel that another program serves: the kit, with a pretended program at the other end of the bus."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from time import time_ns
from typing import Any, Self

import pytest

from adapters.contract import Adapter, NobodyServes
from adapters.errors import NotReachable, OutcomeUnknown, RateLimited, Refused, Unreachable
from adapters.external import External
from adapters.external.settings import ExternalSettings
from adapters.testing import AdapterContract, FakeContext, InboundCase, OutboundCase, Post, Shown, Told, Trouble
from config import Duration, SettingError
from normalizer.content import Text

HANG, DEED_AND_HANG = "hang", "deed and hang"


class Program:
    """Answers as docs/other-languages.md says; a fault is the answer instead, or silence."""

    def __init__(self) -> None:
        self.now: Callable[[], int] = lambda: time_ns() // 1_000_000
        self.shown: list[Shown] = []
        self.sends: list[str] = []
        self.frozen = self.down = False
        self._faults: deque[Any] = deque()

    def will(self, *faults: Any) -> None:  # noqa: ANN401  # as the kit declares it
        self._faults.extend(faults)

    def freeze(self) -> None:
        self.frozen = True

    async def go_down(self) -> None:
        self.down = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.down = True

    async def answer(self, question: bytes) -> bytes:
        if self.down:
            raise NobodyServes("test")
        asked = json.loads(question)
        if asked["do"] == "send":
            return await self._send(asked["outbound"], question)
        if self.frozen:
            await asyncio.Event().wait()
        return b"{}"

    async def _send(self, outbound: dict[str, Any], question: bytes) -> bytes:
        self.sends.append(question.decode())
        fault = self._faults.popleft() if self._faults else None
        if isinstance(fault, bytes):
            return fault
        if fault in (None, DEED_AND_HANG) and not self.frozen:
            content = outbound["content"]
            labels = [option["label"] for option in content.get("options", ())]
            self.shown.append(Shown(to=outbound["address"], text=content["text"], buttons=labels))
        if fault is not None or self.frozen:
            await asyncio.Event().wait()
        return json.dumps({"sent": f"p-{outbound['id']}"}).encode()


class TestExternal(AdapterContract[Program]):
    address, another = "board:test/42", "board:test/43"
    receives = False
    signs = "nothing"
    troubles = {  # noqa: RUF012  # as the kit declares it
        Trouble.PAUSE: b'{"error": "rate_limited", "retry_after": 7}',
        Trouble.PAUSE_UNTOLD: b'{"error": "rate_limited"}',
        Trouble.FAILS: b'{"error": "try_later", "code": "down", "message": "It is down."}',
        Trouble.HANGS: HANG,
        Trouble.LOSES_THE_ANSWER: DEED_AND_HANG,
        Trouble.REFUSES: b'{"error": "refused"}',
        Trouble.IS_DOWN: None,
    }
    impossible = {  # noqa: RUF012  # as the kit declares it
        Trouble.CUTS: "the bus is between us and the program: it answers or it does not",
        Trouble.DROPS_THE_ANSWER: "the same",
    }
    inbound = (  # the program appends to the bus by itself
        InboundCase(label="by HTTP", event=Post(path="/messages", signed=False, status=404), told=Told.REFUSED),
    )
    outbound = (
        OutboundCase(label="a text", content=Text(text="Hi"), native_id="p-c1-1", request='"address":"board:test/42"'),
        OutboundCase(label="no id", content=Text(text="Hi"), faults=[b'{"sent": ""}'], native_id=""),
        OutboundCase(
            label="gone",
            content=Text(text="Hi"),
            faults=[b'{"error": "unreachable", "code": "left", "message": "They have left."}'],
            error=Unreachable,
            code="left",
        ),
        OutboundCase(
            label="refused", content=Text(text="Hi"), faults=[b'{"error": "refused"}'], error=Refused, code="refused"
        ),
        OutboundCase(
            label="a pause",
            content=Text(text="Hi"),
            faults=[b'{"error": "rate_limited", "retry_after": 2}'],
            error=RateLimited,
            code="rate_limited",
            retry_after=2,
        ),
        OutboundCase(
            label="not known",
            content=Text(text="Hi"),
            faults=[b'{"error": "unknown"}'],
            error=OutcomeUnknown,
            code="unknown",
        ),
        OutboundCase(
            label="nonsense", content=Text(text="Hi"), faults=[b"yes"], error=OutcomeUnknown, code="bad_answer"
        ),
        OutboundCase(label="nothing", content=Text(text="Hi"), faults=[b"{}"], error=OutcomeUnknown, code="bad_answer"),
    )

    def peer(self) -> Program:
        return Program()

    def make(self, context: FakeContext, peer: Program) -> Adapter:
        context.serving = peer.answer
        return External(ExternalSettings(timeout=Duration(5_000), kinds=["choice"], buttons=3), context)


async def test_a_program_that_is_not_there_is_said_at_the_start() -> None:
    context = FakeContext()
    with pytest.raises(NotReachable, match="Start the program"):
        await External(ExternalSettings(), context).check()
    await context.close()


async def test_what_a_program_says_of_itself_is_a_finding() -> None:
    async def serve(_: bytes) -> bytes:
        return b'{"error": "refused", "message": "the printer has no paper"}'

    context = FakeContext()
    context.serving = serve
    [finding] = await External(ExternalSettings(), context).check()
    assert (finding.ok, finding.what) == (False, "the printer has no paper")
    await context.close()


def test_a_call_has_an_end() -> None:
    with pytest.raises(SettingError, match="at most 60s"):
        ExternalSettings(timeout=Duration(61_000))


def test_the_desk_knows_what_can_be_shown_without_making_the_channel() -> None:
    assert External.capabilities_at(ExternalSettings(text_limit=99), "board:42").text_limit == 99
