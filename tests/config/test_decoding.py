"""What each kind of type accepts, and what is said when it does not."""

import enum
import ipaddress
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Union
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec import Meta, Struct

from config import Duration, ListenAddress, Secret, SettingError, Size

Read = Callable[..., Any]
Mistakes = Callable[..., list[str]]


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Webchat(Struct, tag_field="type", tag="webchat"):
    origins: list[str]


class Telegram(Struct, tag_field="type", tag="telegram"):
    token: Secret
    from_: str = msgspec.field(default="", name="from")


class Http(Struct):
    listen: ListenAddress


class Person(Struct):
    name: str
    manager: "Person | None" = None


def one(type_: object) -> type[Struct]:
    """A struct with the one key `a`."""
    return msgspec.defstruct("One", [("a", type_)])


CHANNEL = Union[(Webchat, Telegram)]  # noqa: UP007 - built at run time, as from a registry

ACCEPTED = [
    (str, "x", "x"),
    (str, '"12"', "12"),
    (str, "no", "no"),
    (str, "09:00-13:00", "09:00-13:00"),
    (str, "12:30:45", "12:30:45"),
    (str, "2024-01-01", "2024-01-01"),
    (str, "!!str 12", "12"),
    (int, "0x1F", 31),
    (int, "0o17", 15),
    (int, "010", 10),
    (float, "3", 3.0),
    (float, "1e3", 1000.0),
    (bool, "true", True),
    (bool, "False", False),
    (None | int, "", None),
    (None | int, "~", None),
    (None | int, "5", 5),
    (int | float | str, "5", 5),
    (float | int, "5", 5),
    (int | float | str, "5.5", 5.5),
    (int | float | str, '"5"', "5"),
    (Literal["on", "off"], "on", "on"),
    (Literal[1, 2], "2", 2),
    (Literal["1", "2"], "2", "2"),
    (Colour, "green", Colour.GREEN),
    (Path, "/etc/x", Path("/etc/x")),
    (ZoneInfo, "Europe/Warsaw", ZoneInfo("Europe/Warsaw")),
    (list[ipaddress.IPv4Network], "[10.0.0.0/8]", [ipaddress.IPv4Network("10.0.0.0/8")]),
    (Duration, "15m", 900_000),
    (Size | None, "64KiB", 65536),
    (ListenAddress, '"[::1]:80"', "[::1]:80"),
    (Secret, "12345", Secret("12345")),
    (list[int], "[1, 2]", [1, 2]),
    (set[int], "[1, 1]", {1}),
    (frozenset[str], "[b]", frozenset({"b"})),
    (tuple[int, ...], "[1, 2]", (1, 2)),
    (tuple[int, str], "[1, x]", (1, "x")),
    (dict[str, int], "{1: 2, true: 3}", {"1": 2, "true": 3}),
    (dict[Any, int], "{x: 2}", {"x": 2}),
    (dict[int, int], "{1: 2}", {1: 2}),
    (dict[Colour, int], "{red: 2}", {Colour.RED: 2}),
    (Any, "{x: [1, ~, y]}", {"x": [1, None, "y"]}),
    (CHANNEL, "{type: webchat, origins: [x]}", Webchat(["x"])),
    (CHANNEL, "{type: telegram, token: x, from: me}", Telegram(Secret("x"), "me")),
    (Webchat, "{type: webchat, origins: []}", Webchat([])),
    (Literal["embedded"] | Http, "embedded", "embedded"),
    (Literal["embedded"] | Http, "{listen: a:1}", Http(ListenAddress("a:1"))),
    (Literal["all"] | list[str] | None, "[x]", ["x"]),
    (Literal["all"] | dict[str, int], "{x: 1}", {"x": 1}),
    (Person, "{name: a, manager: {name: b}}", Person("a", Person("b"))),
]


@pytest.mark.parametrize(("type_", "text", "value"), ACCEPTED)
def test_value_is_read_as_its_type(read: Read, type_: object, text: str, value: object) -> None:
    found = read(one(type_), f"a: {text}\n").a
    assert found == value
    assert type(found) is type(value) or isinstance(found, (Duration, Size, ListenAddress))


REFUSED = [
    (str, "12", 'found 12; put it in quotes: "12"; expected text'),
    (str, "", "found nothing; expected text"),
    (str, "[x]", "found a list; expected text"),
    (int, "x", 'found "x"; expected a whole number'),
    (int, "true", "found true; expected a whole number"),
    (int, '"5"', 'found "5"; expected a whole number'),
    (int, "1.5", "found 1.5; expected a whole number"),
    (float, ".nan", 'found ".nan"; expected a number'),
    (bool, "yes", 'found "yes"; write true; expected true or false'),
    (bool, "maybe", 'found "maybe"; expected true or false'),
    (None, "x", 'found "x"; expected nothing'),
    (Annotated[int, Meta(ge=1, le=5)], "6", "found 6; expected a whole number from 1 to 5"),
    (Annotated[int, Meta(gt=1, lt=5)], "5", "found 5; expected a whole number above 1 below 5"),
    (Annotated[float, Meta(le=1)], "2", "found 2; expected a number up to 1"),
    (Annotated[int, Meta(multiple_of=5)], "6", "found 6; expected a whole number in steps of 5"),
    (Annotated[str, Meta(min_length=2)], "x", 'found "x"; its length is 1; expected text of at least 2 characters'),
    (Annotated[str, Meta(max_length=1)], "xy", 'found "xy"; its length is 2; expected text of at most 1 characters'),
    (
        Annotated[str, Meta(min_length=1, max_length=2, pattern="^a")],
        "x",
        'found "x"; expected text of 1 to 2 characters that matches ^a',
    ),
    (Annotated[list[int], Meta(min_length=1)], "[]", "it has 0; expected a list of at least 1 items of a whole number"),
    (
        Annotated[dict[str, int], Meta(max_length=0)],
        "{x: 1}",
        "it has 1; expected a mapping of at most 0 entries to a whole number",
    ),
    (Literal["power", "process"], "pwer", 'found "pwer"; did you mean "power"? allowed: power, process'),
    (Literal[1, 2], "true", "found true; allowed: 1, 2"),
    (Colour, "Gren", 'found "Gren"; did you mean "green"? allowed: green, red'),
    (Secret, "[hunter2]", "found a list; expected a secret"),
    (list[Secret], "hunter2", "found ***; expected a list of a secret"),
    (Annotated[list[Secret], Meta(min_length=1)] | None, "hunter2", "found ***; expected a list"),
    (Secret, "", "found nothing; expected a secret"),
    (Secret, '""', "found ***; the secret is empty; expected a secret"),
    (Duration, "60", "found 60; a unit is missing, as in 60s; expected a duration"),
    (Size, "ten", 'found "ten"; expected a size such as'),
    (ListenAddress, "a:70000", 'found "a:70000"; port 70000 is above 65535; expected host:port'),
    (ListenAddress, "8080", "found 8080; a host and a port are needed; expected host:port"),
    (ZoneInfo, "Europe/Warsw", 'found "Europe/Warsw"; no such time zone; expected a time zone'),
    (ZoneInfo, "../x", "expected a time zone"),
    (ipaddress.IPv4Network, "10.0.0.1/8", "has host bits set"),
    (tuple[int, str], "[1]", "a list of 1; expected a list of 2: a whole number, text"),
    (CHANNEL, "{origins: []}", 'the key "type" is missing; allowed: telegram, webchat'),
    (CHANNEL, "webchat", 'found "webchat"; expected a mapping with "type" (telegram, webchat)'),
    (CHANNEL | None, "[webchat]", 'found a list; expected a mapping with "type" (telegram, webchat) or nothing'),
    (Literal["embedded"] | Http, "[x]", "found a list; expected embedded or a mapping with listen"),
    (int | list[int], "{x: 1}", "found a mapping; expected a whole number or a list of a whole number"),
    (Any, "{x: {[y]: 1}}", "a key that is a list or a mapping; expected a word"),
    (dict[str, int], "x", 'found "x"; expected a mapping to a whole number'),
    (set[int], "x", 'found "x"; expected a list of a whole number'),
]


@pytest.mark.parametrize(("type_", "text", "said"), REFUSED)
def test_wrong_value_is_explained(mistakes: Mistakes, type_: object, text: str, said: str) -> None:
    [problem] = mistakes(one(type_), f"a: {text}\n")
    assert said in problem
    assert problem.startswith("w.yaml:1:")
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("type_", "text", "place"),
    [
        (dict[str, list[int]], "{x: [1, y]}", "w.yaml:1:12: a.x[1]: "),
        (dict[Colour, int], "{rd: 2}", 'w.yaml:1:5: a.rd: the key "rd"; did you mean "red"? allowed: green, red'),
        (tuple[int, str], "[1, 2]", "w.yaml:1:8: a[1]: "),
        (CHANNEL, "{type: webcat}", 'w.yaml:1:11: a.type: found "webcat"; did you mean "webchat"?'),
        (CHANNEL, "{type: [x]}", "w.yaml:1:11: a.type: found a list"),
        (
            CHANNEL,
            "{type: webchat, orgins: []}",
            'w.yaml:1:20: a.orgins: unknown key; did you mean "origins"? allowed: origins, type',
        ),
        (Webchat, "{type: webchat}", 'w.yaml:1:4: a: the key "origins" is missing; expected a list of text'),
        (Person, "{name: a, manager: {name: 1}}", "w.yaml:1:30: a.manager.name: found 1"),
        (dict[str, int], "{x: 1, x: 2}", "w.yaml:1:11: a.x: the key stands here twice, first at w.yaml:1:5;"),
    ],
)
def test_place_and_key_lead_to_the_mistake(mistakes: Mistakes, type_: object, text: str, place: str) -> None:
    [problem] = mistakes(one(type_), f"a: {text}\n")
    assert problem.startswith(place)


def test_every_mistake_is_reported_in_the_order_of_the_file(mistakes: Mistakes) -> None:
    whole = msgspec.defstruct("Whole", [("name", str), ("http", Http), ("channels", dict[str, CHANNEL])])
    problems = mistakes(whole, "channels:\n  s: {type: webcht}\n  t: {type: telegram}\nhttp: {listen: 8}\nnme: x\n")
    assert [problem.split(": ")[0:2] for problem in problems] == [
        ["w.yaml:2:13", "channels.s.type"],
        ["w.yaml:3:6", "channels.t"],
        ["w.yaml:4:16", "http.listen"],
        ["w.yaml:5:1", "nme"],
    ]


def test_long_values_are_shortened(mistakes: Mistakes) -> None:
    [problem] = mistakes(one(int), "a: " + "x" * 100)
    assert "x" * 60 + "..." in problem
    assert "x" * 61 not in problem


class Hours(Struct):
    opens: int
    closes: int = 24

    def __post_init__(self) -> None:
        if self.opens > 90:
            raise ExceptionGroup("", [SettingError("a", key="opens"), ExceptionGroup("", [ValueError("b")])])
        if self.opens > self.closes:
            raise SettingError("closes before it opens", key="closes")
        if self.opens == self.closes:
            raise ValueError("never open")
        if self.opens < 0:
            raise KeyError("a bug of the struct")


def test_errors_of_a_struct_point_at_its_key(mistakes: Mistakes) -> None:
    week = one(dict[str, Hours])
    text = "a:\n  mon: {opens: 9, closes: 8}\n  tue:\n    opens: 24\n  wed: {opens: 30}\n  thu: {opens: 99}\n"
    assert mistakes(week, text) == [
        "w.yaml:2:19: a.mon.closes: closes before it opens",
        "w.yaml:4:5: a.tue: never open",
        "w.yaml:5:8: a.wed.closes: closes before it opens",
        "w.yaml:6:8: a.thu: b",
        "w.yaml:6:9: a.thu.opens: a",
    ]


def test_other_errors_of_a_struct_are_not_hidden(read: Read) -> None:
    with pytest.raises(KeyError, match="a bug"):
        read(Hours, "opens: -1")


class Whole(Struct):
    a: list[dict[str, int]]

    def __post_init__(self) -> None:
        raise SettingError("wrong", key="a.0.b.c" if self.a[0]["where"] == 1 else ("a", 7, "b"))


@pytest.mark.parametrize(("where", "place"), [(1, "1:6: a[0].b.c: wrong"), (2, "1:1: a[7].b: wrong")])
def test_key_path_of_an_error_is_followed_as_far_as_it_goes(mistakes: Mistakes, where: int, place: str) -> None:
    assert mistakes(Whole, f"a: [{{b: 1, where: {where}}}]") == [f"w.yaml:{place}"]


@pytest.mark.parametrize("type_", [datetime, msgspec.Raw, bytes])
def test_types_that_settings_cannot_hold_are_a_mistake_of_the_programmer(read: Read, type_: object) -> None:
    with pytest.raises(TypeError, match="settings cannot hold"):
        read(one(type_), "a: x")


def test_class_that_is_no_scalar_is_a_mistake_of_the_programmer(read: Read) -> None:
    with pytest.raises(TypeError, match="complex is no scalar"):
        read(one(complex), "a: x")


class Level:
    """A scalar of a package's own."""

    EXPECTED = "a level such as C1"
    PATTERN = "^[A-C][12]$"

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def parse(cls, text: str) -> "Level":
        if len(text) != 2:
            raise ValueError("two characters are needed")
        return cls(text)


def test_package_adds_a_scalar_by_its_shape_alone(read: Read, mistakes: Mistakes) -> None:
    assert read(one(Level), "a: C1").a.text == "C1"
    assert mistakes(one(Level), "a: C10") == [
        'w.yaml:1:4: a: found "C10"; two characters are needed; expected a level such as C1'
    ]
