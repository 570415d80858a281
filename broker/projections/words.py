"""What of a message can be searched for: its text, its subject, the names of its files, and who wrote it."""

from msgspec import Struct

from desk.finding.search import clean
from normalizer.content import Choice, ContactCard, Content, Edit, Form, Location, Media, Rating, Template, Text

SHORTEST_NUMBER = 6
"""Digits; the end of a phone number of at least so many finds it, so that nobody has to know the country code."""


class Words(Struct, frozen=True):
    """The text of one entry."""

    text: str = ""
    subject: str = ""
    files: str = ""


def words(content: Content) -> Words:
    """Give what can be searched for in a content; nothing for reactions, calls and the like."""
    match content:
        case Text():
            return Words(
                clean(content.text),
                clean(content.subject),
                clean(" ".join(f"{each.filename} {each.caption}" for each in content.attachments)),
            )
        case Media():
            return Words(clean(content.caption), files=clean(content.filename))
        case _:
            return Words(clean(" ".join(_parts(content))))


def _parts(content: Content) -> list[str]:
    match content:
        case Location():
            return [content.name, content.address]
        case ContactCard():
            return [content.name, *content.phones, *content.emails]
        case Choice():
            return [content.text, *(option.label for option in content.options)]
        case Edit() | Template():
            return [content.text]
        case Form():
            return [f"{question}: {answer}" for question, answer in content.answers.items()]
        case Rating():
            return [content.comment]
        case _:
            return []


def value_of(address: str) -> str:
    """Give an address without its scheme."""
    return clean(address.partition(":")[2])


def person_words(names: list[str], addresses: list[str]) -> str:
    """Give everything by which a customer can be found."""
    values = [value_of(address) for address in addresses]
    return " ".join([*map(clean, names), *values, *(end for value in values for end in _number_ends(value))])


def _number_ends(value: str) -> list[str]:
    digits = value.removeprefix("+")
    if not digits.isdecimal():
        return []
    return [digits[at:] for at in range(1, len(digits) - SHORTEST_NUMBER + 1)]
