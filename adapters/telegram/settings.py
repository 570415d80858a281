"""What can be set of a Telegram channel."""

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct
from yarl import URL

from adapters.pace import LONGEST_PATIENCE
from adapters.urls import url_fault
from config import Duration, Secret, SettingError, Size

TELEGRAM = "https://api.telegram.org"
SHORTEST_POLL, LONGEST_POLL = 1_000, 50_000
LONGEST_CALL = 300_000
MEGABYTE = 1_000_000

_TOKEN = re.compile(r"[0-9]{3,20}:[A-Za-z0-9_-]{10,100}")

ChatKind = Literal["private", "group", "channel"]
DEFAULT_CHATS: tuple[ChatKind, ...] = ("private", "group")


class TelegramSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="telegram", tag_field="type"):
    """A Telegram bot."""

    token: Annotated[Secret, Meta(description="The bot's token, as BotFather gave it: `123456789:AAF...`.")]
    driver: Annotated[
        Literal["aiogram", "ptb"],
        Meta(description="Which library reads updates and makes calls: aiogram or python-telegram-bot."),
    ] = "aiogram"
    mode: Annotated[
        Literal["auto", "polling", "webhook"],
        Meta(
            description="How updates come. auto: by webhook where `http.public_url` is https and works, else by "
            "polling, changing over by itself."
        ),
    ] = "auto"
    api_url: Annotated[
        str, Meta(description="A Bot API server of one's own, run without `--local`; https, or http to this machine.")
    ] = TELEGRAM
    chats: Annotated[
        tuple[ChatKind, ...],
        Meta(min_length=1, description="What kinds of chat are served; the others are counted and left alone."),
    ] = DEFAULT_CHATS
    quote: Annotated[
        Literal["groups", "always", "never"],
        Meta(description="Where an answer shows which message it answers."),
    ] = "groups"
    poll_timeout: Annotated[Duration, Meta(description="How long one request for updates may wait; 1s to 50s.")] = (
        Duration(30_000)
    )
    timeout: Annotated[
        Duration, Meta(description="How long one call out may take, an upload included; 5m at most.")
    ] = Duration(60_000)
    webhook_connections: Annotated[
        int, Meta(ge=1, le=100, description="How many updates Telegram may post at the same time.")
    ] = 40
    max_file: Annotated[
        Size, Meta(description="The largest file that is fetched; Telegram itself gives bots 20MB at most.")
    ] = Size(20 * MEGABYTE)
    per_second: Annotated[float, Meta(gt=0, le=1_000, description="The most messages a second of the whole bot.")] = 30
    chat_per_second: Annotated[float, Meta(gt=0, le=30, description="The most messages a second to one person.")] = 1
    group_per_minute: Annotated[
        int, Meta(ge=6, le=1_000, description="The most messages within a minute to one group or channel.")
    ] = 20
    retry_for: Annotated[
        Duration, Meta(description="What could not be sent for this long is given up; 6d at most.")
    ] = Duration(86_400_000)

    def __post_init__(self) -> None:
        problems = [*self._faults()]
        if problems:
            raise ExceptionGroup("telegram", problems)

    @property
    def own_server(self) -> bool:
        """Whether a Bot API server of one's own is used, which takes webhooks without TLS as well."""
        return self.api_url.rstrip("/") != TELEGRAM

    def _faults(self) -> list[SettingError]:
        found = []
        if not _TOKEN.fullmatch(self.token.reveal()):
            found.append(
                SettingError("is not a bot's token: digits, a colon and letters, as BotFather shows it", key="token")
            )
        if fault := _url_fault(self.api_url):
            found.append(SettingError(fault, key="api_url"))
        if not SHORTEST_POLL <= self.poll_timeout <= LONGEST_POLL:
            found.append(SettingError("must be from 1s to 50s", key="poll_timeout"))
        if not 0 < self.timeout <= LONGEST_CALL:
            found.append(SettingError("must be above 0s and at most 5m", key="timeout"))
        if self.max_file <= 0:
            found.append(SettingError("must be above 0B", key="max_file"))
        if not 0 < self.retry_for <= LONGEST_PATIENCE:
            found.append(SettingError("must be above 0s and at most 6d", key="retry_for"))
        return found


def _url_fault(text: str) -> str:
    if fault := url_fault(text):
        return fault
    url = URL(text)
    if url.query_string or url.fragment:
        return "must be a plain address such as https://bots.shop.example, without query or fragment"
    return ""
