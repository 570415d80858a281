import msgspec
import pytest

from adapters.contract import LineItem
from adapters.webchat.mapping import (
    MAX_FRAME_BYTES,
    MAX_FRAME_ITEMS,
    Known,
    Rules,
    portions,
    to_envelope,
    to_item,
    to_shown,
)
from adapters.webchat.wire import Send, ShownEdit, ShownText, TextDraft
from normalizer.content import Delete, Edit, Location, Media, Text, Unsupported
from normalizer.outbound import Author


def no_file(media: Media) -> str:
    raise AssertionError(media)


def unread(reference: str) -> Media:
    raise AssertionError(reference)


def reply(seq: int, text: str = "x") -> LineItem:
    return LineItem(
        kind="reply", cursor=(1, seq), conversation="c", address="visitor:v", at=seq, n=seq, content=Text(text=text)
    )


def cut(items: list[LineItem]) -> list[tuple[int, tuple[int, int]]]:
    return [(len(portion), cursor) for portion, cursor in portions(items, lambda item: to_item(item, no_file))]


def test_nothing_makes_no_portion() -> None:
    assert cut([]) == []


def test_a_long_history_is_cut_by_number_with_the_cursor_of_its_last_item() -> None:
    items = [reply(seq) for seq in range(1, 2 * MAX_FRAME_ITEMS + 2)]
    assert cut(items) == [(100, (1, 100)), (100, (1, 200)), (1, (1, 201))]


def test_it_is_cut_by_size() -> None:
    items = [reply(seq, "x" * (MAX_FRAME_BYTES // 2)) for seq in range(1, 4)]
    assert [count for count, _ in cut(items)] == [1, 1, 1]


def test_items_of_one_record_stay_together() -> None:
    items = [reply(1)] * 99 + [reply(2)] * 2 + [reply(3)]
    assert cut(items) == [(99, (1, 1)), (3, (1, 3))]


def test_text_from_a_visitor_loses_its_control_characters() -> None:
    send = Send("id", TextDraft("a\r\nb\x00c"))
    envelope = to_envelope(
        send, Known(), Rules(), channel="site", address="visitor:v", new_id="e", now=5, open_file=unread
    )
    assert envelope.content == Text(text="a\nbc")
    assert (envelope.at, envelope.attributes, envelope.sender.languages) == (5, {}, ())


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (Text(text="short", full="short\n> quoted"), ShownText("short")),
        (Edit(target="m", text="new"), ShownEdit("m", "new")),
        (Location(latitude=1, longitude=2, name="Shop"), ShownText("Shop\n1.000000, 2.000000")),
        (Unsupported(what="poll"), ShownText("[poll]")),
    ],
)
def test_every_kind_is_shown_somehow(content: Text, shown: ShownText) -> None:
    assert to_shown(content, no_file) == shown


def test_what_operators_are_for_us_stays_with_us() -> None:
    item = LineItem(
        kind="joined",
        cursor=(1, 1),
        conversation="c",
        address="visitor:v",
        at=1,
        author=Author(id="login", name="Anna"),
    )
    assert b"login" not in msgspec.json.encode(to_item(item, no_file))
    assert b"visitor:v" not in msgspec.json.encode(to_item(item, no_file))
    assert to_shown(Delete(target="m"), no_file).target == "m"  # type: ignore[union-attr] # a ShownDelete
