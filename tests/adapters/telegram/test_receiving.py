"""Webhook and polling: who may post, and the change from one to the other and back."""

import asyncio
import json
import threading
from typing import cast

import pytest

from adapters.errors import NotReachable
from adapters.telegram.adapter import SECRET_HEADER
from adapters.telegram.changeover import (
    FIRST_RETRY,
    LONGEST_RETRY,
    STEADY,
    STRIKES,
    Retry,
    Watch,
    WebhookInfo,
)
from adapters.telegram.drivers import LOADER
from adapters.telegram.intake import same_secret, webhook_secret
from adapters.testing import NOON, Post
from normalizer.content import Text
from tests.adapters.telegram.conftest import PUBLIC, WITHIN, TelegramRig, at_work, events, reachable, until
from tests.adapters.telegram.recorded import BOT, message

PATH = "/channels/test/update"


def texts(rig: TelegramRig) -> list[str]:
    return [one.content.text for one in rig.context.accepted if isinstance(one.content, Text)]


def unreachable(rig: TelegramRig) -> None:
    rig.peer.queue.proxy.clear()


def time_passes(rig: TelegramRig) -> bool:
    """Let the clock go on a little: Telegram tells of errors by the second."""
    rig.context.time += 50
    return True


def webhook_of(rig: TelegramRig) -> str:
    return str(rig.peer.queue.info()["url"])


async def test_with_a_public_address_updates_are_posted() -> None:
    async with at_work(mode="auto") as rig:
        reachable(rig)
        await until(lambda: webhook_of(rig) == PUBLIC + PATH, "the webhook is set")
        numbers = [rig.peer.write(f"text {number}") for number in range(20)]
        await until(lambda: rig.peer.queue.confirmed >= set(numbers), "all are confirmed")
        assert texts(rig) == [f"text {number}" for number in range(20)]
        assert rig.peer.queue.polls == 0


async def test_a_webhook_that_does_not_work_is_changed_for_polling_and_tried_again_later() -> None:
    async with at_work(mode="auto") as rig:
        await until(lambda: webhook_of(rig), "the webhook is set")
        for number in range(5):
            rig.peer.write(f"early {number}")
        await until(lambda: time_passes(rig) and len(texts(rig)) == 5, "polling brings them")
        assert webhook_of(rig) == ""
        assert "telegram.webhook_failing" in events(rig.context)
        assert rig.context.counts["webhook_failing"] == 1
        reachable(rig)
        rig.context.time += FIRST_RETRY
        rig.peer.write("wakes the poll")
        await until(lambda: webhook_of(rig), "the webhook is tried again")
        rig.peer.write("late")
        await until(lambda: texts(rig)[-1] == "late", "it is posted")
        await until(lambda: not rig.peer.queue.pending, "all are confirmed")
        found = [one.native_id for one in rig.context.accepted]
        assert len(set(found)) == 7
        assert list(dict.fromkeys(texts(rig))) == [
            *(f"early {number}" for number in range(5)),
            "wakes the poll",
            "late",
        ]


async def test_a_webhook_that_breaks_later_is_changed_for_polling_and_nothing_is_lost() -> None:
    async with at_work(mode="auto") as rig:
        reachable(rig)
        await until(lambda: webhook_of(rig), "the webhook is set")
        rig.peer.write("by webhook")
        await until(lambda: texts(rig) == ["by webhook"], "it is posted")
        unreachable(rig)
        for number in range(30):
            rig.peer.write(f"text {number}", 42 + number % 2)
        await until(
            lambda: time_passes(rig) and len({one.native_id for one in rig.context.accepted}) == 31,
            "polling brings the rest",
        )
        await until(lambda: not rig.peer.queue.pending, "all are confirmed")
        for chat in (42, 43):
            mine = [one.native_id for one in rig.context.accepted if one.address == f"telegram:{chat}"]
            assert mine == sorted(mine, key=lambda name: int(name.rpartition("/")[2]))


async def test_an_address_that_telegram_refuses_means_polling_at_once() -> None:
    async with at_work(mode="auto") as rig:
        rig.peer.write("one")
        rig.peer.will(rig.peer.refusal(400), on="/setWebhook")
        await until(lambda: texts(rig) == ["one"], "polling brings it")


async def test_a_webhook_that_was_asked_for_is_not_changed_and_its_failure_is_said() -> None:
    async with at_work(mode="webhook") as rig:
        await until(lambda: webhook_of(rig), "the webhook is set")
        rig.peer.write("waits")
        await until(lambda: time_passes(rig) and rig.reading.done(), "it is said")
        with pytest.raises(NotReachable, match=r"cannot post to https://chat\.example/channels/test/update"):
            await rig.reading
        assert webhook_of(rig)
        assert rig.peer.queue.pending


async def test_a_webhook_that_somebody_else_has_taken_is_said_and_taken_back() -> None:
    async with at_work(mode="auto") as rig:
        reachable(rig)
        await until(lambda: webhook_of(rig), "the webhook is set")
        await rig.peer.queue.set_webhook({"url": "https://other.example/hook"})
        rig.peer.write("one")
        await until(lambda: texts(rig) == ["one"], "it comes all the same")
        assert "other.example" in str([entry for entry in rig.context.logged if "failing" in str(entry["event"])])


async def test_when_polling_was_chosen_there_is_no_route(rig: TelegramRig) -> None:
    assert list(rig.adapter.routes()) == []


@pytest.mark.parametrize("header", ["", "wrong", "\udcff\udcfe", "ключ".encode().decode("utf-8", "surrogateescape")])
async def test_only_telegram_may_post(header: str) -> None:
    async with at_work(mode="webhook") as rig:
        right = webhook_secret(rig.context, BOT)
        assert not same_secret(header, right)
        assert same_secret(right, right)
        body = json.dumps(message(1)).encode()
        if header.isascii():
            answer = await rig.post(Post(path="/update", body=body), {SECRET_HEADER: header})
            assert answer.status == 401
            assert rig.context.counts["bad_secret"] == 1
        assert rig.context.accepted == []


async def test_what_the_bot_before_this_one_is_told_is_not_taken_for_ours() -> None:
    async with at_work(mode="webhook") as rig:
        headers = {SECRET_HEADER: webhook_secret(rig.context, BOT + 1)}
        answer = await rig.post(Post(path="/update", body=json.dumps(message(1)).encode()), headers)
        assert (answer.status, rig.context.accepted) == (401, [])


async def test_an_update_that_waits_for_the_library_is_not_overtaken_by_the_next_one() -> None:
    async with at_work(mode="webhook") as rig:
        headers = {SECRET_HEADER: webhook_secret(rig.context, BOT)}
        imported = threading.Event()
        importing = LOADER.submit(imported.wait, WITHIN)
        try:
            odd = {**message(1, text="first")}
            cast("dict[str, object]", odd["message"])["never_seen_before"] = True
            bodies = [json.dumps(each).encode() for each in (odd, message(2, text="second"))]
            posted = []
            for body in bodies:
                posted.append(asyncio.create_task(rig.post(Post(path="/update", body=body), headers)))
                await asyncio.sleep(0.2)  # it has come
            assert texts(rig) == []
        finally:
            imported.set()
        assert [(await each).status for each in posted] == [200, 200]
        assert texts(rig) == ["first", "second"]
        assert importing.result() is True


async def test_an_update_that_is_too_long_is_refused() -> None:
    async with at_work(mode="webhook") as rig:
        headers = {SECRET_HEADER: webhook_secret(rig.context, BOT)}
        answer = await rig.post(Post(path="/update", body=b" " * 1_000_001), headers)
        assert answer.status == 400


async def test_a_file_that_does_not_come_makes_telegram_post_the_update_again() -> None:
    async with at_work(mode="webhook") as rig:
        rig.peer.will(*[rig.peer.refusal(502)] * 1_000, on="^GET /file/")
        found = {**message(1, document=rig.peer.add_file(b"x"))}
        headers = {SECRET_HEADER: webhook_secret(rig.context, BOT)}
        answer = await rig.post(Post(path="/update", body=json.dumps(found).encode()), headers)
        assert answer.status == 503
        assert rig.context.accepted == []


# --- the judgement, without time ---


def info(pending: int, error: int) -> WebhookInfo:
    return WebhookInfo(url="u", pending_update_count=pending, last_error_date=error, last_error_message="broken")


@pytest.mark.parametrize(
    ("looks", "fails"),
    [
        pytest.param([info(0, 0)] * 5, False, id="nothing happens"),
        pytest.param([info(500, 0), info(900, 0), info(2_000, 0)], False, id="a load without errors"),
        pytest.param([info(3, 10), info(3, 10)], True, id="an error, and nothing moves"),
        pytest.param([info(3, 10), info(9, 12)], True, id="errors and more waiting"),
        pytest.param([info(3, 10), info(2, 12), info(1, 14), info(0, 14)], False, id="errors, and it goes on"),
        pytest.param([info(3, 10), info(0, 10), info(1, 10)], False, id="a hiccup"),
        pytest.param([info(3, 5), info(3, 5), info(4, 5)], False, id="an error of the time before"),
        pytest.param([info(3, 10), info(0, 10), *map(info, (5, 9, 12), (10,) * 3)], False, id="a load after a hiccup"),
    ],
)
def test_a_webhook_fails_when_errors_are_new_and_the_queue_does_not_shrink(
    looks: list[WebhookInfo],
    fails: bool,  # noqa: FBT001  # a table
) -> None:
    watch = Watch(WebhookInfo(url="u", pending_update_count=1, last_error_date=5))
    assert any([watch.fails(look) for look in looks]) is fails  # noqa: C419  # each look counts
    assert STRIKES == 2


def test_the_pause_before_the_next_try_grows_until_the_webhook_has_worked_for_a_while() -> None:
    retry = Retry()
    pauses = [retry.failed(NOON) - NOON for _ in range(8)]
    assert pauses[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert pauses[-1] == LONGEST_RETRY
    retry.begin(NOON)
    assert retry.failed(NOON + STEADY - 1) == NOON + STEADY - 1 + LONGEST_RETRY
    retry.begin(NOON)
    assert retry.failed(NOON + STEADY) == NOON + STEADY + FIRST_RETRY
