"""What an answer of the Bot API means for us. Pure; the only place where Telegram's refusals are told apart.

Telegram's descriptions are for people, and the only thing that tells one 400 from another: they are matched by a part
of their text, and what no line knows is refused as it is.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from adapters.errors import (
    BadCredentials,
    ChannelError,
    NotReachable,
    OutcomeUnknown,
    RateLimited,
    Refused,
    TryLater,
    Unreachable,
)
from normalizer.plain import clean_line

DEFAULT_PAUSE = 5.0

_TWICE = """
    getMe getUpdates getWebhookInfo setWebhook deleteWebhook getFile sendChatAction answerCallbackQuery editMessageText
    editMessageCaption deleteMessage setMessageReaction
"""
TWICE = frozenset(_TWICE.split())
"""Calls that do no harm when they are made twice, so that they may be repeated although nobody knows their outcome."""

PROBES = frozenset({"getMe", "getUpdates", "getWebhookInfo"})
"""Calls that every server knows: when they are not found, it is the token that is not."""


class Parameters(Struct, frozen=True):
    """What a refusal says for programs (core.telegram.org/bots/api#responseparameters)."""

    retry_after: float = 0
    migrate_to_chat_id: int = 0


class Answer(Struct, frozen=True):
    """The frame of every answer."""

    ok: bool
    description: str = ""
    parameters: Parameters = Parameters()
    result: msgspec.Raw = msgspec.Raw(b"null")

    def object(self) -> dict[str, Any]:
        """Give the result; of one that is no object nothing."""
        found: object = msgspec.json.decode(self.result)
        return found if isinstance(found, dict) else {}


class Moved(Refused):
    """The group has become a supergroup: not sent, to be sent to ``chat`` instead."""

    def __init__(self, chat: int) -> None:
        super().__init__("moved", "the group has become a supergroup with another id")
        self.chat = chat


class Conflict(NotReachable):
    """Somebody else reads the updates of this bot; ``by_webhook``: a webhook gets them."""

    def __init__(self, *, by_webhook: bool) -> None:
        code = "webhook_set" if by_webhook else "two_readers"
        whose = "a webhook is set for this bot" if by_webhook else "another program polls this bot"
        super().__init__(
            code,
            f"{whose}: each update goes to one reader only. Stop the other program, or give it a bot of its own; "
            "revoking the token with BotFather shuts everybody else out",
        )
        self.by_webhook = by_webhook


UNREACHABLE: Sequence[tuple[str, str, str]] = (
    ("blocked by the user", "blocked", "the customer has blocked the bot"),
    ("user is deactivated", "deactivated", "the customer's account does not exist any more"),
    ("can't initiate conversation", "not_started", "the customer has never written to this bot, so it must not begin"),
    ("bot was kicked", "kicked", "the bot was removed from the group"),
    ("not a member", "not_member", "the bot is not a member of the group or channel"),
    ("can't send messages to bots", "is_bot", "a bot cannot write to another bot"),
    ("chat not found", "chat_not_found", "Telegram does not know this chat, or the customer has never written to it"),
    ("peer_id_invalid", "chat_not_found", "Telegram does not know this chat, or the customer has never written to it"),
    ("group chat was deleted", "chat_deleted", "the group does not exist any more"),
    ("chat was deleted", "chat_deleted", "the group does not exist any more"),
    ("message thread not found", "topic_gone", "the topic of the forum does not exist any more"),
)
"""Part of the description, our code, and what the operator reads: the address itself is of no use any more."""

REFUSED: Sequence[tuple[str, str, str]] = (
    ("not enough rights", "no_rights", "the bot may not write in this chat: make it an administrator"),
    ("have no rights", "no_rights", "the bot may not write in this chat: make it an administrator"),
    ("topic_closed", "topic_closed", "the topic of the forum is closed"),
    ("chat_write_forbidden", "no_rights", "the bot may not write in this chat: make it an administrator"),
    ("voice_messages_forbidden", "voice_forbidden", "the customer takes no voice messages"),
    ("message is too long", "too_long", "the text is too long for Telegram"),
    ("caption is too long", "too_long", "the caption is too long for Telegram"),
    ("photo_invalid_dimensions", "bad_photo", "Telegram does not show a picture of such a size"),
    ("image_process_failed", "bad_photo", "Telegram cannot read the picture"),
    ("photo should be uploaded", "bad_photo", "Telegram cannot read the picture"),
    ("wrong file identifier", "bad_file", "Telegram does not take the file"),
    ("wrong type of the web page content", "bad_file", "Telegram does not take the file"),
    ("file must be non-empty", "empty_file", "the file is empty"),
    ("file is too big", "too_big", "the file is too big for Telegram"),
    ("message is not modified", "not_modified", "the message reads so already"),
    ("message to edit not found", "no_message", "the message does not exist any more"),
    ("message to delete not found", "no_message", "the message does not exist any more"),
    ("message to react not found", "no_message", "the message does not exist any more"),
    ("message can't be edited", "too_old", "Telegram does not let this message be changed any more"),
    ("message can't be deleted", "too_old", "Telegram does not let this message be deleted any more"),
    ("reaction_invalid", "bad_reaction", "this emoji cannot be a reaction"),
    ("button_data_invalid", "bad_button", "a button's value is longer than 64 bytes"),
    ("button_url_invalid", "bad_button", "a button's link is not one that Telegram opens"),
    ("no text in the message", "no_text", "the message is a file, of which only the caption can be changed"),
    ("message text is empty", "empty", "there is nothing to send"),
)

IS_DOWN = "Telegram does not answer now"


def to_error(method: str, status: int, answer: Answer | None, retry_after: float | None) -> ChannelError:
    """Give what an answer other than ok means; ``answer`` is None where it was none of Telegram's (a proxy's page)."""
    text = answer.description.lower() if answer is not None else ""
    parameters = answer.parameters if answer is not None else Parameters()
    if parameters.migrate_to_chat_id:
        return Moved(parameters.migrate_to_chat_id)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        pause = parameters.retry_after or retry_after or DEFAULT_PAUSE
        return RateLimited("rate_limited", "Telegram asks for a pause", retry_after=pause)
    if status == HTTPStatus.CONFLICT:
        return Conflict(by_webhook="webhook" in text)
    if status == HTTPStatus.UNAUTHORIZED or (status == HTTPStatus.NOT_FOUND and method in PROBES):
        return BadCredentials(
            "bad_token", "Telegram does not know this token: copy it anew from BotFather (`/token`) into `token`"
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or (status == HTTPStatus.OK and answer is None):
        return _failed(method, status, text)
    return _refused(status, answer.description if answer is not None else "")


def to_client_error(
    method: str, error: aiohttp.ClientError | TimeoutError | OSError, *, incomplete: bool
) -> ChannelError:
    """Give what a request without an answer means; ``incomplete``: the end of its body was never sent."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return TryLater("not_connected", "Telegram cannot be reached")
    if incomplete:
        return TryLater("upload_broken", "the connection broke while the file was being sent")
    if method in TWICE:
        return TryLater("no_answer", IS_DOWN)
    if isinstance(error, TimeoutError):
        return OutcomeUnknown("timeout", "Telegram did not answer in time and may have sent the message")
    return OutcomeUnknown("connection_lost", "the connection broke before the answer; the message may have been sent")


def _failed(method: str, status: int, text: str) -> ChannelError:
    """Tell apart which failures of the server are certain: it says so before it restarts, or takes no requests.

    A success that cannot be read is none that is certain: what is in between may have spoilt Telegram's words.
    """
    if method in TWICE or "restart" in text or status == HTTPStatus.SERVICE_UNAVAILABLE:
        return TryLater(f"http_{status}", IS_DOWN)
    return OutcomeUnknown(f"http_{status}", "Telegram failed and may have sent the message all the same")


def _refused(status: int, description: str) -> ChannelError:
    text = description.lower()
    for part, code, message in UNREACHABLE:
        if part in text:
            return Unreachable(code, message)
    for part, code, message in REFUSED:
        if part in text:
            return Refused(code, message)
    if status == HTTPStatus.FORBIDDEN:
        return Unreachable("forbidden", "Telegram does not let the bot write to this chat")
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Refused("too_big", "the file is too big for Telegram")
    reason = clean_line(description) or f"status {status}"
    return Refused(f"http_{status}", f"Telegram refuses it: {reason}")
