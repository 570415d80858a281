"""What can be set, and which mistakes are found."""

from typing import Any

import pytest

from adapters.twilio.settings import TemplateSettings
from config import Duration, SettingError
from tests.adapters.twilio.conftest import make_settings

CONTENT = "HX" + "c3" * 16


def faults(**changes: Any) -> list[tuple[object, ...]]:  # noqa: ANN401 - any field
    with pytest.raises(ExceptionGroup) as caught:
        make_settings(**changes)
    return [fault.key for fault in caught.value.exceptions if isinstance(fault, SettingError)]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"numbers": []}, "from"),
        ({"numbers": "whatsapp:48600100200"}, "from"),
        ({"numbers": ["+48600100200", "Shop"]}, "from"),
        ({"timeout": Duration(0)}, "timeout"),
        ({"timeout": Duration(61_000)}, "timeout"),
        ({"retry_for": Duration(7 * 86_400_000)}, "retry_for"),
        ({"api": "ftp://a.example"}, "api"),
        ({"api": "http://a.example/path"}, "api"),
        ({"api": "http://["}, "api"),
    ],
)
def test_a_mistake_names_its_key(changes: dict[str, Any], key: str) -> None:
    assert faults(**changes) == [(key,)]


def test_all_mistakes_are_told_at_once() -> None:
    assert faults(numbers=[], api="x", timeout=Duration(0)) == [("from",), ("timeout",), ("api",)]


def test_one_number_needs_no_list() -> None:
    assert make_settings(numbers="whatsapp:+14155238886").own == ("whatsapp:+14155238886",)


def test_secrets_do_not_show() -> None:
    settings = make_settings()
    assert settings.auth_token.reveal() not in repr(settings)


def test_the_variables_of_a_template_are_those_of_its_text() -> None:
    template = TemplateSettings(
        content_sid=CONTENT, language="pl", text="{{1}} i {{ name }} i {{1}}", variables={"1": "kto"}
    )
    assert template.placeholders == ("1", "name")
    assert template.filled({"1": "Ola"}) == "Ola i {{ name }} i Ola"
    with pytest.raises(SettingError, match="2 do not stand in the text"):
        TemplateSettings(content_sid=CONTENT, language="pl", text="{{1}}", variables={"2": "what?"})
