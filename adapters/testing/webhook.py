"""A system of one's own behind a webhook channel (docs/webhook.md): posts signed messages, takes signed answers."""

from collections.abc import Sequence
from itertools import count
from typing import Annotated

import msgspec
from aiohttp import ClientError, web
from msgspec import Meta, Struct

from adapters import signature
from adapters.session import open_session
from adapters.testing.peer import Shown
from adapters.testing.simulator import Said, Simulator
from adapters.testing.steps import Answer
from normalizer.content import Option

SECRET = "a-secret-of-the-simulator"  # noqa: S105 - it guards nothing
CHANNEL = "crm"
TOLERANCE = 300.0


class Posted(Struct, frozen=True, forbid_unknown_fields=True):
    """What Trunkline posts; unlike a real receiver this one refuses a field that it does not know."""

    id: Annotated[str, Meta(min_length=1, max_length=80)]
    conversation: str
    to: Annotated[str, Meta(min_length=1)]
    at: int
    text: Annotated[str, Meta(max_length=60_000)]
    by: str = ""
    options: tuple[Option, ...] = ()
    reply_to: str | None = None


class WebhookReceiver(Simulator):
    """The receiver; ``channel`` is the name in the YAML of the one that it posts its customers' messages to."""

    name = "webhook"
    sending = r"^POST /messages"

    def __init__(self, channel: str = CHANNEL, secret: str = SECRET) -> None:
        super().__init__()
        self._path = f"/channels/{channel}/messages"
        self._secret = secret
        self._taken: dict[str, str] = {}
        self._numbers = count(1)

    def routes(self) -> Sequence[web.RouteDef]:
        """Take answers, and say which were taken."""
        return [web.post("/messages", self._messages), web.get("/messages/{id}", self._status)]

    def settings(self, url: str) -> str:
        """Give the YAML of the channel."""
        return (
            f"{CHANNEL}:\n  type: webhook\n  secrets: [{self._secret}]\n"
            f"  url: {url}/messages\n  status_url: {url}/messages/{{id}}\n"
        )

    async def say(self, said: Said) -> None:
        """Post a message to Trunkline. Raises ValueError when it is not taken."""
        message = {"id": f"m{next(self._numbers)}-{self.now()}", "from": said.sender or "42", "name": said.name}
        body = msgspec.json.encode({**message, "text": said.text})
        content = signature.content("POST", self._path, body)
        signed = signature.sign(self._secret, self.now() // 1_000, content)
        try:
            async with open_session() as http:
                answer = await http.post(self.trunkline + self._path, data=body, headers={signature.HEADER: signed})
                text = await answer.text()
        except (ClientError, TimeoutError) as exc:
            raise ValueError(f"Trunkline does not answer at {self.trunkline}: {exc}") from exc
        if not answer.ok:
            raise ValueError(f"Trunkline answered {answer.status}: {text}")

    async def _messages(self, request: web.Request) -> web.Response:
        body = await request.read()
        if refusal := self._refusal(request, body):
            return web.Response(status=refusal.status, body=refusal.body)
        message = msgspec.json.decode(body, type=Posted)
        if message.id not in self._taken:
            self._taken[message.id] = f"p{len(self._taken) + 1}"
            labels = tuple(option.label for option in message.options)
            self.shown.append(Shown(to=message.to, text=message.text, buttons=labels))
        return web.json_response({"id": self._taken[message.id]})

    async def _status(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request, b""):
            return web.Response(status=refusal.status, body=refusal.body)
        known = self._taken.get(request.match_info["id"])
        return web.json_response({"id": known}, status=200 if known else 404)

    def _refusal(self, request: web.Request, body: bytes) -> Answer | None:
        content = signature.content(request.method, request.path_qs, body)
        try:
            signature.verify(
                request.headers.get(signature.HEADER, ""),
                content,
                [self._secret],
                seconds=self.now() // 1_000,
                tolerance=TOLERANCE,
            )
            if request.method == "POST":
                message = msgspec.json.decode(body, type=Posted)
                if request.headers.get("Idempotency-Key") != message.id:
                    return Answer(status=400, body=b"Idempotency-Key is not the id of the message")
        except signature.BadSignature as exc:
            return Answer(status=401, body=str(exc).encode())
        except msgspec.MsgspecError as exc:
            return Answer(status=422, body=str(exc).encode())
        return None
