"""What is right and wrong with a channel's connection to Telegram, in words that say what to do."""

from collections.abc import Iterator, Sequence

import msgspec
from yarl import URL

from adapters.contract import Context, Finding
from adapters.errors import BadSettings, NotReachable, SendError
from adapters.telegram.changeover import WebhookInfo
from adapters.telegram.client import BotApi
from adapters.telegram.receiving import wants_webhook, webhook_url
from adapters.telegram.settings import TelegramSettings
from adapters.telegram.wire import Json

PORTS = (443, 80, 88, 8443)
MANY_WAIT = 100
RECENT = 3_600
MOST_SKEW = 60.0


async def examine(settings: TelegramSettings, context: Context, api: BotApi) -> Sequence[Finding]:
    """Look at everything.

    Raises:
        BadSettings: a webhook is wanted and cannot be.
        BadCredentials: Telegram does not know the token.
        NotReachable: Telegram does not answer.
    """
    check_webhook_settings(settings, context)
    try:
        me = await api.ask("getMe", {})
        info = msgspec.convert(await api.ask("getWebhookInfo", {}), WebhookInfo)
    except SendError as exc:
        raise NotReachable(exc.code, exc.message) from exc
    now = context.now() // 1_000
    return (
        Finding(what=f"the bot is @{me.get('username', '')}", ok=True),
        *webhook_findings(info, settings, context, now),
        *clock_findings(api.date, now),
        *privacy_findings(me, settings),
    )


def check_webhook_settings(settings: TelegramSettings, context: Context) -> None:
    """See that Telegram could post to us, where that is asked for. Raises BadSettings."""
    url = URL(context.public_url)
    if settings.mode != "webhook" or (settings.own_server and url.scheme == "http"):
        return
    if url.scheme != "https" or url.port not in PORTS:
        ports = ", ".join(map(str, PORTS))
        raise BadSettings(
            "no_public_url",
            f"`mode: webhook` needs `http.public_url` to begin with https:// and to have one of the ports {ports}; "
            "with `mode: auto` or `polling` no public address is needed",
            key="mode",
        )


def webhook_findings(info: WebhookInfo, settings: TelegramSettings, context: Context, now: int) -> Iterator[Finding]:
    """Tell about the webhook and what waits; ``now`` is in Unix seconds."""
    ours = info.url == webhook_url(context)
    if info.url and not ours:
        yield Finding(
            what=f"updates go to a webhook of {URL(info.url).host}, which this channel replaces when it runs",
            ok=False,
            remedy="stop the other program, or give it a bot of its own: each update goes to one of them only",
        )
    if settings.mode == "auto" and not wants_webhook(settings, context):
        yield Finding(what="updates are polled, as `http.public_url` does not begin with https://", ok=True)
    if ours and info.last_error_message and now - info.last_error_date < RECENT:
        yield Finding(
            what=f"Telegram could not post to the webhook lately: {info.last_error_message}",
            ok=False,
            remedy="see that the certificate is valid and the proxy passes /channels/ on; polling goes on meanwhile",
        )
    waiting = info.pending_update_count
    yield Finding(
        what=f"{waiting} updates wait",
        ok=waiting < MANY_WAIT,
        remedy=""
        if waiting < MANY_WAIT
        else "they are taken as soon as the channel runs; Telegram keeps them for a day",
    )


def clock_findings(date: float | None, now: int) -> Iterator[Finding]:
    """Compare the clocks."""
    if date is not None and abs(now - date) > MOST_SKEW:
        yield Finding(
            what=f"the clock of this machine and Telegram's are {abs(now - date):.0f} s apart",
            ok=False,
            remedy="set the clock, best by NTP",
        )


def privacy_findings(me: Json, settings: TelegramSettings) -> Iterator[Finding]:
    """Tell what the bot sees in groups."""
    if "group" not in settings.chats:
        return
    if not me.get("can_join_groups", True):
        yield Finding(what="the bot may not be added to groups (BotFather: /setjoingroups)", ok=True)
    elif not me.get("can_read_all_group_messages", False):
        yield Finding(
            what="in groups the bot sees only commands and answers to itself: its privacy mode is on "
            "(BotFather: /setprivacy; or make it an administrator of the group)",
            ok=True,
        )
