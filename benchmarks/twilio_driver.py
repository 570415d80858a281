"""The Twilio channel: signed forms over kept connections."""

from collections.abc import Sequence
from urllib.parse import urlencode

from aiohttp import web
from twilio.request_validator import RequestValidator

from adapters.testing.twilio import TwilioSimulator
from adapters.testing.twilio_api import ACCOUNT, OWN, TOKEN
from adapters.twilio.signature import SIGNATURE
from benchmarks.channel_driver import CHANNEL, SENDERS, TEXT, Bare, Driver, mark
from benchmarks.requests import Connections

FIRST_NUMBER = 48600100000


class BareTwilio(Bare):
    """An aiohttp handler that reads the form and publishes the body."""

    def routes(self) -> Sequence[web.RouteDef]:
        """Take what is posted."""
        return [web.post("/messages", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        body, form = await request.read(), await request.post()
        await self.publish(body, str(form["MessageSid"]))
        return web.Response(text="<Response/>", content_type="text/xml")


class TwilioDriver(Driver):
    """Posts as Twilio does, in WhatsApp's name."""

    bare = BareTwilio

    def __init__(self, host: str, channel: str = CHANNEL) -> None:
        super().__init__(host, channel)
        self._api = TwilioSimulator()
        self._connections = Connections(host)
        self._path = f"/channels/{channel}/messages"
        self._validator = RequestValidator(TOKEN)
        self._prepared: dict[int, bytes] = {}

    async def open(self) -> str:
        """Start the API, which a channel asks when it starts."""
        await self._api.start()
        return self._api.url

    @classmethod
    def section(cls, peer: str) -> dict[str, object]:
        """Give a channel that only receives, and asks for nothing that it may have missed."""
        account = {"account_sid": ACCOUNT, "auth_token": TOKEN, "api": peer}
        return {"type": "twilio", **account, "from": OWN, "catch_up": "0s"}

    def prepare(self, numbers: Sequence[int]) -> None:
        """Make and sign the requests."""
        self._prepared = {number: self._request(number) for number in numbers}

    async def offer(self, number: int) -> None:
        """Post a message."""
        await self._connections.ask(self._prepared.pop(number))

    async def close(self) -> None:
        """Close the connections and the API."""
        await self._connections.close()
        await self._api.go_down()

    def _request(self, number: int) -> bytes:
        phone = str(FIRST_NUMBER + number % SENDERS)
        sid = f"SM{number:032x}"
        form = {
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "ProfileName": "Ola",
            "MessageType": "text",
            "SmsSid": sid,
            "WaId": phone,
            "SmsStatus": "received",
            "Body": f"{TEXT}{mark(number)}",
            "To": OWN,
            "NumSegments": "1",
            "ReferralNumMedia": "0",
            "MessageSid": sid,
            "AccountSid": ACCOUNT,
            "From": f"whatsapp:+{phone}",
            "ApiVersion": "2010-04-01",
        }
        headers = {
            SIGNATURE: self._validator.compute_signature(f"{self.host}{self._path}", form),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self._connections.request("POST", self._path, headers, urlencode(form).encode())
