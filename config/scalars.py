"""Values that stand as one word in YAML: secrets, durations, sizes, addresses; and how a package adds its own.

A type of one's own needs no registration: it carries `EXPECTED`, `PATTERN` and a classmethod `parse` (the
`Scalar` protocol), and its `str()` is what a person writes. Types of the standard library that settings use
stand in the table `CONVERTERS`.
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import ClassVar, NoReturn, Protocol, Self, runtime_checkable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec


@runtime_checkable
class Scalar(Protocol):
    """A type whose values are one word of YAML. Instances render themselves with `str()`."""

    EXPECTED: ClassVar[str]
    """What to write, for messages: `a duration such as 60s`."""
    PATTERN: ClassVar[str]
    """Regular expression of allowed text, for the JSON Schema; empty where there is none."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `text`; raises ValueError with a sentence that says what is wrong with it."""
        ...


@dataclass(frozen=True, slots=True)
class Converter:
    """How one type is read from text and explained. `parse` raises ValueError."""

    parse: Callable[[str], object]
    expected: str
    pattern: str = ""


class Secret:
    """A text that never shows itself: `***` wherever it is printed, refused wherever it would be stored."""

    EXPECTED: ClassVar[str] = 'a secret, best written as "${NAME}" or "${file:/run/secrets/name}"'
    PATTERN: ClassVar[str] = ""
    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take any text that is not empty."""
        if not text:
            raise ValueError("the secret is empty")
        return cls(text)

    def reveal(self) -> str:
        """Return the text itself; call it only where it is handed to the service that asks for it."""
        return self.__value

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never serialised: hand over the configuration file instead")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


class Duration(int):
    """A span of time: whole milliseconds inside, `500ms`, `60s`, `15m`, `2h`, `7d` in text."""

    EXPECTED: ClassVar[str] = "a duration such as 500ms, 60s, 15m, 2h or 7d"
    PATTERN: ClassVar[str] = r"^[0-9]{1,12}(ms|s|m|h|d)$"
    UNITS: ClassVar[dict[str, int]] = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a whole number and its unit."""
        return cls(_measure(text, cls.PATTERN, cls.UNITS, "s"))

    @property
    def seconds(self) -> float:
        """The same span in seconds, as asyncio wants it."""
        return self / 1000

    def __str__(self) -> str:
        return _write_measure(int(self), self.UNITS)

    def __repr__(self) -> str:
        return f"Duration({self})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec) if not spec else int.__format__(self, spec)


class Size(int):
    """An amount of data: bytes inside; `10MB` (10^6) and `64KiB` (2^10) in text."""

    EXPECTED: ClassVar[str] = "a size such as 512B, 64KiB, 10MB or 2GiB"
    PATTERN: ClassVar[str] = r"^[0-9]{1,12}(B|kB|KB|KiB|MB|MiB|GB|GiB|TB|TiB)$"
    UNITS: ClassVar[dict[str, int]] = {
        "TiB": 1024**4,
        "TB": 1000**4,
        "GiB": 1024**3,
        "GB": 1000**3,
        "MiB": 1024**2,
        "MB": 1000**2,
        "KiB": 1024,
        "KB": 1000,
        "kB": 1000,
        "B": 1,
    }
    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a whole number and its unit."""
        return cls(_measure(text, cls.PATTERN, cls.UNITS, "MB"))

    def __str__(self) -> str:
        return _write_measure(int(self), self.UNITS)

    def __repr__(self) -> str:
        return f"Size({self})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec) if not spec else int.__format__(self, spec)


class ListenAddress(str):
    """Where a server listens: `127.0.0.1:8080`, `shop.example:443`, `[::1]:8080`; port 0: the system chooses."""

    EXPECTED: ClassVar[str] = "host:port such as 127.0.0.1:8080 or [::1]:8080"
    PATTERN: ClassVar[str] = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$"
    HIGHEST_PORT: ClassVar[int] = 65_535
    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check the form and the port's range."""
        if not re.fullmatch(cls.PATTERN, text, re.ASCII):
            raise ValueError("a host and a port are needed")
        address = cls(text)
        if address.port > cls.HIGHEST_PORT:
            raise ValueError(f"port {address.port} is above {cls.HIGHEST_PORT}")
        return address

    @property
    def host(self) -> str:
        """The name or address before the last colon, an IPv6 address without its brackets."""
        return self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The number after the last colon."""
        return int(self.rpartition(":")[2])


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, OSError) as exc:
        raise ValueError("no such time zone") from exc


CONVERTERS: dict[type, Converter] = {
    Path: Converter(Path, "a path"),
    ZoneInfo: Converter(_zone, "a time zone such as Europe/Warsaw"),
    IPv4Network: Converter(IPv4Network, "an IPv4 network such as 10.0.0.0/8"),
    IPv6Network: Converter(IPv6Network, "an IPv6 network such as fd00::/8"),
}
"""Types of the standard library that settings use."""


def converter(cls: type) -> Converter | None:
    """Say how `cls` is read from one word, or None where it is not such a type."""
    if cls in CONVERTERS:
        return CONVERTERS[cls]
    if isinstance(cls, Scalar):
        return Converter(cls.parse, cls.EXPECTED, cls.PATTERN)
    return None


def encode_scalar(value: object) -> str:
    """Write a scalar as text: the `enc_hook` of msgspec for settings. Raises TypeError for a Secret."""
    if isinstance(value, Secret):
        raise TypeError("a Secret is never serialised")
    if converter(type(value)) is None and not isinstance(value, Path):
        raise TypeError(f"{type(value).__name__} is not a scalar of the configuration")
    return str(value)


def decode_scalar(cls: type, value: object) -> object:
    """Read a scalar that `encode_scalar` has written: the `dec_hook` of msgspec for settings."""
    reader = converter(cls)
    if reader is None or not isinstance(value, str):
        raise msgspec.ValidationError(f"{cls.__name__} cannot be read from {type(value).__name__}")
    return reader.parse(value)


def _measure(text: str, pattern: str, units: dict[str, int], example: str) -> int:
    match = re.fullmatch(pattern, text, re.ASCII)
    if match is None:
        raise ValueError(f"a unit is missing, as in {text}{example}" if text.isdecimal() else "")
    unit = match[1]
    return int(text.removesuffix(unit)) * units[unit]


def _write_measure(amount: int, units: dict[str, int]) -> str:
    unit = next(
        (unit for unit, worth in units.items() if amount and amount % worth == 0), min(units, key=units.__getitem__)
    )
    return f"{amount // units[unit]}{unit}"
