"""The generic loader: YAML to typed settings, errors with file, line, key and remedy.

It knows no channel and no rule: whoever composes the whole file hands over a msgspec struct type, and
`load` answers with a value of that type or with every mistake of the file at once.
"""

from config.loader import Document, Loaded, compose_sources, decode, load, read
from config.problems import ConfigErrors, Problem, SettingError
from config.reference import reference
from config.scalars import (
    Converter,
    Duration,
    ListenAddress,
    Scalar,
    Secret,
    Size,
    decode_scalar,
    encode_scalar,
)
from config.schema import json_schema

__all__ = [
    "ConfigErrors",
    "Converter",
    "Document",
    "Duration",
    "ListenAddress",
    "Loaded",
    "Problem",
    "Scalar",
    "Secret",
    "SettingError",
    "Size",
    "compose_sources",
    "decode",
    "decode_scalar",
    "encode_scalar",
    "json_schema",
    "load",
    "read",
    "reference",
]
