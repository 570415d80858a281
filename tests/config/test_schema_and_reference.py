"""What editors and readers get: both written from the structs."""

import enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import msgspec
import pytest
from msgspec import Meta, Struct

from config import Duration, Secret, Size, json_schema, reference


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Chat(Struct, tag_field="type", tag="chat"):
    """A chat on a page.

    This paragraph is for programmers.
    """

    origins: Annotated[list[str], Meta(description="Pages that may show it.", min_length=1)]
    upload: Annotated[Size, Meta(description="Largest file | picture.")] = Size.parse("10MB")


class Bot(Struct, tag_field="type", tag="bot"):
    token: Secret
    spare: Secret = Secret("x")


class Empty(Struct):
    pass


class Rule(Struct):
    need: dict[str, Annotated[int, Meta(ge=1, le=5)]] = {}
    then: "list[Rule]" = []
    after: Annotated[Duration | None, Meta(description="When.")] = None


class Whole(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=20, pattern="^[a-z]+$")]
    channels: dict[str, Union[(Chat, Bot)]]  # noqa: UP007 - built at run time, as from a registry
    empty: Empty = msgspec.field(default_factory=Empty)
    share: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    strict: bool = True
    note: str = ""
    level: Level = Level.LOW
    mode: Literal["a"] | Rule = "a"
    pair: tuple[int, str] = (1, "x")
    rules: list[Rule] = []
    names: frozenset[Annotated[str, Meta(description="Unused.")]] | None = None
    pairs: list[tuple[Rule, int]] = []
    folder: Path = Path("/x")
    extra: Any = None


def matches(schema: dict[str, Any], value: object, definitions: dict[str, Any]) -> bool:
    """Judge by the few words of JSON Schema that matter here."""
    if "$ref" in schema:
        return matches(definitions[schema["$ref"].removeprefix("#/$defs/")], value, definitions)
    if "anyOf" in schema:
        return any(matches(part, value, definitions) for part in schema["anyOf"])
    if "properties" in schema and isinstance(value, dict):
        return set(schema["required"]) <= set(value) <= set(schema["properties"])
    return value in schema.get("enum", [value])


def test_schema_closes_structs_and_tells_them_apart_by_tag() -> None:
    schema = json_schema(Whole)
    channels = schema["$defs"][f"{__name__}.Whole"]["properties"]["channels"]["additionalProperties"]
    chat = schema["$defs"][f"{__name__}.Chat"]
    assert chat["properties"]["type"] == {"const": "chat"}
    assert chat["required"] == ["type", "origins"]
    assert chat["additionalProperties"] is False
    assert matches(channels, {"type": "bot", "token": "x"}, schema["$defs"])
    assert not matches(channels, {"type": "bot", "token": "x", "y": 1}, schema["$defs"])


def test_schema_carries_descriptions_defaults_and_constraints() -> None:
    definitions = json_schema(Whole)["$defs"]
    upload = definitions[f"{__name__}.Chat"]["properties"]["upload"]
    assert (upload["description"], upload["default"]) == ("Largest file | picture.", "10MB")
    fields = definitions[f"{__name__}.Whole"]["properties"]
    assert fields["name"] == {"type": "string", "minLength": 1, "maxLength": 20, "pattern": r"(^[a-z]+$)|\$\{"}
    assert fields["share"]["anyOf"][0] == {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    assert fields["pair"]["prefixItems"][1] == {"type": "string"}
    assert fields["level"]["default"] == "low"
    assert "default" not in definitions[f"{__name__}.Bot"]["properties"]["spare"]
    assert "default" not in fields["empty"]
    assert fields["extra"] == {"default": None}
    assert fields["names"]["anyOf"][1] == {"type": "null"}


def test_schema_lets_every_scalar_be_a_reference() -> None:
    need = json_schema(Rule)["$defs"][f"{__name__}.Rule"]["properties"]["need"]["additionalProperties"]
    assert need["anyOf"][1] == {"type": "string", "pattern": r"\$\{"}


def test_schema_is_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(json_schema(Whole)))["$ref"] == f"#/$defs/{__name__}.Whole"


def test_schema_of_a_type_that_settings_cannot_hold_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(TypeError, match="settings cannot hold BytesType"):
        json_schema(bytes)


def test_reference_has_a_row_for_every_key() -> None:
    page = reference(Whole, "Configuration")
    assert page.startswith("# Configuration\n\n## The whole file\n")
    assert "| `origins` | a list of text | **required** | Pages that may show it. |" in page
    assert "| `upload` | a size such as 512B, 64KiB, 10MB or 2GiB | `10MB` | Largest file \\| picture. |" in page
    assert "## `channels.NAME` (type: chat)\n\nA chat on a page.\n\n| key" in page
    assert "for programmers" not in page
    assert "## `empty`\n\nNo keys." in page
    assert page.count("\n## ") == 5
    assert "| `mode` | a or a mapping, see below | `a` |" in page
    assert "| `need` | a mapping of names to a whole number from 1 to 5 | `{}` |  |" in page
    assert "| `after` | a duration such as 500ms, 60s, 15m, 2h or 7d |  | When. |" in page
    assert '| `note` | text | `""` |  |' in page
    assert "| `names` | a list of text |  |  |" in page
