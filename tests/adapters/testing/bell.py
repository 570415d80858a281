"""A small channel that does everything right, made of steps that a test can replace by wrong ones; and its contract."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from adapters.contract import Adapter, Finding, Sent
from adapters.errors import (
    EnvelopeRefused,
    NotAccepted,
    NotReachable,
    OutcomeUnknown,
    RateLimited,
    Refused,
    SendError,
    TryLater,
)
from adapters.pace import Pace, Rate
from adapters.testing import (
    AdapterContract,
    FakeContext,
    InboundCase,
    Limit,
    OutboundCase,
    Post,
    Rig,
    Shown,
    Simulator,
)
from config import Secret
from normalizer.capabilities import Capabilities
from normalizer.content import Choice, Content, Option, Text
from normalizer.envelope import Envelope
from normalizer.outbound import Outbound

KEY = "the-key-of-the-tower"
ADDRESS = "bell:ola"
AT = 1_700_000_000_000


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="bell", tag_field="type"):
    key: Annotated[Secret, Meta(description="What the tower signs with.")]
    url: Annotated[str, Meta(description="Where the tower is.")]


class Ring(Struct, frozen=True, rename={"sender": "from"}):
    id: Annotated[str, Meta(min_length=1)]
    sender: Annotated[str, Meta(min_length=1)]
    text: str


class BellTower(Simulator):
    name = "bell"
    sending = "^POST /rings"

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/rings/{id}", self._find), web.post("/rings", self._ring)]

    async def _ring(self, request: web.Request) -> web.Response:
        ring = json.loads(await request.read())
        self.shown.append(Shown(to=ring["to"], text=ring["text"], buttons=ring["buttons"]))
        return web.json_response({"id": f"ring-{len(self.shown)}"})

    async def _find(self, _request: web.Request) -> web.Response:
        return web.Response(status=200 if self.shown else 404)


class Bell(Adapter):
    type = "bell"
    Settings = Settings
    capabilities = Capabilities(text_limit=100, kinds=frozenset({"choice"}), buttons=3)
    pace = Pace(call_timeout=300, channel=Rate(per_second=5))
    settings: Settings

    def secrets(self) -> Sequence[str]:
        return [self.key]

    @property
    def key(self) -> str:
        return self.settings.key.reveal()

    async def check(self) -> list[Finding]:
        try:
            async with self.context.http.get(f"{self.settings.url}/rings/none"):
                return [Finding(what="the tower answers", ok=True)]
        except aiohttp.ClientError as exc:
            raise NotReachable("not_reachable", "The tower does not answer.") from exc

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/rings", self._rings)]

    async def _rings(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self.authentic(request, body):
            return web.Response(status=401)
        try:
            ring = msgspec.json.decode(body, type=Ring)
            await self.store(self.envelope(ring))
        except NotAccepted:
            return web.Response(status=503)
        except (EnvelopeRefused, ValueError, RecursionError):
            return web.Response(status=400)
        return web.Response()

    def authentic(self, request: web.Request, body: bytes) -> bool:
        return request.headers.get("Key") == signed(body)

    def envelope(self, ring: Ring) -> Envelope:
        return Envelope(
            id=self.context.new_id(),
            at=AT,
            channel=self.context.channel,
            type="bell",
            native_id=ring.id,
            address=f"bell:{ring.sender}",
            content=Text(text=ring.text),
        )

    async def store(self, envelope: Envelope) -> None:
        await self.context.accept(envelope)

    async def send(self, outbound: Outbound) -> Sent:
        body = self.body(outbound.address, outbound.content)
        try:
            async with self.context.http.post(f"{self.settings.url}/rings", json=body) as answer:
                if not answer.ok:
                    raise self.error(answer)
                return Sent(native_id=(await answer.json())["id"])
        except aiohttp.ClientConnectorError as exc:
            raise TryLater("not_connected", "The tower cannot be reached.") from exc
        except aiohttp.ClientError as exc:
            raise OutcomeUnknown("no_answer", "The tower has not answered.") from exc

    def body(self, address: str, content: Content) -> dict[str, object]:
        assert isinstance(content, Text | Choice)
        options = content.options if isinstance(content, Choice) else ()
        buttons = [option.label for option in options]
        return {"to": address.removeprefix("bell:"), "text": content.text, "buttons": buttons}

    def error(self, answer: aiohttp.ClientResponse) -> SendError:
        if answer.status == 429:
            pause = float(answer.headers.get("Retry-After", "5"))
            return RateLimited("busy", "The tower asks for a pause.", retry_after=pause)
        if answer.status >= 500:
            return TryLater("failed", "The tower does not work.")
        return Refused("refused", "The tower does not take it.")


def signed(body: bytes) -> str:
    return hashlib.sha256(KEY.encode() + body).hexdigest()


def ring(number: int) -> bytes:
    return json.dumps({"id": f"r{number}", "from": "ola", "text": f"This is {number}"}).encode()


class BellContract(AdapterContract[BellTower]):
    """Not named ``Test...``: other tests make theirs from it."""

    cls: type[Bell] = Bell
    address, another = ADDRESS, "bell:ewa"
    limits = (Limit(calls=5, seconds=1),)
    inbound = (
        InboundCase(
            label="a ring",
            event=Post(path="/rings", body=ring(1)),
            envelopes=[
                Envelope(
                    id="any",
                    at=AT,
                    channel="test",
                    type="bell",
                    native_id="r1",
                    address=ADDRESS,
                    content=Text(text="This is 1"),
                )
            ],
        ),
    )
    outbound = (
        OutboundCase(label="text", content=Text(text="Hello"), native_id="ring-1"),
        OutboundCase(label="choice", content=Choice(text="?", options=(Option(id="a", label="A"),)), request='"A"'),
    )

    def peer(self) -> BellTower:
        return BellTower()

    def make(self, context: FakeContext, peer: BellTower) -> Adapter:
        return self.cls(Settings(key=Secret(KEY), url=peer.url), context)

    def event(self, number: int) -> Post:
        return Post(path="/rings", body=ring(number))

    def sign(self, rig: Rig[BellTower], post: Post) -> Mapping[str, str]:
        del rig
        return {"Key": signed(post.body)}


def contract_of(cls: type[Bell], **attributes: object) -> AdapterContract[Any]:
    """Give the contract of a channel with one fault, or one whose attributes are other ones."""
    return type("Judged", (BellContract,), {"cls": cls, **attributes})()
