"""A pretended Asterisk: the part of its REST interface and events that a phone channel uses, with phones that obey.

Made from Asterisk's published descriptions (rest-api/api-docs). It is strict: unknown routes, parameters and bodies are
refused, and so is everything with a leg that is gone or not in the application's hands.
"""

import asyncio
import base64
import binascii
import itertools
import json
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar, TypeVar

import msgspec
from aiohttp import WSMsgType, web

from adapters.testing.ari_parts import CAUSES, NORMAL_CLEARING, Answering, Leg, Originate, Play
from adapters.testing.simulator import CONTROL, Handler, Said, Simulator

USER, PASSWORD = "trunkline", "a-made-up-password"
OUR_NUMBER = "+48221234567"

Order = TypeVar("Order")


class AsteriskSimulator(Simulator):
    """An Asterisk whose phones do what :attr:`phones` says by endpoint (``PJSIP/anna``); the default is to ring."""

    name: ClassVar[str] = "asterisk"
    sending: ClassVar[str] = r"^POST /ari/channels/tl|^DELETE /ari/channels/"

    def __init__(self) -> None:
        self.phones: dict[str, Answering] = {}
        self.legs: dict[str, Leg] = {}
        self.bridges: dict[str, set[str]] = {}
        self.recordings: dict[str, bytes] = {}
        self._feeds: dict[str, web.WebSocketResponse] = {}
        self._numbers = itertools.count(1)
        self._connected = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        super().__init__()

    def settings(self, url: str) -> str:
        """Give the YAML of a phone channel that talks to it."""
        return (
            f"phone: {{type: sip, source: asterisk, url: {url}, user: {USER}, password: {PASSWORD}, "
            'country: PL, dial: "PJSIP/{number}@trunk"}'
        )

    async def say(self, said: Said) -> None:
        """Let a customer call: ``from`` is the number, ``text`` the number that is called. Raises ValueError."""
        await self.call(said.sender or "+48600100200", name=said.name, called=said.text or OUR_NUMBER)

    # --- what people do ---

    async def call(self, number: str, *, name: str = "", called: str = OUR_NUMBER, app: str = "trunkline") -> str:
        """Let a customer call; the dialplan says ``Stasis(app,in,<called>)``. Raises ValueError: nobody reads it."""
        if app not in self._feeds:
            raise ValueError(f"the application {app} is not read by anybody: the dialplan goes on without it")
        leg = Leg(
            id=f"1800000000.{next(self._numbers)}",
            endpoint="PJSIP/trunk",
            app=app,
            args=("in", called),
            state="Ring",
            number=number,
            name=name,
            exten=called,
            in_stasis=True,
            began=self._timestamp(),
        )
        self.legs[leg.id] = leg
        await self._tell(leg, "StasisStart", args=list(leg.args))
        return leg.id

    async def answer(self, leg: str) -> None:
        """Let whoever is called answer."""
        found = self.legs[leg]
        found.state, found.in_stasis = "Up", True
        await self._tell(found, "ChannelStateChange")
        await self._tell(found, "StasisStart", args=list(found.args))

    async def hang_up(self, leg: str, cause: tuple[int, str] = NORMAL_CLEARING) -> None:
        """Let somebody hang up, or not take the call."""
        found = self.legs.pop(leg)
        for members in self.bridges.values():
            members.discard(leg)
        if found.in_stasis:
            await self._tell(found, "StasisEnd")
        await self._tell(found, "ChannelDestroyed", cause=cause[0], cause_txt=cause[1])

    async def hold(self, leg: str, *, on: bool = True) -> None:
        """Let somebody press the hold key."""
        await self._tell(self.legs[leg], "ChannelHold" if on else "ChannelUnhold")

    async def record(self, leg: str, name: str, sound: bytes, seconds: int) -> None:
        """Finish a recording of a leg."""
        self.recordings[name] = sound
        recording = {
            "name": name,
            "format": "wav",
            "state": "done",
            "duration": seconds,
            "target_uri": f"channel:{leg}",
        }
        await self._post(self.legs[leg].app, {"type": "RecordingFinished", "recording": recording})

    async def read_by(self, app: str = "trunkline") -> None:
        """Wait until somebody reads the events of an application."""
        async with self._connected:
            await self._connected.wait_for(lambda: app in self._feeds)

    async def feed(self, payload: bytes, app: str = "trunkline") -> None:
        """Send an event as it is, or nonsense."""
        await self._feeds[app].send_str(payload.decode("utf-8", "replace"))

    async def cut(self, app: str = "trunkline") -> None:
        """Cut the feed."""
        feed = self._feeds.pop(app)
        await feed.close()

    def leg(self, prefix: str) -> Leg | None:
        """Give the leg whose id begins so."""
        return next((leg for name, leg in self.legs.items() if name.startswith(prefix)), None)

    # --- HTTP ---

    def routes(self) -> Sequence[web.RouteDef]:
        """The interface, and ``/_control/phone``."""
        guarded = [
            web.get("/ari/events", self._events),
            web.get("/ari/asterisk/info", self._info),
            web.get("/ari/applications", self._applications),
            web.get("/ari/channels", self._list),
            web.get("/ari/channels/{id}", self._show),
            web.get("/ari/channels/{id}/variable", self._variable),
            web.post("/ari/channels/{id}", self._originate),
            web.delete("/ari/channels/{id}", self._delete),
            web.post("/ari/channels/{id}/answer", self._answered),
            web.post("/ari/channels/{id}/ring", self._rung),
            web.post("/ari/channels/{id}/continue", self._continued),
            web.get("/ari/bridges", self._list_bridges),
            web.get("/ari/bridges/{id}", self._show_bridge),
            web.post("/ari/bridges/{id}", self._bridge),
            web.delete("/ari/bridges/{id}", self._delete_bridge),
            web.post("/ari/bridges/{id}/addChannel", self._add),
            web.get("/ari/recordings/stored/{id}/file", self._recorded),
        ]
        return [web.route(route.method, route.path, self._guard(route.handler)) for route in guarded] + [
            web.post(f"{CONTROL}/phone", self._play)
        ]

    def _guard(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            _check_login(request.headers.get("Authorization", ""))
            return await handler(request)

        return guarded

    async def _info(self, request: web.Request) -> web.Response:
        _query(request, "only")
        return web.json_response({"system": {"version": "20.0.0", "entity_id": "00:11:22:33:44:55"}})

    async def _applications(self, request: web.Request) -> web.Response:
        _query(request)
        return web.json_response([{"name": app, "channel_ids": []} for app in self._feeds])

    async def _events(self, request: web.Request) -> web.StreamResponse:
        query = _query(request, "app", "subscribeAll")
        feed = web.WebSocketResponse()
        await feed.prepare(request)
        app = query["app"]
        if (old := self._feeds.get(app)) is not None:
            await self._post(app, {"type": "ApplicationReplaced"})
            await old.close()
        async with self._connected:
            self._feeds[app] = feed
            self._connected.notify_all()
        async for message in feed:
            if message.type is WSMsgType.ERROR:
                break
        if self._feeds.get(app) is feed:
            del self._feeds[app]
        return feed

    async def _list(self, request: web.Request) -> web.Response:
        _query(request)
        return web.json_response([leg.shown() for leg in self.legs.values()])

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(self._found(request).shown())

    async def _variable(self, request: web.Request) -> web.Response:
        name = _query(request, "variable")["variable"]
        value = self._found(request).variables.get(name)
        if value is None:
            raise _refused(web.HTTPNotFound, "Variable not found")
        return web.json_response({"value": value})

    async def _originate(self, request: web.Request) -> web.Response:
        _query(request)
        order = _read(await request.read(), Originate)
        name = request.match_info["id"]
        if name in self.legs:
            raise _refused(web.HTTPConflict, "Channel with given unique ID already exists")
        if order.app not in self._feeds:
            raise _refused(web.HTTPBadRequest, "Application not found")
        does = self.phones.get(order.endpoint, "ring")
        if does == "broken":
            raise _refused(web.HTTPInternalServerError, "Allocation failed")
        leg = Leg(
            id=name,
            endpoint=order.endpoint,
            app=order.app,
            args=tuple(order.app_args.split(",")),
            number=order.caller_id,
            began=self._timestamp(),
            variables=order.variables,
        )
        self.legs[name] = leg
        self._start(self._obey(leg, does))
        return web.json_response(leg.shown())

    async def _obey(self, leg: Leg, does: Answering) -> None:
        await self._tell(leg, "ChannelCreated")
        if does in CAUSES:
            await self.hang_up(leg.id, CAUSES[does])
            return
        leg.state = "Ringing"
        await self._tell(leg, "ChannelStateChange")
        if does == "answer":
            await self.answer(leg.id)

    async def _delete(self, request: web.Request) -> web.Response:
        _query(request, "reason", "reason_code")
        self._start(self.hang_up(self._found(request).id))
        return web.Response(status=204)

    async def _answered(self, request: web.Request) -> web.Response:
        leg = self._in_stasis(request)
        leg.state = "Up"
        await self._tell(leg, "ChannelStateChange")
        return web.Response(status=204)

    async def _rung(self, request: web.Request) -> web.Response:
        self._in_stasis(request)
        return web.Response(status=204)

    async def _continued(self, request: web.Request) -> web.Response:
        leg = self._in_stasis(request)
        leg.in_stasis = False
        await self._tell(leg, "StasisEnd")
        return web.Response(status=204)

    async def _list_bridges(self, request: web.Request) -> web.Response:
        _query(request)
        return web.json_response([_bridge(name, members) for name, members in self.bridges.items()])

    async def _show_bridge(self, request: web.Request) -> web.Response:
        return web.json_response(_bridge(request.match_info["id"], self._members(request)))

    async def _bridge(self, request: web.Request) -> web.Response:
        _query(request, "type")
        name = request.match_info["id"]
        return web.json_response(_bridge(name, self.bridges.setdefault(name, set())))

    async def _delete_bridge(self, request: web.Request) -> web.Response:
        self._members(request)
        del self.bridges[request.match_info["id"]]
        return web.Response(status=204)

    async def _add(self, request: web.Request) -> web.Response:
        members = self._members(request)
        for name in _query(request, "channel", "role")["channel"].split(","):
            if name not in self.legs:
                raise _refused(web.HTTPBadRequest, "Channel not found")
            if not self.legs[name].in_stasis:
                raise _refused(web.HTTPUnprocessableEntity, "Channel not in Stasis application")
            members.add(name)
        return web.Response(status=204)

    async def _recorded(self, request: web.Request) -> web.Response:
        sound = self.recordings.get(request.match_info["id"])
        if sound is None:
            raise _refused(web.HTTPNotFound, "Recording not found")
        return web.Response(body=sound, content_type="audio/wav")

    async def _play(self, request: web.Request) -> web.Response:
        order = _read(await request.read(), Play)
        self.phones[order.endpoint] = order.does
        return web.json_response({"ok": True})

    # --- steps ---

    def _start(self, doing: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _found(self, request: web.Request) -> Leg:
        leg = self.legs.get(request.match_info["id"])
        if leg is None:
            raise _refused(web.HTTPNotFound, "Channel not found")
        return leg

    def _in_stasis(self, request: web.Request) -> Leg:
        _query(request)
        leg = self._found(request)
        if not leg.in_stasis:
            raise _refused(web.HTTPConflict, "Channel not in a Stasis application")
        return leg

    def _members(self, request: web.Request) -> set[str]:
        members = self.bridges.get(request.match_info["id"])
        if members is None:
            raise _refused(web.HTTPNotFound, "Bridge not found")
        return members

    def _timestamp(self) -> str:
        return datetime.fromtimestamp(self.now() / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"

    async def _tell(self, leg: Leg, kind: str, **words: object) -> None:
        await self._post(leg.app, {"type": kind, "channel": leg.shown(), **words})

    async def _post(self, app: str, event: Mapping[str, object]) -> None:
        feed = self._feeds.get(app)
        if feed is not None and not feed.closed:
            await feed.send_json({"application": app, "timestamp": self._timestamp(), **event})

    async def go_down(self) -> None:
        """From now on refuse connections."""
        for feed in list(self._feeds.values()):
            await feed.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().go_down()


def _bridge(name: str, members: set[str]) -> dict[str, object]:
    return {
        "id": name,
        "technology": "simple_bridge",
        "bridge_type": "mixing",
        "bridge_class": "stasis",
        "channels": sorted(members),
    }


def _check_login(header: str) -> None:
    kind, _, coded = header.partition(" ")
    try:
        login = base64.b64decode(coded, validate=True).decode()
    except (binascii.Error, UnicodeError):
        login = ""
    if kind != "Basic" or login != f"{USER}:{PASSWORD}":
        raise _refused(web.HTTPUnauthorized, "Authentication required")


def _query(request: web.Request, *allowed: str) -> Mapping[str, str]:
    """Give the parameters. Raises HTTPBadRequest for one that Asterisk does not know, or that is not there."""
    found = dict(request.query)
    if unknown := set(found) - set(allowed):
        raise _refused(web.HTTPBadRequest, f"Unknown parameters: {sorted(unknown)}")
    return found


def _read(body: bytes, order: type[Order]) -> Order:
    try:
        return msgspec.json.decode(body or b"{}", type=order)
    except (msgspec.MsgspecError, UnicodeError) as exc:
        raise _refused(web.HTTPBadRequest, str(exc)) from exc


def _refused(kind: type[web.HTTPException], message: str) -> web.HTTPException:
    return kind(text=json.dumps({"message": message}), content_type="application/json")
