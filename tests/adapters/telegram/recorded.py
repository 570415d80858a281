"""Updates as Telegram sends them, one file for each situation, with the envelope that must come of it.

``{"update": ..., "envelope": ...}``; the envelope is without its id, and null where there must be none.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from adapters.telegram import Telegram, aiogram_driver, ptb_driver
from adapters.telegram.endurance import Tempo
from adapters.telegram.settings import TelegramSettings
from adapters.testing import NOON, FakeContext, InboundCase
from adapters.testing.telegram import TOKEN, TelegramSimulator
from adapters.testing.telegram_rules import Uploaded
from config import Duration, Secret
from normalizer.codec import decode_envelope
from normalizer.envelope import Envelope

Json = dict[str, Any]
LIBRARIES = (aiogram_driver, ptb_driver)
"""Imported beforehand, for a call waits for the import of a library only a second."""

FOLDER = Path(__file__).parent / "updates"
NAMES = sorted(file.stem for file in FOLDER.glob("*.json"))
BOT = int(TOKEN.partition(":")[0])

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64)
FILES = {
    "photo-x": PNG,
    "video": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(64),
    "voice": b"OggS\x00\x02" + bytes(22) + b"OpusHead" + bytes(32),
    "audio": b"ID3\x03\x00\x00\x00\x00\x00\x00" + bytes(64),
    "pdf": b"%PDF-1.7\n" + bytes(64),
    "webp": b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(64),
}
"""What is behind the file ids of the updates; an id that is not here is one that Telegram has forgotten."""


class Quick(Telegram):
    """The channel, with pauses for tests."""

    tempo = Tempo(look=0.05, first=0.02, longest=0.1, patience=4)


def update(name: str) -> Json:
    """Give an update."""
    found: Json = json.loads((FOLDER / f"{name}.json").read_text())["update"]
    return found


def expected(name: str) -> Envelope | None:
    """Give the envelope that must come of an update."""
    found: Json | None = json.loads((FOLDER / f"{name}.json").read_text())["envelope"]
    return decode_envelope(msgspec.json.encode({"id": "-", **found})) if found is not None else None


def cases() -> list[InboundCase]:
    """Give all of them; the event is the update."""
    found = [(name, expected(name)) for name in NAMES]
    return [InboundCase(label=name, event=update(name), envelopes=[it] if it is not None else []) for name, it in found]


def simulator(**more: Any) -> TelegramSimulator:  # noqa: ANN401  # as the simulator takes it
    """Make a Telegram that has the files of the updates."""
    peer = TelegramSimulator(**more)
    peer.files |= {identity: Uploaded(identity, content) for identity, content in FILES.items()}
    peer.queue.repeats = True
    for name in NAMES:
        remember(peer, update(name))
    return peer


def remember(peer: TelegramSimulator, found: Json) -> None:
    """Make the chat of an update one that the bot may write to."""
    for inner in found.values():
        if isinstance(inner, dict):
            chat = inner.get("chat") or inner.get("message", {}).get("chat")
            if chat:
                peer.chats[chat["id"]] = chat


def settings(url: str, **changes: Any) -> TelegramSettings:  # noqa: ANN401  # as the settings take them
    """Give settings for a simulator; a busy machine has time to answer."""
    plain: Json = {
        "token": Secret(TOKEN),
        "mode": "polling",
        "api_url": url,
        "chats": ("private", "group", "channel"),
        "timeout": Duration(20_000),
        "poll_timeout": Duration(2_000),
    }
    return TelegramSettings(**{**plain, **changes})


def message(number: int, user: int = 42, **content: object) -> Json:
    """Give the ``number``-th message of a customer, as an update."""
    person = {"id": user, "first_name": "Ola", "type": "private"}
    inner = {
        "message_id": number,
        "date": NOON // 1_000,
        "chat": person,
        "from": {"id": user, "is_bot": False, "first_name": "Ola"},
        **(content or {"text": f"message {number}"}),
    }
    return {"update_id": 900_000_000 + number, "message": inner}


def make(context: FakeContext, peer: TelegramSimulator, **changes: Any) -> Quick:  # noqa: ANN401
    """Make the channel."""
    return Quick(settings(peer.url, **changes), context)
