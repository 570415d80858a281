import re
from pathlib import Path

import pytest
from msgspec import Struct

from adapters.email import Email
from adapters.email.providers import LOGIN_HINTS, login_hint
from adapters.email.settings import EmailSettings
from broker.settings.source import read_source
from config import ConfigErrors, load

PAGE = Path(__file__).parents[3] / "docs" / "email.md"
SECRETS = {name: f"secret of {name}" for name in ("MAIL_PASSWORD", "MAIL_CLIENT_SECRET", "MAIL_REFRESH_TOKEN")} | {
    "ANNA_PASSWORD_HASH": "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaA"
}
SERVERS = "imap: {host: imap.shop.example}\nsmtp: {host: smtp.shop.example}\n"
RIGHT = f"type: email\naddress: support@shop.example\npassword: hunter2\n{SERVERS}"


class File(Struct):
    channel: EmailSettings


def read(tmp_path: Path, text: str) -> EmailSettings:
    file = tmp_path / "t.yaml"
    file.write_text("channel:\n" + "".join(f"  {line}\n" for line in text.splitlines()))
    return load(file, File, env={}).value.channel


def test_the_smallest_file_is_enough(tmp_path: Path) -> None:
    settings = read(tmp_path, RIGHT)
    assert (settings.login, settings.imap.port, settings.smtp.port) == ("support@shop.example", 993, 465)
    assert "hunter2" not in repr(settings)
    assert Email.Settings is EmailSettings


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (RIGHT.replace("support@shop.example", "support"), "channel.address"),
        (RIGHT + "aliases: [nobody]", "channel.aliases[0]"),
        (RIGHT.replace("password: hunter2\n", ""), "channel.password"),
        (RIGHT.replace("imap.shop.example}", "imap.shop.example, tls: none}"), "channel.imap.tls"),
        (RIGHT.replace("smtp.shop.example}", "smtp.shop.example, tls: none}"), "channel.smtp.tls"),
        (RIGHT.replace("imap.shop.example}", "imap.shop.example, idle: 30m}"), "channel.imap.idle"),
        (RIGHT.replace("imap.shop.example}", "imap.shop.example, poll: 0s}"), "channel.imap.poll"),
        (RIGHT.replace("imap.shop.example}", "imap.shop.example, timeout: 3m}"), "channel.imap.timeout"),
        (RIGHT.replace("imap.shop.example}", "imap.shop.example, ca_file: /nowhere.pem}"), "channel.imap.ca_file"),
        (RIGHT.replace("smtp.shop.example}", "smtp.shop.example, user: x}"), "channel.smtp.user"),
        (
            RIGHT.replace("smtp.shop.example}", "smtp.shop.example, user: x, password: y, login: false}"),
            "channel.smtp.login",
        ),
        (RIGHT.replace("smtp.shop.example}", "smtp.shop.example, data_timeout: 1h}"), "channel.smtp.data_timeout"),
        (RIGHT.replace("hunter2", '"hunter\\n2"'), "channel.password"),
        (RIGHT + "oauth2: {token_url: https://t.example/, client_id: a, refresh_token: b}", "channel.password"),
        (RIGHT + "oauth2: {token_url: http://t.example/, client_id: a, refresh_token: b}", "channel.oauth2.token_url"),
        (RIGHT + "oauth2: {token_url: https://t.example/, client_id: a}", "channel.oauth2.client_secret"),
        (RIGHT + "retry_for: 7d", "channel.retry_for"),
        (RIGHT + "after: {move_to: Inbox}", "channel.after.move_to"),
        (
            RIGHT.replace("imap.shop.example}", "imap.shop.example, folder: Team}") + "after: {move_to: Team}",
            "channel.after.move_to",
        ),
        (RIGHT + "folder: INBOX", "channel.folder"),
    ],
)
def test_a_mistake_names_its_key(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        read(tmp_path, text)
    assert key in [problem.key for problem in raised.value.problems]
    assert "hunter" not in str(raised.value)


def test_the_examples_of_the_page_are_right(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        file = tmp_path / "trunkline.yaml"
        file.write_text(block)
        assert read_source(file, SECRETS).settings.channels


@pytest.mark.parametrize(
    ("host", "word"),
    [
        ("imap.gmail.com", "apppasswords"),
        ("outlook.office365.com", "IMAP.AccessAsUser.All"),
        ("IMAP.Yandex.RU", "Yandex"),
        ("imap.shop.example", "many providers"),
        ("notgmail.com", "many providers"),
    ],
)
def test_a_provider_is_known_by_the_end_of_its_name(host: str, word: str) -> None:
    assert word in login_hint(host)


def test_every_hint_is_a_sentence() -> None:
    assert all(" " in hint for hint in LOGIN_HINTS.values())
