"""The Telegram Bot API, simulated: strict on what it takes, with long polling, webhooks, files, floods and faults.

Beside the routes of every simulator (``POST /_control/say`` takes a user's id as ``from``, a negative one for a group):

============================  ========================================================================================
``POST /_control/press``      somebody presses a button: ``{"from": 42, "data": "yes"}``
``POST /_control/member``     somebody blocks the bot (``{"from": 42, "status": "kicked"}``) or lets it in again
                              (``"status": "member"``)
``POST /_control/migrate``    a group becomes a supergroup: ``{"old": -5, "new": -1005}``
``POST /_control/update``     any update, without its number
``GET  /_control/messages``   what stands in all chats
============================  ========================================================================================
"""

import json
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import hdrs, web

from adapters.pace import Bucket, Rate
from adapters.testing.peer import Shown
from adapters.testing.simulator import CONTROL, Said, Simulator
from adapters.testing.steps import Answer
from adapters.testing.telegram_queue import UpdateQueue
from adapters.testing.telegram_rules import (
    FILE_FIELDS,
    LARGEST_DOWNLOAD,
    ApiError,
    Params,
    Uploaded,
    check_call,
    read_call,
)
from web.uploads import sniff

TOKEN = "123456789:AAFsimulatedTokenSimulatedToken0000"  # noqa: S105  # it guards nothing
CUSTOMER = 42
GROUP_WINDOW, GROUP_MOST = 60_000, 20
BOT_RATE = Rate(per_second=30, burst=30)
CHAT_RATE = Rate(per_second=1, burst=20)

Json = dict[str, Any]


class TelegramSimulator(Simulator):
    """The Bot API of one bot. ``proxy`` says where an https address of a webhook leads to on this machine."""

    name = "telegram"
    sending = r"^POST /bot[^/]+/(send(?!ChatAction)|edit|deleteMessage|setMessageReaction)"

    def __init__(self, token: str = TOKEN, *, proxy: Mapping[str, str] | None = None) -> None:
        self.queue = UpdateQueue(self.seconds, proxy or {})
        super().__init__()
        self.token = token
        self.bot: Json = {
            "id": int(token.partition(":")[0]),
            "is_bot": True,
            "first_name": "Support",
            "username": "simulated_bot",
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }
        self.chats: dict[int, Json] = {}
        self.messages: dict[tuple[int, int], Json] = {}
        self.reactions: dict[tuple[int, int], list[str]] = {}
        self.actions: list[tuple[int, str]] = []
        self.answered: list[str] = []
        self.files: dict[str, Uploaded] = {}
        self.blocked: set[int] = set()
        self.moved: dict[int, int] = {}
        self.channel = "telegram"
        """Its name in the YAML."""
        self.floods = True
        self._next_message = 0
        self._bot_bucket = Bucket(BOT_RATE)
        self._buckets: dict[int, Bucket] = {}
        self._group_calls: dict[int, deque[int]] = {}
        self.join(CUSTOMER, "Ola")
        self.join(CUSTOMER + 1, "Jan")
        self.app.on_shutdown.append(self._stop)

    def seconds(self) -> int:
        """Give the time as Telegram writes it."""
        return self.now() // 1_000

    # --- what a test does ---

    def join(self, chat: int, name: str = "Ola", *, kind: str = "") -> None:
        """Make a chat that the bot may write to: a person, or (negative) a group."""
        if chat > 0:
            self.chats[chat] = {"id": chat, "type": "private", "first_name": name}
        else:
            self.chats[chat] = {"id": chat, "type": kind or "group", "title": name}

    def message(self, chat: int = CUSTOMER, *, user: int = CUSTOMER, **content: object) -> Json:
        """Make a message that somebody has written, with the next number of its chat; not delivered yet."""
        self._next_message += 1
        number = self._next_message
        sender = {"id": user, "is_bot": False, "first_name": self.chats.get(user, {}).get("first_name", "Ola")}
        found = {"message_id": number, "date": self.seconds(), "chat": self.chats[chat], "from": sender, **content}
        self.messages[chat, number] = found
        return found

    def write(self, text: str, chat: int = CUSTOMER, **content: object) -> int:
        """Let somebody write; gives the number of the update."""
        message = self.message(chat)
        message |= {"text": text, **content}
        return self.queue.add({"message": message})

    def add_file(self, content: bytes, name: str = "file.bin") -> Json:
        """Keep a file that somebody has sent, and give what a message says of it."""
        identity = f"file{len(self.files) + 1}"
        self.files[identity] = Uploaded(name, content)
        return {"file_id": identity, "file_unique_id": f"u{identity}", "file_size": len(content)}

    def press(self, data: str, user: int = CUSTOMER) -> int:
        """Let somebody press a button of the newest message that has it. Raises ValueError."""
        for (chat, _), message in reversed(self.messages.items()):
            rows = message.get("reply_markup", {}).get("inline_keyboard", [])
            if any(button.get("callback_data") == data for row in rows for button in row):
                sender = {"id": user, "is_bot": False, "first_name": self.chats[user]["first_name"]}
                query = {"id": f"{user}{len(self.queue.all)}", "from": sender, "chat_instance": str(chat)}
                return self.queue.add({"callback_query": {**query, "message": message, "data": data}})
        raise ValueError(f"no message has a button with the value {data!r}")

    def set_member(self, chat: int, status: str) -> int:
        """Block the bot (``kicked``), or let it in again (``member``)."""
        before = "kicked" if chat in self.blocked else "member"
        (self.blocked.add if status in ("kicked", "left") else self.blocked.discard)(chat)
        bot = {key: self.bot[key] for key in ("id", "is_bot", "first_name", "username")}
        user = chat if chat > 0 else CUSTOMER
        change = {
            "chat": self.chats[chat],
            "from": {"id": user, "is_bot": False, "first_name": "Ola"},
            "date": self.seconds(),
            "old_chat_member": _member(bot, before),
            "new_chat_member": _member(bot, status),
        }
        return self.queue.add({"my_chat_member": change})

    def migrate(self, old: int, new: int) -> None:
        """Make a group a supergroup, as Telegram tells it: in both chats."""
        self.begin_supergroup(old, new)
        self.queue.add({"message": self.message(old, migrate_to_chat_id=new)})
        self.queue.add({"message": self.message(new, migrate_from_chat_id=old)})

    def begin_supergroup(self, old: int, new: int) -> None:
        """Make a group a supergroup, and tell nobody yet."""
        self.join(new, self.chats[old]["title"], kind="supergroup")
        self.moved[old] = new

    # --- the simulator ---

    def routes(self) -> Sequence[web.RouteDef]:
        """Give the calls, the files, and what steers them."""
        return [
            web.route("*", "/bot{token}/{method}", self._call),
            web.get("/file/bot{token}/{path:.+}", self._give_file),
            web.post(
                f"{CONTROL}/press", self._steer(lambda order: self.press(order["data"], order.get("from", CUSTOMER)))
            ),
            web.post(f"{CONTROL}/member", self._steer(lambda order: self.set_member(order["from"], order["status"]))),
            web.post(f"{CONTROL}/migrate", self._steer(lambda order: self.migrate(order["old"], order["new"]))),
            web.post(f"{CONTROL}/update", self._steer(self.queue.add)),
            web.get(f"{CONTROL}/messages", self._show_messages),
        ]

    def settings(self, url: str) -> str:
        """Give the YAML of the channel."""
        return f'{self.channel}:\n  type: telegram\n  token: "{self.token}"\n  api_url: {url}\n'

    async def say(self, said: Said) -> None:
        """Let a user (``from`` is a number; a negative one writes to that group) say something."""
        try:
            chat = int(said.sender or CUSTOMER)
        except ValueError as exc:
            raise ValueError("`from` must be a number: Telegram's id of a user, or of a group (negative)") from exc
        if chat not in self.chats:
            self.join(chat, said.name)
        self.write(said.text, chat)

    def refusal(self, status: int, retry_after: int | None = None) -> Answer:
        """Word an error as the Bot API does."""
        body = _error(ApiError(status, f"Error {status}", retry_after=retry_after))
        return Answer(status=status, body=json.dumps(body).encode(), headers={hdrs.CONTENT_TYPE: "application/json"})

    async def _stop(self, _app: web.Application) -> None:
        await self.queue.close()

    async def _call(self, request: web.Request) -> web.Response:
        try:
            self._check_token(request.match_info["token"])
            name = request.match_info["method"]
            fields, files = await read_call(request)
            result = await self._perform(name, check_call(name, fields, files), files)
        except ApiError as exc:
            return web.json_response(_error(exc), status=exc.status)
        return web.json_response({"ok": True, "result": result})

    def _check_token(self, token: str) -> None:
        if token != self.token:
            raise ApiError(401, "Unauthorized")

    async def _perform(self, name: str, params: Params, files: Mapping[str, Uploaded]) -> object:
        match name:
            case "getMe":
                return self.bot
            case "getUpdates":
                return await self.queue.poll(
                    int(params.get("offset", 0)),
                    int(params.get("limit", 100)),
                    float(params.get("timeout", 0)),
                    params.get("allowed_updates"),
                )
            case "setWebhook":
                return await self.queue.set_webhook(params)
            case "deleteWebhook":
                return await self.queue.delete_webhook(
                    drop=params.get("drop_pending_updates") in (True, "true", "True")
                )
            case "getWebhookInfo":
                return self.queue.info()
            case "getFile":
                return self._file(params["file_id"])
            case "answerCallbackQuery":
                self.answered.append(params["callback_query_id"])
                return True
            case _:
                return self._in_chat(name, params, files)

    # --- chats ---

    def _in_chat(self, name: str, params: Params, files: Mapping[str, Uploaded]) -> object:
        chat = self._writable(int(params["chat_id"]))
        if name == "sendChatAction":
            self.actions.append((chat, params["action"]))
            return True
        self._count(chat)
        if name.startswith("send"):
            return self._send(name, chat, params, files)
        message = self.messages.get((chat, int(params["message_id"])))
        if message is None:
            what = {"deleteMessage": "delete", "setMessageReaction": "react"}.get(name, "edit")
            raise ApiError(400, f"Bad Request: message to {what} not found")
        return self._change(name, chat, message, params)

    def _writable(self, chat: int) -> int:
        if chat in self.moved:
            raise ApiError(
                400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to=self.moved[chat]
            )
        if chat not in self.chats:
            raise ApiError(400, "Bad Request: chat not found")
        if chat in self.blocked:
            kicked = "bot was kicked from the group chat"
            raise ApiError(403, f"Forbidden: {kicked if chat < 0 else 'bot was blocked by the user'}")
        return chat

    def _count(self, chat: int) -> None:
        """Raise ApiError when there is too much of it."""
        if not self.floods:
            return
        now = self.now()
        bucket = self._buckets.setdefault(chat, Bucket(CHAT_RATE))
        wait = max(self._bot_bucket.opens(now), bucket.opens(now)) - now
        if chat < 0:
            calls = self._group_calls.setdefault(chat, deque(maxlen=GROUP_MOST))
            if len(calls) == GROUP_MOST:
                wait = max(wait, calls[0] + GROUP_WINDOW - now)
            if wait <= 0:
                calls.append(now)
        if wait > 0:
            seconds = math.ceil(wait / 1_000)
            raise ApiError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        self._bot_bucket.take(now)
        bucket.take(now)

    def _send(self, name: str, chat: int, params: Params, files: Mapping[str, Uploaded]) -> Json:
        reply = params.get("reply_parameters")
        if reply and (chat, reply["message_id"]) not in self.messages and not reply.get("allow_sending_without_reply"):
            raise ApiError(400, "Bad Request: message to be replied not found")
        self._next_message += 1
        number = self._next_message
        message: Json = {"message_id": number, "date": self.seconds(), "chat": self.chats[chat], "from": self.bot}
        message |= {key: params[key] for key in ("text", "caption", "reply_markup") if key in params}
        if "message_thread_id" in params:
            message |= {"message_thread_id": int(params["message_thread_id"]), "is_topic_message": True}
        message |= self._content(name, params, files)
        self.messages[chat, number] = message
        self._show(chat, params, files)
        return message

    def _content(self, name: str, params: Params, files: Mapping[str, Uploaded]) -> Json:
        match name:
            case "sendLocation":
                return {"location": _place(params)}
            case "sendVenue":
                return {"venue": {"location": _place(params), "title": params["title"], "address": params["address"]}}
            case "sendContact":
                return {"contact": {key: params[key] for key in ("phone_number", "first_name")}}
            case "sendMessage":
                return {}
            case _:
                field = FILE_FIELDS[name]
                kept = self.add_file(files[field].content, files[field].name)
                kept |= {"width": 1, "height": 1, "duration": int(params.get("duration", 0))}
                return {field: [kept] if field == "photo" else kept}

    def _show(self, chat: int, params: Params, files: Mapping[str, Uploaded]) -> None:
        rows = params.get("reply_markup", {}).get("inline_keyboard", [])
        self.shown.append(
            Shown(
                to=str(chat),
                text=str(params.get("text") or params.get("caption") or ""),
                buttons=[button["text"] for row in rows for button in row],
                files=[(sniff(file.content[:4_096], file.name), len(file.content)) for file in files.values()],
            )
        )

    def _change(self, name: str, chat: int, message: Json, params: Params) -> object:
        number = message["message_id"]
        match name:
            case "deleteMessage":
                del self.messages[chat, number]
                return True
            case "setMessageReaction":
                self.reactions[chat, number] = [one["emoji"] for one in params.get("reaction", [])]
                return True
            case _:
                field = "text" if name == "editMessageText" else "caption"
                if message["from"]["id"] != self.bot["id"]:
                    raise ApiError(400, "Bad Request: message can't be edited")
                if field == "text" and "text" not in message:
                    raise ApiError(400, "Bad Request: there is no text in the message to edit")
                if message.get(field) == params[field]:
                    raise ApiError(
                        400, "Bad Request: message is not modified: specified new message content is the same"
                    )
                message |= {field: params[field], "edit_date": self.seconds()}
                return message

    # --- files ---

    def _file(self, identity: str) -> Json:
        file = self.files.get(identity)
        if file is None:
            raise ApiError(400, "Bad Request: wrong file identifier/HTTP URL specified")
        if len(file.content) > LARGEST_DOWNLOAD:
            raise ApiError(400, "Bad Request: file is too big")
        found = {"file_id": identity, "file_unique_id": f"u{identity}", "file_size": len(file.content)}
        return {**found, "file_path": f"documents/{identity}"}

    async def _give_file(self, request: web.Request) -> web.Response:
        file = self.files.get(request.match_info["path"].rpartition("/")[2])
        if request.match_info["token"] != self.token or file is None:
            raise web.HTTPNotFound
        return web.Response(body=file.content)

    # --- control ---

    def _steer(self, act: Callable[[Json], object]) -> Callable[[web.Request], Any]:
        async def steered(request: web.Request) -> web.Response:
            try:
                act(msgspec.json.decode(await request.read(), type=Json))
            except (msgspec.MsgspecError, KeyError, ValueError) as exc:
                raise web.HTTPBadRequest(text=f"{type(exc).__name__}: {exc}") from exc
            return web.json_response({"ok": True})

        return steered

    async def _show_messages(self, _request: web.Request) -> web.Response:
        return web.json_response(list(self.messages.values()))


def _error(error: ApiError) -> Json:
    body: Json = {"ok": False, "error_code": error.status, "description": error.description}
    return {**body, "parameters": error.parameters} if error.parameters else body


def _member(bot: Json, status: str) -> Json:
    return {"user": bot, "status": status} | ({"until_date": 0} if status == "kicked" else {})


def _place(params: Params) -> Json:
    return {"latitude": float(params["latitude"]), "longitude": float(params["longitude"])}
