"""Anna, the operator of the tests of a channel: what they wait for on her desk, and the books that must balance."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from tests.e2e.actors import Operator, answer_to
from tests.e2e.installation import Installation


def anna_of(installation: Installation, *, answering: bool) -> Operator:
    """Give her as a client, to be entered."""
    return Operator(lambda: installation.parts["desk"].url, "anna", "10.1.0.1", answering=answering)


async def until(look: Callable[[], object], what: str, within: float = 60.0) -> None:
    """Wait for something to be so; ``within`` is in seconds."""
    end = time.monotonic() + within
    while not look():
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.05)


async def available(anna: Operator) -> None:
    """Wait until she can be given conversations, and see that no other test has left her any."""
    await until(lambda: anna.card.get("state") == "available", "anna is available")
    assert anna.mine == []


async def close(anna: Operator) -> None:
    """Close all that she has, so that the next test finds her without work."""
    anna.answering = False
    for conversation in anna.mine:
        anna.order({"do": "close", "conversation": conversation})
    await until(lambda: not anna.mine, "everything is closed")


def receipts(anna: Operator, conversation: str) -> dict[str, str]:
    """Give what the desk shows of each answer."""
    items = anna.items.get(conversation, {}).values()
    return {item["content"]["text"]: str(item.get("receipt", "queued")) for item in items if item["kind"] == "reply"}


def outcomes(anna: Operator) -> dict[str, str]:
    """Give what the desk shows of each answer in any conversation."""
    return {text: state for conversation in anna.items for text, state in receipts(anna, conversation).items()}


async def all_answered(anna: Operator, written: list[str], final: set[str], within: float) -> None:
    """Wait until each message has been shown once, answered once, and every answer has one of the ``final`` states."""
    answers = sorted(map(answer_to, written))
    await until(lambda: _said(anna, "message") == sorted(written), "every message is on the desk", within)
    await until(lambda: _said(anna, "reply") == answers, "all is answered", within)
    await until(lambda: set(outcomes(anna).values()) <= final, "all have an outcome", within)


def balance(shown: dict[str, str], sent: Counter[str], written: list[str]) -> None:
    """Compare what the desk says of the answers with what the provider was given of each."""
    assert set(sent.values()) <= {1}, "an answer was sent twice"
    assert [text for text, state in shown.items() if state != "unknown" and text not in sent] == []
    assert len(shown) == len(written)
    assert sum(state != "unknown" for state in shown.values()) > len(written) // 2


def _said(anna: Operator, kind: str) -> list[str]:
    return sorted(text for conversation in anna.items for text in anna.said(conversation, kind))
