"""JSON Schema of the settings, so that editors complete and check the YAML.

msgspec's own generator fails on defaults of foreign types (a `Duration`) and knows neither references to the
environment nor that every struct is closed, hence this one.
"""

from typing import Any

import msgspec
from msgspec import inspect

from config.types import RowType, default, reader, words

REFERENCE = r"\$\{"
"""What a reference to the environment or a file looks like, where the schema wants something else than text."""

Schema = dict[str, Any]  # JSON: its shape is data


def json_schema(type_: object) -> Schema:
    """Return the JSON Schema (draft 2020-12) of a settings struct.

    As in `load`, unknown keys are errors and any scalar may be written as a reference such as `"${PORT}"`.
    Raises TypeError for types that settings cannot hold.
    """
    definitions: dict[str, Schema] = {}
    schema = _schema(inspect.type_info(type_), definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": definitions}


def _schema(info: inspect.Type, definitions: dict[str, Schema]) -> Schema:
    match info:
        case inspect.Metadata():
            return _schema(info.type, definitions) | (info.extra_json_schema or {})
        case inspect.AnyType():
            return {}
        case inspect.UnionType():
            return {"anyOf": [_schema(member, definitions) for member in info.types]}
        case inspect.StructType():
            return _struct(info, definitions)
        case inspect.DictType():
            values = _schema(info.value_type, definitions)
            names = {key: rule for key, rule in _schema(info.key_type, {}).items() if key != "type"}
            lengths = {"minProperties": info.min_length, "maxProperties": info.max_length}
            return {"type": "object", "propertyNames": names, "additionalProperties": values} | _given(lengths)
        case inspect.TupleType():
            items = [_schema(item, definitions) for item in info.item_types]
            return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
        case _ if isinstance(info, RowType):
            lengths = {"minItems": info.min_length, "maxItems": info.max_length}
            return {"type": "array", "items": _schema(info.item_type, definitions)} | _given(lengths)
        case _:
            return _scalar(info)


def _scalar(info: inspect.Type) -> Schema:
    match info:
        case inspect.NoneType():
            return {"type": "null"}
        case inspect.BoolType():
            return _or_reference({"type": "boolean"})
        case inspect.IntType():
            return _or_reference({"type": "integer"} | _bounds(info))
        case inspect.FloatType():
            return _or_reference({"type": "number"} | _bounds(info))
        case inspect.StrType():
            lengths = {"minLength": info.min_length, "maxLength": info.max_length}
            return {"type": "string"} | _given(lengths) | _pattern(info.pattern)
        case inspect.LiteralType() | inspect.EnumType():
            return _or_reference({"enum": list(words(info))})
        case inspect.CustomType():
            known = reader(info)
            return {"type": "string", "description": f"Write {known.expected}."} | _pattern(known.pattern)
        case _:
            raise TypeError(f"settings cannot hold {type(info).__name__}")


def _struct(info: inspect.StructType, definitions: dict[str, Schema]) -> Schema:
    """Refer to the definition of a struct, which is added on first sight; its module keeps equal names apart."""
    name = f"{info.cls.__module__}.{info.cls.__qualname__}"
    if name not in definitions:
        definitions[name] = {}  # a struct may hold itself
        tag = {info.tag_field: {"const": info.tag}} if info.tag_field else {}
        fields = {member.encode_name: _field(member, definitions) for member in info.fields}
        definitions[name] = {
            "type": "object",
            "properties": tag | fields,
            "required": [*tag, *(member.encode_name for member in info.fields if member.required)],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


def _field(member: inspect.Field, definitions: dict[str, Schema]) -> Schema:
    value = default(member)
    return _schema(member.type, definitions) | ({} if value is msgspec.NODEFAULT else {"default": value})


def _bounds(info: inspect.IntType | inspect.FloatType) -> Schema:
    rules = {
        "minimum": info.ge,
        "exclusiveMinimum": info.gt,
        "maximum": info.le,
        "exclusiveMaximum": info.lt,
        "multipleOf": info.multiple_of,
    }
    return _given(rules)


def _given(rules: Schema) -> Schema:
    return {key: rule for key, rule in rules.items() if rule is not None}


def _pattern(pattern: str | None) -> Schema:
    return {"pattern": f"({pattern})|{REFERENCE}"} if pattern else {}


def _or_reference(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "string", "pattern": REFERENCE}]}
