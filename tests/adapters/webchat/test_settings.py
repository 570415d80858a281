import pytest

from adapters.registry import adapter_type
from adapters.webchat import WebChat
from adapters.webchat.face import Question, Variant
from adapters.webchat.settings import FileSettings, IdentifySettings, VisitorLimits, WebChatSettings
from config import Duration, Secret, SettingError, Size
from tests.adapters.webchat.fakes import FakeContext


def problems(**settings: object) -> list[str]:
    with pytest.raises(ExceptionGroup) as refused:
        WebChatSettings(**{"origins": ["https://shop.example"], **settings})  # type: ignore[arg-type] # wrong on purpose
    return [str(problem) for problem in refused.value.exceptions]


def test_origins_alone_are_enough() -> None:
    settings = WebChatSettings(origins=["https://shop.example"])
    assert not settings.preview
    assert not settings.demo
    assert settings.files.max_size == 10_000_000


@pytest.mark.parametrize("origin", ["shop.example", "https://shop.example/chat", "*", "https://*.shop.example", ""])
def test_what_is_no_origin_is_named(origin: str) -> None:
    [problem] = problems(origins=["https://shop.example", origin])
    assert repr(origin) in problem


def test_all_mistakes_are_told_at_once() -> None:
    found = problems(session=Duration.parse("1m"), files=FileSettings(max_size=Size.parse("1GB")), origins=["x"])
    assert len(found) == 3


def test_an_hour_must_have_room_for_one_file() -> None:
    [problem] = problems(limits=VisitorLimits(file_bytes_per_hour=Size.parse("1MB")))
    assert "must not be less than one file" in problem


def test_the_channel_is_found_by_its_type() -> None:
    assert adapter_type("webchat") is WebChat


async def test_check_says_which_websites_may_show_the_chat() -> None:
    adapter = WebChat(WebChatSettings(origins=["https://Shop.example:443"]), FakeContext())
    assert [finding.what for finding in await adapter.check()] == [
        "visitors of https://shop.example",
        "the chat that pages load is built",
    ]


def test_questions_and_invitations_are_checked() -> None:
    with pytest.raises(SettingError, match="`options` belong to"):
        Question(name="topic", label={"en": "?"}, kind="choice")
    with pytest.raises(SettingError, match="that the chat itself uses"):
        Question(name="user_name", label={"en": "?"})
    with pytest.raises(SettingError, match="which `pages`"):
        Variant()
    question = Question(name="topic", label={"en": "?"})
    assert problems(questions=[question, question]) == ["'topic' is there twice"]


def test_keys_of_identities_are_long_and_lives_are_bounded() -> None:
    with pytest.raises(SettingError, match="at least 32"):
        IdentifySettings(secrets=[Secret("short")])
    with pytest.raises(SettingError, match="must be 1m to 1d"):
        IdentifySettings(secrets=[Secret("x" * 32)], life=Duration.parse("3d"))
