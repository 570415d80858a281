"""Secrets keep silent; measures and addresses go from text to value and back."""

import copy
import pickle
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from config import Duration, ListenAddress, Scalar, Secret, Size, decode_scalar, encode_scalar


class Settings(Struct):
    token: Secret


@pytest.mark.parametrize(
    "shown",
    [
        str(Secret("hunter2")),
        repr(Secret("hunter2")),
        f"{Secret('hunter2')}",
        f"{Secret('hunter2'):>5}",
        "{}".format(Secret("hunter2")),
        repr(Settings(Secret("hunter2"))),
        repr([Secret("hunter2")]),
    ],
)
def test_secret_shows_stars(shown: str) -> None:
    assert "***" in shown
    assert "hunter2" not in shown


def test_secret_is_revealed_only_on_demand() -> None:
    assert Secret("hunter2").reveal() == "hunter2"
    assert not hasattr(Secret("hunter2"), "__dict__")


def test_secret_is_never_serialised() -> None:
    settings = Settings(Secret("hunter2"))
    with pytest.raises(TypeError, match="unsupported"):
        msgspec.json.encode(settings)
    with pytest.raises(TypeError, match="never serialised"):
        msgspec.json.encode(settings, enc_hook=encode_scalar)
    with pytest.raises(TypeError, match="never serialised"):
        pickle.dumps(settings)


def test_secret_is_equal_to_the_same_secret_alone() -> None:
    assert Secret("żółć") == Secret("żółć")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_secret_may_be_copied_with_its_settings_and_tested_for_emptiness() -> None:
    secret = Secret("a")
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret
    assert secret
    assert not Secret("")


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("60s", 60_000), ("15m", 900_000), ("2h", 7_200_000), ("7d", 604_800_000), ("0s", 0)],
)
def test_duration_holds_milliseconds(text: str, milliseconds: int) -> None:
    assert Duration.parse(text) == milliseconds
    assert Duration.parse(text).seconds == milliseconds / 1000


@pytest.mark.parametrize(
    ("text", "bytes_"), [("512B", 512), ("10MB", 10_000_000), ("64KiB", 65_536), ("1kB", 1000), ("2GiB", 2 * 1024**3)]
)
def test_size_holds_bytes(text: str, bytes_: int) -> None:
    assert Size.parse(text) == bytes_


@pytest.mark.parametrize("text", ["", "s", "60", "-1s", "1.5h", "1 h", "1H", "1w", "٣s", "9" * 13 + "s", "1s\n"])
def test_other_texts_are_no_duration(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence is tested where it is shown
        Duration.parse(text)


@pytest.mark.parametrize("kind", [Duration, Size])
@given(amount=st.integers(0, 10**11))
def test_measures_go_to_text_and_back(kind: type[Duration] | type[Size], amount: int) -> None:
    assert kind.parse(str(kind(amount))) == amount


def test_measures_print_as_text_and_format_as_numbers() -> None:
    assert (
        f"{Duration(90_000)} {Duration(90_000):d} {Duration(0)} {Duration(1500)!r}" == "90s 90000 0ms Duration(1500ms)"
    )
    assert f"{Size(2048)} {Size(2048):,} {Size(0)} {Size(10**6)!r}" == "2KiB 2,048 0B Size(1MB)"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:8080", "127.0.0.1", 8080), ("shop.example:0", "shop.example", 0), ("[::1]:65535", "::1", 65535)],
)
def test_listen_address_is_taken_apart(text: str, host: str, port: int) -> None:
    address = ListenAddress.parse(text)
    assert (address.host, address.port, str(address)) == (host, port, text)


@pytest.mark.parametrize("text", ["8080", ":8080", "a:", "::1:80", "a:65536", "a b:1", "a:1\n"])
def test_other_texts_are_no_listen_address(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence is tested where it is shown
        ListenAddress.parse(text)


class Measures(Struct):
    after: Duration
    most: Size
    listen: ListenAddress
    folder: Path


def test_settings_go_to_json_as_people_write_them_and_back() -> None:
    value = Measures(Duration(60_000), Size(10**7), ListenAddress("a:1"), Path("/x"))
    text = msgspec.json.encode(value, enc_hook=encode_scalar)
    assert text == b'{"after":"1m","most":"10MB","listen":"a:1","folder":"/x"}'
    assert msgspec.json.decode(text, type=Measures, dec_hook=decode_scalar) == value


def test_json_of_another_kind_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="Duration cannot be read from int"):
        msgspec.convert({"after": 1}, msgspec.defstruct("S", [("after", Duration)]), dec_hook=decode_scalar)
    with pytest.raises(TypeError, match="complex is not a scalar"):
        encode_scalar(1j)


def test_scalars_of_this_package_have_the_shape_that_plugins_imitate() -> None:
    assert all(isinstance(kind, Scalar) for kind in (Secret, Duration, Size, ListenAddress))
