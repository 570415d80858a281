"""Reading updates: both drivers alike, whatever comes; and what an envelope is made of."""

from typing import Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from adapters.telegram import aiogram_driver, ptb_driver
from adapters.telegram.client import BotApi, Library
from adapters.telegram.contents import Fetched, Missing, with_links
from adapters.telegram.mapping import (
    ChannelData,
    Origin,
    file_of,
    native_id,
    read_address,
    read_native_id,
    read_thread,
    to_envelope,
)
from adapters.telegram.wire import Entity, Poison, Update, decode_update, read_known
from adapters.testing import NOON
from adapters.testing.context import FakeMedia
from normalizer.codec import encode_envelope
from normalizer.content import Edit, StoredFile, Text, Unsupported
from normalizer.envelope import Envelope
from tests.adapters.telegram.recorded import BOT, NAMES, Json, message, update

NO_API = cast("BotApi", None)
DRIVERS: tuple[Library, ...] = tuple(module.Opened(NO_API, FakeMedia()) for module in (aiogram_driver, ptb_driver))
FILE = Fetched(StoredFile(name="file-1", size=1, key="none"), "image/png")


def read(found: Json, driver: Library = DRIVERS[0]) -> Update:
    return decode_update(driver.read(found))


def envelope(found: Json, driver: Library = DRIVERS[0], *, home: int = 0, file: Fetched | Missing = FILE) -> Envelope:
    made = mapped(read(found, driver), home=home, file=file)
    assert made is not None
    return made


def mapped(found: Update, *, home: int = 0, file: Fetched | Missing = FILE) -> Envelope | None:
    chat = found.chat
    origin = Origin(channel="test", bot=BOT, home=home or (chat.id if chat else 0), new_id="i", now=NOON)
    return to_envelope(found, origin, file)


def same(one: Envelope | None, other: Envelope | None) -> bool:
    return (one and encode_envelope(one)) == (other and encode_envelope(other))


@pytest.mark.parametrize("name", NAMES)
def test_both_drivers_make_the_same_of_an_update(name: str) -> None:
    one, other = (read(update(name), driver) for driver in DRIVERS)
    assert same(mapped(one), mapped(other))
    assert file_of(one) == file_of(other)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_without_a_library_is_what_the_libraries_read(name: str) -> None:
    known = read_known(update(name))
    if known is None:
        return  # then a library reads it: which those are says the next test
    for driver in DRIVERS:
        assert same(mapped(known), mapped(read(update(name), driver)))
        assert file_of(known) == file_of(read(update(name), driver))


def test_messages_are_read_without_a_library_and_what_is_new_or_rare_is_not() -> None:
    known = {name for name in NAMES if read_known(update(name)) is not None}
    assert {"text", "text_with_entities", "photo", "voice", "document", "reply", "group_text", "edited_text"} <= known
    assert not known & {"unknown_content", "text_brand_new_fields", "reaction", "callback_query", "story", "blocked"}


@pytest.mark.parametrize(
    "odd", [{"others": ["text"]}, {"text": 5}, {"chat": None}, {"date": "yesterday"}, {"hologram": {}}]
)
def test_what_does_not_fit_is_left_to_a_library(odd: Json) -> None:
    assert read_known(update("text")) is not None
    assert read_known({**update("text"), "message": {**update("text")["message"], **odd}}) is None


ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


@st.composite
def damaged(draw: st.DrawFn) -> Json:
    """A recorded update in which some value, at any depth, is another one or gone."""
    found = update(draw(st.sampled_from(NAMES)))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = found
        while True:
            if not place:
                break
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            inner = place[key]
            if isinstance(inner, dict | list) and draw(st.integers(0, 4)):
                place = inner
                continue
            place[key] = draw(ODD)
            break
    return found


@given(damaged(), st.sampled_from(DRIVERS))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_comes_is_an_envelope_nothing_or_poison(found: Json, driver: Library) -> None:
    if (known := read_known(found)) is not None:
        mapped(known)  # raises nothing
    try:
        read_update = read(found, driver)
    except Poison as exc:
        event(f"poison: {type(exc.__cause__).__name__}")
        return
    made = mapped(read_update)  # raises nothing, whatever it is
    event("an envelope" if made is not None else "nothing")
    assert made is None or made.type == "telegram"


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(-5, 80), st.integers(-5, 80)), max_size=4))
def test_links_leave_every_character_in_place(text: str, places: list[tuple[int, int]]) -> None:
    entities = tuple(Entity("text_link", offset, length, "https://a.example/") for offset, length in places)
    shown = with_links(text, entities)
    assert shown.replace(" (https://a.example/)", "") == text


def test_a_link_stands_behind_its_words_counted_in_utf16() -> None:
    assert with_links("👍👍 see", (Entity("text_link", 0, 4, "https://a.example/"),)) == "👍👍 (https://a.example/) see"


def test_a_message_is_known_by_bot_chat_and_number_whatever_the_update_is() -> None:
    first, again = message(7), {**message(7), "update_id": 5}
    assert envelope(first).native_id == envelope(again).native_id == native_id(BOT, 42, 7)


def test_two_edits_within_a_second_are_two_events_of_one_message() -> None:
    edited = update("edited_text")
    twice = {**edited, "update_id": edited["update_id"] + 1}
    one, other = envelope(edited), envelope(twice)
    assert one.native_id != other.native_id
    assert isinstance(one.content, Edit)
    assert isinstance(other.content, Edit)
    assert one.content.target == other.content.target == native_id(BOT, 42, 90)


def test_an_answer_names_the_message_by_the_id_that_it_was_sent_as() -> None:
    assert envelope(update("reply")).reply_to == native_id(BOT, 42, 90)
    assert read_native_id(native_id(BOT, -5, 90), BOT) == (-5, 90)
    assert read_native_id(native_id(BOT + 1, -5, 90), BOT) is None
    assert read_native_id("c1-1", BOT) is None


def test_a_group_that_has_moved_keeps_its_address_and_its_messages_their_own_numbers() -> None:
    made = envelope(update("migrate_from"), home=-987654321)
    assert made.address == "telegram:-987654321"
    assert "/-1005554443332/" in made.native_id


@pytest.mark.parametrize(
    ("address", "place"), [("telegram:42", (42, 0)), ("telegram:-5", (-5, 0)), ("telegram:-1002/45", (-1002, 45))]
)
def test_an_address_is_read_as_it_is_written(address: str, place: tuple[int, int]) -> None:
    assert read_address(address) == place


@pytest.mark.parametrize("bad", ["telegram:", "telegram:ola", "telegram:1/2/3", "email:a@b.example"])
def test_what_is_no_address_of_ours_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        read_address(bad)


def test_the_topic_of_a_private_chat_comes_back_with_the_answer() -> None:
    assert read_thread(envelope(update("private_topic_text")).channel_data) == 9
    assert read_thread(msgspec.Raw(msgspec.json.encode(ChannelData()))) == 0
    assert read_thread(msgspec.Raw(b"null")) == 0
    assert read_thread(msgspec.Raw(b'"another adapter"')) == 0


def test_a_file_that_could_not_be_had_is_told_with_its_caption() -> None:
    made = envelope(update("document"), file=Missing("is too big"))
    assert made.content == Text(text="The invoice\n[Faktura źfdp.pdf: the file is too big]")
    bare = envelope(update("voice"), file=Missing("is too big"))
    assert bare.content == Unsupported(what="voice: the file is too big")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_poisoned_update_says_where_it_is_wrong_and_not_what_it_holds(driver: Library) -> None:
    with pytest.raises(Poison) as caught:
        read({"update_id": 1, "message": {"message_id": "the secret text", "chat": 5}}, driver)
    assert "secret" not in str(caught.value)
