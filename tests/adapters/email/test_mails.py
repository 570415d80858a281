"""Mails as they come: each file in ``mails/`` and what must be read from it, in ``mails/expected.json``."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.email.parse import parse_mail
from adapters.email.wire import Ours, ParsedMail

MAILS = Path(__file__).parent / "mails"
NAMES = sorted(file.stem for file in MAILS.glob("*.eml"))
EXPECTED: dict[str, dict[str, Any]] = msgspec.json.decode((MAILS / "expected.json").read_bytes())
OURS = Ours(mailboxes=("support@shop.example",), key=b"k" * 32)
NOW = 1_800_000_000_000


def described(mail: ParsedMail) -> dict[str, Any]:
    """What is worth saying of a mail: everything that is not empty, files by name, type and size."""
    files = [
        [one.filename, one.type, len(one.data.replace(b"\r\n", b"\n")), one.content_id] for one in mail.attachments
    ]
    said = {
        "sender": f"{mail.sender.name} <{mail.sender.address}>" if mail.sender else "",
        "to": [box.address for box in mail.recipients],
        "delivered_to": list(mail.delivered_to),
        "mailbox": mail.mailbox,
        "subject": mail.subject,
        "date": mail.date if mail.date != NOW else "now",
        "message_id": mail.message_id,
        "mentioned": list(mail.mentioned),
        "text": mail.text.split("\n"),
        "full": mail.full.split("\n") if mail.full != mail.text else [],
        "html": mail.html.replace("\r\n", "\n"),
        "attachments": files,
        "automatic": mail.automatic,
        "bounce": msgspec.to_builtins(mail.bounce) if mail.bounce else {},
        "receipt": mail.receipt,
        "defects": list(mail.defects),
    }
    return {name: value for name, value in said.items() if value}


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", NAMES)
def test_mail_is_read_as_a_person_would_read_it(name: str, line_end: bytes) -> None:
    raw = (MAILS / f"{name}.eml").read_bytes().replace(b"\n", line_end)
    mail = parse_mail(raw, now_ms=NOW, ours=OURS)
    assert described(mail) == EXPECTED[name]
    assert not mail.verified


def test_every_expectation_has_its_mail() -> None:
    assert list(EXPECTED) == NAMES


def test_lines_of_the_text_are_lines_of_the_full_text_in_order() -> None:
    for name in NAMES:
        mail = parse_mail((MAILS / f"{name}.eml").read_bytes(), now_ms=NOW, ours=OURS)
        rest = iter(mail.full.split("\n"))
        assert all(line in rest for line in mail.text.split("\n")), name
