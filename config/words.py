"""One word of YAML to one value of a scalar type, with constraints."""

import re

from msgspec import inspect

from config.documents import PlainValue, Word
from config.problems import nearest
from config.scalars import Secret
from config.types import RowType, reader, unwrap, words

LIMIT_SHOWN = 60
"""How many characters of a wrong value a message repeats."""


class Unfit(Exception):
    """The word is not of the wanted type; the text of the exception is the remedy, or empty."""


def fit(word: Word, info: inspect.Type) -> object:
    """Read `word`, references replaced, as the scalar type `info`.

    Raises:
        Unfit: it is of another type or out of bounds.
        TypeError: `info` is none of the types that settings may hold.

    """
    match info:
        case inspect.StrType():
            return _text(word, info)
        case inspect.BoolType():
            return _truth(word.value())
        case inspect.IntType() | inspect.FloatType():
            return _number(word.value(), info)
        case inspect.NoneType():
            if word.value() is not None:
                raise Unfit
            return None
        case inspect.LiteralType() | inspect.EnumType():
            return _choice(word, info)
        case inspect.CustomType():
            return _custom(word, info)
        case _:
            raise Unfit


def show(word: Word, info: inspect.Type) -> str:
    """Repeat what stands in the file, never what a reference stood for, and nothing of a secret."""
    if not word.substituted and word.value() is None:
        return "nothing"
    if _holds_secret(info):
        return "***"
    quote = "" if word.plain and not isinstance(word.value(), str) else '"'
    ellipsis = "..." if len(word.source) > LIMIT_SHOWN else ""
    return f"{quote}{word.source[:LIMIT_SHOWN]}{ellipsis}{quote}"


def _holds_secret(info: inspect.Type) -> bool:
    """Say whether a type is a secret, or a list of them: written as one word it is a secret all the same."""
    if isinstance(info, RowType):
        return _holds_secret(unwrap(info.item_type))
    return isinstance(info, inspect.CustomType) and info.cls is Secret


def _text(word: Word, info: inspect.StrType) -> str:
    if not word.substituted and not isinstance(value := word.value(), str):
        raise Unfit("" if value is None else f'put it in quotes: "{word.source[:LIMIT_SHOWN]}"')
    length = len(word.text)
    if length < (info.min_length or 0) or (info.max_length is not None and length > info.max_length):
        raise Unfit(f"its length is {length}")
    if info.pattern is not None and not re.search(info.pattern, word.text):
        raise Unfit
    return word.text


def _truth(value: PlainValue) -> bool:
    if isinstance(value, bool):
        return value
    meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(str(value).lower())
    raise Unfit(f"write {meant}" if meant else "")


def _number(value: PlainValue, info: inspect.IntType | inspect.FloatType) -> int | float:
    allowed = int if isinstance(info, inspect.IntType) else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise Unfit
    inside = (
        (info.gt is None or value > info.gt)
        and (info.ge is None or value >= info.ge)
        and (info.lt is None or value < info.lt)
        and (info.le is None or value <= info.le)
        and (info.multiple_of is None or value % info.multiple_of == 0)
    )
    if not inside:
        raise Unfit
    return value if isinstance(info, inspect.IntType) else float(value)


def _choice(word: Word, info: inspect.LiteralType | inspect.EnumType) -> object:
    allowed = words(info)
    for candidate in (word.value(), word.text):
        # True equals 1 in Python; a choice of numbers must not be met by a truth value
        if candidate in allowed and not isinstance(candidate, bool):
            return allowed[candidate]
    raise Unfit(nearest(word.source, [str(choice) for choice in allowed]))


def _custom(word: Word, info: inspect.CustomType) -> object:
    if not word.substituted and word.plain and word.value() is None:
        raise Unfit
    try:
        return reader(info).parse(word.text)
    except ValueError as exc:
        # the sentence may repeat the text, which must stay unseen where it came from the environment
        raise Unfit("" if word.substituted and info.cls is not Secret else str(exc)) from exc
