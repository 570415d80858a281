"""The channel against the conformance kit: both drivers, by polling and by webhook."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from adapters.contract import Adapter
from adapters.errors import OutcomeUnknown, RateLimited, Refused, TryLater, Unreachable
from adapters.telegram.adapter import SECRET_HEADER
from adapters.telegram.intake import webhook_secret
from adapters.testing import (
    AdapterContract,
    After,
    Answer,
    FakeContext,
    InboundCase,
    Limit,
    OutboundCase,
    Post,
    Rig,
    Told,
)
from adapters.testing.cases import HTTP_TROUBLES, Trouble
from adapters.testing.spoil import spoiled
from adapters.testing.telegram import TelegramSimulator
from config import Duration
from normalizer.content import Choice, ContactCard, Content, Edit, Location, Option, Text
from tests.adapters.telegram.recorded import BOT, cases, make, message, simulator


def refusal(status: int, description: str, **parameters: int) -> Answer:
    body = {"ok": False, "error_code": status, "description": description, "parameters": parameters}
    return Answer(status=status, body=json.dumps(body).encode())


def sent(label: str, content: Content, request: str, address: str = "") -> OutboundCase:
    return OutboundCase(label=label, content=content, request=request, address=address)


def failing(label: str, fault: object, error: type[Any], code: str, retry_after: float | None = None) -> OutboundCase:
    return OutboundCase(
        label=label, content=Text(text="Hello"), faults=[fault], error=error, code=code, retry_after=retry_after
    )


CALL = Duration(3_000)
"""How long a call waits for an answer: where there is none the test waits as long, and a busy machine is not quick."""

YES_NO = (Option(id="yes", label="Yes"), Option(id="shop", label="Open the shop", url="https://shop.example/"))

OUTBOUND = (
    OutboundCase(label="text", content=Text(text="Hello"), native_id=f"{BOT}/42/1", request="text=Hello"),
    sent(
        "text that looks like markup", Text(text="<b>*1_000*</b> & more"), "text=%3Cb%3E%2A1_000%2A%3C%2Fb%3E+%26+more"
    ),
    sent("choice", Choice(text="Which?", options=YES_NO), "callback_data"),
    sent("location", Location(latitude=52.2, longitude=21.0), "/sendLocation"),
    sent("venue", Location(latitude=52.2, longitude=21.0, name="Café"), "/sendVenue"),
    sent("contact", ContactCard(name="Anna Łoś", phones=("+48221234567",)), "/sendContact"),
    sent("contact without a number", ContactCard(name="Anna Łoś"), "/sendMessage"),
    sent("to a topic of a forum", Text(text="Hello"), "message_thread_id=45", "telegram:-1002233445566/45"),
    failing("blocked", refusal(403, "Forbidden: bot was blocked by the user"), Unreachable, "blocked"),
    failing("kicked", refusal(403, "Forbidden: bot was kicked from the supergroup chat"), Unreachable, "kicked"),
    failing("chat not found", refusal(400, "Bad Request: chat not found"), Unreachable, "chat_not_found"),
    failing("no rights", refusal(400, "Bad Request: not enough rights to send text messages"), Refused, "no_rights"),
    failing("unknown refusal", refusal(400, "Bad Request: SOMETHING_NEW"), Refused, "http_400"),
    failing("flood", refusal(429, "Too Many Requests: retry after 9", retry_after=9), RateLimited, "rate_limited", 9),
    failing("restarts", refusal(500, "Internal Server Error: restart"), TryLater, "http_500"),
    failing("fails", refusal(500, "Internal Server Error"), OutcomeUnknown, "http_500"),
    failing("a proxy's page", Answer(status=502, body=b"<html>Bad Gateway</html>"), OutcomeUnknown, "http_502"),
    failing("a success that cannot be read", After(Answer(body=b"<html>Hello</html>")), OutcomeUnknown, "http_200"),
    OutboundCase(
        label="an answer that no model fits is a message that was sent",
        content=Text(text="Hello"),
        faults=[After(Answer(body=b'{"ok":true,"result":{"message_id":1,"chat":{"id":42},"date":"new"}}'))],
        native_id=f"{BOT}/42/1",
    ),
    OutboundCase(
        label="unknown target",
        content=Edit(target="c1-77", text="Hello"),
        error=Refused,
        code="no_target",
    ),
)


class Contract(AdapterContract[TelegramSimulator]):
    """What the four have in common."""

    driver: ClassVar[Literal["aiogram", "ptb"]] = "aiogram"
    mode: ClassVar[Literal["polling", "webhook"]] = "polling"
    address = "telegram:42"
    another = "telegram:43"
    signs = "token"
    outbound = OUTBOUND
    limits = (
        Limit(calls=30, seconds=1),
        Limit(calls=63, seconds=60, each_address=True),
    )
    troubles: ClassVar[Mapping[Trouble, object]] = {
        **HTTP_TROUBLES,
        Trouble.PAUSE: refusal(429, "Too Many Requests: retry after 7", retry_after=7),
    }

    def peer(self) -> TelegramSimulator:
        return simulator()

    def make(self, context: FakeContext, peer: TelegramSimulator) -> Adapter:
        return make(context, peer, driver=self.driver, mode=self.mode, timeout=CALL)


POISON = InboundCase(label="poison", event={"update_id": 5, "message": {"message_id": "x"}}, dead=["poison_update"])
ALL = (*cases(), POISON)
SOME = (*ALL[::9], POISON)
"""Where only the way in differs; that the drivers read alike is tested in test_reading.py."""


class Polled(Contract):
    signs = "nothing"
    inbound = SOME

    def event(self, number: int) -> dict[str, Any]:
        return message(number)

    async def deliver(self, rig: Rig[TelegramSimulator], event: object) -> Told:
        assert isinstance(event, dict)
        rig.peer.queue.put(event)
        await rig.peer.queue.settled(event["update_id"])
        return Told.TAKEN

    def spoil(self, event: object) -> Iterable[object]:
        """Telegram itself numbers updates."""
        assert isinstance(event, dict)
        return (bad for bad in spoiled(event) if isinstance(bad, dict) and bad.get("update_id") == event["update_id"])


class Posted(Contract):
    mode = "webhook"
    inbound = tuple(
        InboundCase(
            label=case.label,
            event=Post(path="/update", body=json.dumps(case.event).encode()),
            envelopes=case.envelopes,
            dead=case.dead,
        )
        for case in SOME
    )

    def event(self, number: int) -> Post:
        return Post(path="/update", body=json.dumps(message(number)).encode())

    def sign(self, rig: Rig[TelegramSimulator], post: Post) -> Mapping[str, str]:
        del post
        return {SECRET_HEADER: webhook_secret(rig.context, BOT)}


class TestAiogramPolling(Polled):
    inbound = ALL


class TestAiogramWebhook(Posted):
    pass


class TestPtbPolling(Polled):
    driver = "ptb"


class TestPtbWebhook(Posted):
    driver = "ptb"
