"""Connecting: settings, the check and what it says, who is typing, and what each answer of Telegram means."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from adapters.contract import Typing
from adapters.errors import BadCredentials, BadSettings, ChannelError, NotReachable, OutcomeUnknown, Refused, TryLater
from adapters.telegram import drivers
from adapters.telegram.checking import clock_findings
from adapters.telegram.client import Call
from adapters.telegram.faults import REFUSED, UNREACHABLE, Answer, to_client_error, to_error
from adapters.telegram.settings import TelegramSettings
from adapters.testing import NOON, FakeContext
from adapters.testing.context import NoLines
from adapters.testing.telegram import TOKEN, TelegramSimulator
from config import Duration, Secret, SettingError, Size
from tests.adapters.telegram.conftest import TelegramRig, at_work, until
from tests.adapters.telegram.recorded import make, settings, simulator

# --- settings ---


def test_a_token_is_enough() -> None:
    plain = TelegramSettings(token=Secret(TOKEN))
    assert (plain.driver, plain.mode, plain.own_server) == ("aiogram", "auto", False)
    assert TOKEN not in repr(plain)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("token", Secret("not a token")),
        ("token", Secret("123:short")),
        ("api_url", "http://bots.example"),
        ("api_url", "ftp://127.0.0.1"),
        ("api_url", "https://user:pw@bots.example"),
        ("api_url", "https://bots.example/?a=b"),
        ("api_url", "http://["),
        ("poll_timeout", Duration(0)),
        ("poll_timeout", Duration(51_000)),
        ("timeout", Duration(0)),
        ("timeout", Duration(301_000)),
        ("retry_for", Duration(7 * 86_400_000)),
        ("max_file", Size(0)),
    ],
)
def test_a_wrong_setting_names_its_key(key: str, value: object) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        settings("http://127.0.0.1:1", **{key: value})
    assert [error.key for error in caught.value.exceptions if isinstance(error, SettingError)] == [(key,)]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8081", "http://localhost:8081", "https://bots.shop.example"])
def test_a_bot_api_server_of_ones_own_may_be_near_or_safe(url: str) -> None:
    assert settings(url).own_server


def test_a_missing_library_names_the_extra() -> None:
    nothing: Any = None
    with pytest.raises(BadSettings, match=r"trunkline\[telegram\]") as caught:
        drivers.Driver("aiogram", nothing, nothing, {"aiogram": drivers.Source("x", "no_such_library", "telegram")})
    assert caught.value.key == "driver"


async def test_a_library_that_cannot_be_imported_says_so_when_it_is_needed() -> None:
    nothing: Any = None
    driver = drivers.Driver("ptb", nothing, nothing, {"ptb": drivers.Source("no.such", "telegram", "telegram-ptb")})
    with pytest.raises(BadSettings, match=r"trunkline\[telegram-ptb\]"):
        await driver.prepare(after=0)


async def test_a_call_does_not_wait_for_a_slow_import_and_was_not_made(tmp_path: Path) -> None:
    """The worker ends a call that takes too long as one of unknown outcome, which is never repeated."""
    nothing: Any = None
    slow = tmp_path / "slow_telegram_library.py"
    slow.write_text("import time\ntime.sleep(4)\nclass Opened:\n  def __init__(*_): pass\n  call = None\n")
    sys.path.insert(0, str(tmp_path))
    try:
        sources = {"ptb": drivers.Source("slow_telegram_library", "slow_telegram_library", "telegram-ptb")}
        driver = drivers.Driver("ptb", nothing, nothing, sources)
        with pytest.raises(TryLater, match="still being imported"):
            await driver.call(Call(method="sendMessage", params={}))
        await driver.prepare(after=0)
    finally:
        sys.path.remove(str(tmp_path))


def test_a_channel_is_made_without_its_library() -> None:
    """Importing aiogram takes seconds, in which no other channel of the process would begin to receive."""
    code = """
import sys
from adapters.telegram import adapter, drivers
for name in drivers.DRIVERS:
    drivers.Driver(name, None, None)
print([name for name in ("aiogram", "telegram") if name in sys.modules])
"""
    done = subprocess.run(  # noqa: S603  # our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


# --- the check ---


async def test_a_good_bot_has_nothing_to_mend(rig: TelegramRig) -> None:
    rig.context.time = int(time.time() * 1_000)
    found = await rig.adapter.check()
    assert [finding.what for finding in found if not finding.ok] == []
    assert "the bot is @simulated_bot" in [finding.what for finding in found]
    assert any("privacy mode" in finding.what for finding in found)


@pytest.mark.parametrize("driver", ["aiogram", "ptb"])
async def test_a_wrong_token_is_bad_credentials(driver: str) -> None:
    context, peer = FakeContext(), TelegramSimulator("123456789:AAanotherTokenAnotherToken00000")
    async with peer:
        adapter = make(context, peer, driver=driver)
        with pytest.raises(BadCredentials, match="BotFather"):
            await adapter.check()
    with pytest.raises(NotReachable):
        await adapter.check()
    await context.close()


@pytest.mark.parametrize(
    ("public_url", "right"),
    [
        ("https://chat.example", True),
        ("https://chat.example:8443", True),
        ("https://chat.example:9000", False),
        ("http://127.0.0.1:8080", True),
    ],
)
async def test_a_webhook_needs_an_address_that_telegram_posts_to(public_url: str, right: bool) -> None:  # noqa: FBT001  # a table
    context = FakeContext(public_url=public_url)
    async with simulator() as peer:
        adapter = make(context, peer, mode="webhook")
        if right:
            await adapter.check()
        else:
            with pytest.raises(BadSettings) as caught:
                await adapter.check()
            assert caught.value.key == "mode"
    await context.close()


async def test_the_check_tells_of_webhooks_and_of_what_waits() -> None:
    async with at_work(mode="webhook") as rig:
        await until(lambda: rig.peer.queue.info()["url"], "the webhook is set")
        for number in range(120):
            rig.peer.write(str(number))
        await until(lambda: "last_error_message" in rig.peer.queue.info(), "Telegram says that it fails")
        wrong = [finding for finding in await rig.adapter.check() if not finding.ok]
        assert any("could not post to the webhook lately: Failed to resolve host" in one.what for one in wrong)
        assert any(one.what == "120 updates wait" for one in wrong)
        assert all(one.remedy for one in wrong)
        await rig.peer.queue.set_webhook({"url": "https://other.example/bot/secret"})
        found = await rig.adapter.check()
        assert any("webhook of other.example" in one.what and not one.ok for one in found)
        assert "secret" not in str(found)


def test_clocks_that_differ_are_told() -> None:
    assert [one.ok for one in clock_findings(NOON / 1_000, NOON // 1_000)] == []
    assert [one.ok for one in clock_findings(NOON / 1_000 - 600, NOON // 1_000)] == [False]
    assert list(clock_findings(None, 0)) == []


# --- typing ---


class Talking(NoLines):
    """Operators who type."""

    def __init__(self) -> None:
        self.typed: asyncio.Queue[Typing] = asyncio.Queue()

    async def typings(self) -> AsyncIterator[Typing]:
        while True:
            yield await self.typed.get()


async def test_a_customer_sees_that_an_operator_types_and_nobody_else_does() -> None:
    context = FakeContext()
    lines = context.lines = Talking()
    async with simulator() as peer:
        adapter = make(context, peer)
        reading = asyncio.create_task(adapter.run())
        for address in ("telegram:42", "", "telegram:-1002233445566/45"):
            lines.typed.put_nowait(Typing(conversation="c1", by="operator", address=address))
        await until(lambda: len(peer.actions) == 2, "both are shown")
        assert set(peer.actions) == {(42, "typing"), (-1002233445566, "typing")}
        lines.typed.put_nowait(Typing(conversation="c1", by="operator", address="telegram:42", on=False))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await adapter.close()
    await context.close()


# --- what an answer means ---


@pytest.mark.parametrize(("part", "code"), [(part, code) for part, code, _ in (*UNREACHABLE, *REFUSED)])
def test_each_line_of_the_tables_is_met(part: str, code: str) -> None:
    error = to_error("sendMessage", 400, Answer(ok=False, description=f"Bad Request: {part.upper()} !"), None)
    assert isinstance(error, Refused)
    assert error.code == code


SEND, EDIT = "sendMessage", "editMessageText"


@pytest.mark.parametrize(
    ("method", "status", "kind"),
    [
        (SEND, 500, OutcomeUnknown),
        (EDIT, 500, TryLater),
        (SEND, 502, OutcomeUnknown),
        (SEND, 503, TryLater),
        (SEND, 504, OutcomeUnknown),
        (EDIT, 504, TryLater),
        (SEND, 401, BadCredentials),
        ("getMe", 404, BadCredentials),
        (SEND, 404, Refused),
        (SEND, 302, Refused),
        (SEND, 200, OutcomeUnknown),
    ],
)
def test_a_status_without_words_of_telegram(method: str, status: int, kind: type[ChannelError]) -> None:
    assert type(to_error(method, status, None, None)) is kind


@pytest.mark.parametrize(
    ("method", "error", "incomplete", "kind"),
    [
        (SEND, TimeoutError(), False, OutcomeUnknown),
        (EDIT, TimeoutError(), False, TryLater),
        (SEND, TimeoutError(), True, TryLater),
        (SEND, aiohttp.ServerDisconnectedError(), False, OutcomeUnknown),
        (SEND, aiohttp.ConnectionTimeoutError(), False, TryLater),
        (SEND, ConnectionResetError(), False, OutcomeUnknown),
    ],
)
def test_a_request_without_an_answer(
    method: str,
    error: aiohttp.ClientError | TimeoutError | OSError,
    incomplete: bool,  # noqa: FBT001  # a table
    kind: type[ChannelError],
) -> None:
    assert type(to_client_error(method, error, incomplete=incomplete)) is kind


# --- the simulator is strict ---


async def call(peer: TelegramSimulator, method: str, **params: object) -> dict[str, Any]:
    form = {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode() for key, value in params.items()
    }
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{peer.url}/bot{peer.token}/{method}", data=form) as response,
    ):
        found: dict[str, Any] = await response.json()
        return found


@pytest.mark.parametrize(
    ("method", "params", "description"),
    [
        ("sendMessage", {"chat_id": 42}, "parameter text"),
        ("sendMessage", {"chat_id": 42, "text": " "}, "message text is empty"),
        ("sendMessage", {"chat_id": 42, "text": "👍" * 2_049}, "message is too long"),
        ("sendMessage", {"chat_id": 42, "text": "x", "colour": "red"}, "no parameter colour"),
        ("sendMessage", {"chat_id": 99, "text": "x"}, "chat not found"),
        ("sendMessage", {"chat_id": 42, "text": "x", "reply_parameters": {"message_id": 9}}, "to be replied not found"),
        (
            "sendMessage",
            {
                "chat_id": 42,
                "text": "x",
                "reply_markup": {"inline_keyboard": [[{"text": "y", "callback_data": "z" * 65}]]},
            },
            "BUTTON_DATA_INVALID",
        ),
        ("sendMessage", {"chat_id": 42, "text": "x", "reply_markup": "{"}, "can't parse reply_markup"),
        ("sendLocation", {"chat_id": 42, "latitude": 1.0}, "parameter longitude"),
        ("editMessageText", {"chat_id": 42, "message_id": 9, "text": "x"}, "message to edit not found"),
        (
            "setMessageReaction",
            {"chat_id": 42, "message_id": 1, "reaction": [{"type": "emoji", "emoji": "🦖"}]},
            "INVALID",
        ),
        ("getFile", {"file_id": "unknown"}, "wrong file identifier"),
        ("setWebhook", {"url": "http://shop.example/"}, "An HTTPS URL must be provided"),
        ("setWebhook", {"url": "https://shop.example:9000/"}, "only on ports"),
        ("makeCoffee", {}, "Not Found"),
    ],
)
async def test_the_simulator_takes_what_telegram_takes(
    method: str, params: dict[str, object], description: str
) -> None:
    async with TelegramSimulator() as peer:
        answer = await call(peer, method, **params)
        assert answer["ok"] is False
        assert description in answer["description"]


async def test_the_simulator_knows_floods() -> None:
    async with TelegramSimulator() as peer:
        peer.now = lambda: NOON
        peer.join(-5, "Friends")
        answers = [await call(peer, "sendMessage", chat_id=-5, text=str(number)) for number in range(21)]
        assert [answer["ok"] for answer in answers] == [True] * 20 + [False]
        assert answers[-1]["parameters"]["retry_after"] == 60


async def test_the_simulator_can_be_steered_from_the_command_line() -> None:
    async with TelegramSimulator() as peer, aiohttp.ClientSession() as http:
        for route, order in (
            ("say", {"text": "Hello", "from": "77", "name": "Ewa"}),
            ("member", {"from": 77, "status": "kicked"}),
            ("update", {"message": peer.message(text="any")}),
        ):
            async with http.post(f"{peer.url}/_control/{route}", json=order) as response:
                assert response.status == 200, await response.text()
        async with http.post(f"{peer.url}/_control/press", json={"data": "no such button"}) as response:
            assert response.status == 400
        assert [next(key for key in update if key != "update_id") for update in peer.queue.all] == [
            "message",
            "my_chat_member",
            "message",
        ]
        assert (await call(peer, "sendMessage", chat_id=77, text="x"))["error_code"] == 403
        yaml = peer.settings(peer.url)
        assert "type: telegram" in yaml
