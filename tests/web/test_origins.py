import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from web.errors import Refusal
from web.origins import Origins, normalise_origin, refuse_forgery

SHOP = Origins(["https://Shop.Example", "http://localhost:8080"])


@pytest.mark.parametrize(
    "origin", ["https://shop.example", "https://SHOP.example", "https://shop.example:443", "http://localhost:8080"]
)
def test_the_same_origin_is_known_however_it_is_written(origin: str) -> None:
    assert SHOP.allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "http://shop.example",
        "https://shop.example:8443",
        "https://evil-shop.example",
        "https://shop.example.evil.test",
        "https://shop.example@evil.test",
        "https://evil.test/https://shop.example",
        "https://shop.example/",
        "https://shop.example?",
        "https://shop.example#",
        "https://shop.example:",
        "https://shop.example:99999",
        "https://shop.example.",
        "https://shop.examplе",  # noqa: RUF001 - a Cyrillic letter is the point
        "https://shop.example https://evil.test",
        "https://shop.example\n",
        "//shop.example",
        "file://shop.example",
        "https://[::1",
    ],
)
def test_what_only_looks_like_it_is_not(origin: str | None) -> None:
    assert not SHOP.allows(origin)


def test_a_password_in_an_origin_is_repeated_to_nobody() -> None:
    with pytest.raises(ValueError, match=r"//\*\*\*@shop.example") as refused:
        normalise_origin("https://anna:hunter2@shop.example")
    assert "hunter2" not in str(refused.value)


def test_an_ipv6_host_keeps_its_brackets() -> None:
    assert normalise_origin("http://[::1]:80") == "http://[::1]"


def request(method: str, **headers: str) -> web.Request:
    return make_mocked_request(method, "/", headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_require_names_the_origin_or_refuses() -> None:
    assert SHOP.require(request("GET", Origin="https://shop.example:443")) == "https://shop.example"
    with pytest.raises(Refusal) as refused:
        SHOP.require(request("GET"))
    assert (refused.value.status, refused.value.error.code) == (403, "wrong_origin")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://shop.example"},
        {"Origin": "https://shop.example", "Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
    ],
)
def test_our_own_pages_may_change_things(headers: dict[str, str]) -> None:
    refuse_forgery(request("POST", **headers), SHOP)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "https://shop.example", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "https://evil.test", "Sec_Fetch_Site": "same-origin"},
    ],
)
def test_nobody_else_may(headers: dict[str, str]) -> None:
    with pytest.raises(Refusal):
        refuse_forgery(request("DELETE", **headers), SHOP)


def test_reading_needs_no_proof() -> None:
    refuse_forgery(request("GET", Origin="https://evil.test"), SHOP)
