"""What was said is found, by those words and no others, and what was typed never means more than its words."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.projections import finding
from broker.projections.schema import FILE, connect
from desk.finding.search import Hit, Page, PersonHit, Query, Reach, parse, parse_person
from normalizer.content import Form, Media, StoredFile, Text
from router import facts as f
from tests.broker.projections.story import DAY, MINUTE, Story, at

FIRST = Page(20)


class Searcher:
    def __init__(self, folder: Path, story: Story) -> None:
        self.folder = folder
        self.story = story

    def __call__(self, typed: str, page: Page = FIRST, reach: Reach | None = None, **filters: object) -> list[Hit]:
        return list(self.paged(typed, page, reach, **filters)[0])

    def paged(
        self, typed: str, page: Page, reach: Reach | None = None, **filters: object
    ) -> tuple[tuple[Hit, ...], object]:
        terms, without = parse(typed)
        query = Query(terms=terms, without=without, **filters)  # type: ignore[arg-type]  # told by tests
        database = connect(self.folder / FILE)
        try:
            return finding.conversations(database, query, page, reach, self.story.now)
        finally:
            database.close()

    def names(self, typed: str, **filters: object) -> list[str]:
        return sorted(hit.conversation for hit in self(typed, **filters))

    def people(self, typed: str, reach: Reach | None = None) -> list[PersonHit]:
        database = connect(self.folder / FILE)
        try:
            return list(finding.people(database, Query(terms=parse_person(typed)), FIRST, reach)[0])
        finally:
            database.close()


@pytest.fixture
def search(folder: Path, story: Story) -> Searcher:
    return Searcher(folder, story)


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        ("Poproszę fakturę za buty z Łodzi", "łodzi"),
        ("Poproszę fakturę za buty z Łodzi", "LODZI "),
        ("Poproszę fakturę za buty z Łodzi", "fakture "),
        ("Пришлите, пожалуйста, счёт", "счет "),
        ("Пришлите, пожалуйста, счет", "СЧЁТ "),
        ("Знайшов п\u2019ятий", "п'ятий "),
        ("Знайшов п\u02bcятий", "п'ятий "),
        ("Їжак знайшов", "їжак "),
        ("Die Straße nach München", "strasse "),
        ("Die Straße nach München", "munchen "),
        ("My order 4711-AB", "4711-ab "),
        ("write to anna@shop.example now", "anna@shop.example "),
        ("unfinished words", "unfin"),
        ("unfinished words", "unfin* words "),
    ],
)
def test_words_are_found_in_every_language(search: Searcher, story: Story, said: str, typed: str) -> None:
    story.opens("c1", said)
    story.opens("c2", "something else")
    assert search.names(typed) == ["c1"]


@pytest.mark.parametrize("typed", ["unfin ", "unfinished2", "f", '"words unfinished"', "words -unfinished", "йогурт"])
def test_what_was_not_said_is_not_found(search: Searcher, story: Story, typed: str) -> None:
    story.opens("c1", "unfinished words, иогурт")
    assert search.names(typed) == []


def test_a_phrase_is_found_side_by_side_only(search: Searcher, story: Story) -> None:
    story.opens("c1", "red shoes in blue")
    story.opens("c2", "blue shoes in red")
    assert search.names('"red shoes"') == ["c1"]
    assert search.names("red shoes ") == ["c1", "c2"]
    assert search.names("red -in ") == []
    assert search.names('shoes -"blue shoes"') == ["c1"]


def test_marks_are_ranges_of_the_text_as_it_was_written(search: Searcher, story: Story) -> None:
    story.opens("c1", "😀 <b>Счёт</b> из Łodzi")
    (hit,) = search("счет lodzi ")
    (match,) = hit.matches
    assert match.text == "😀 <b>Счёт</b> из Łodzi"
    units = match.text.encode("utf-16-le")
    assert [units[2 * a : 2 * b].decode("utf-16-le") for a, b in match.marks] == ["Счёт", "Łodzi"]


def test_a_hit_names_an_address_of_the_customer_one_that_says_something_if_there_is_any(
    search: Searcher, story: Story
) -> None:
    story.opens("c1", "boots", who="")
    story.opens("c2", "boots", who="", person="p2", address="visitor:9")
    story.tell("c2", f.AddressTaken(person="p2", address="tel:+48221234567", before="", evidence="said so", by="ben"))
    found = {hit.conversation: (hit.name, hit.address) for hit in search("boots ")}
    assert found == {"c1": ("", "visitor:c1"), "c2": ("", "tel:+48221234567")}


def test_signs_for_marks_in_a_text_mark_nothing(search: Searcher, story: Story) -> None:
    story.opens("c1", "\x02evil\x03 word")
    (match,) = search("word ")[0].matches
    assert (match.text, match.marks) == (" evil  word", ((7, 11),))


def test_replies_notes_results_subjects_files_and_forms_are_found(search: Searcher, story: Story) -> None:
    story.opens("c1")
    story.answers("c1", "ben", "alpha")
    story.notes("c1", "ben", "beta")
    attached = Media(file=StoredFile(name="x", size=1, key="k"), type="image/png", filename="gamma.png")
    story.says("c1", content=Text(text="t", subject="delta", attachments=(attached,)))
    story.says("c1", content=Form(answers={"Your order": "epsilon"}))
    story.closes("c1", result="zeta")
    found = {word: search(word)[0].matches[0] for word in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")}
    kinds = {word: (match.kind, match.field) for word, match in found.items()}
    assert kinds == {
        "alpha": ("reply", "text"),
        "beta": ("note", "text"),
        "gamma": ("message", "files"),
        "delta": ("message", "subject"),
        "epsilon": ("message", "text"),
        "zeta": ("result", "text"),
    }
    assert found["alpha"].by == "ben"


def test_a_match_names_its_item(search: Searcher, story: Story) -> None:
    story.opens("c1")
    seq = story.says("c1", "needle")
    assert search("needle")[0].matches[0].item == f"{seq}.0"


def test_what_the_system_says_is_not_found(search: Searcher, story: Story) -> None:
    story.opens("c1")
    story.answers("c1", "", "please wait")
    story.answers("c1", "ben", "ringing", wish=True)
    assert search.names("wait") == search.names("ringing") == []


def test_the_sender_is_found_together_with_the_words(search: Searcher, story: Story) -> None:
    story.opens("c1", "the invoice", who="Anna Kowalska", address="email:anna@shop.example")
    story.opens("c2", "the invoice", who="Jan Nowak")
    assert search.names("kowalska invoice") == ["c1"]
    assert search("shop.example")[0].matches[0].field == "who"


def test_filters_narrow_it_down(search: Searcher, story: Story) -> None:
    story.opens("c1", "needle", person="p1")
    story.answers("c1", "ben")
    story.closes("c1")
    story.wait(DAY).opens("c2", "needle", channel="mail", person="p2")
    story.assigns("c2", "cleo")
    story.notes("c2", "cleo", "needle")
    assert search.names("needle", channels=("mail",)) == ["c2"]
    assert search.names("needle", channels=("mail", "site")) == ["c1", "c2"]
    assert search.names("needle", operator="ben") == ["c1"]
    assert search.names("needle", operator="cleo") == ["c2"]
    assert search.names("needle", state="open") == ["c2"]
    assert search.names("needle", state="closed", result="solved") == ["c1"]
    assert search.names("needle", result="other") == []
    assert search.names("needle", person="p2") == ["c2"]
    assert search.names("needle", kinds=("note",)) == ["c2"]
    assert search.names("needle", since=at("2026-11-03 00:00:00")) == ["c2"]
    assert search.names("needle", until=at("2026-11-03 00:00:00")) == ["c1"]


def test_without_words_the_filters_list_the_newest_first(search: Searcher, story: Story) -> None:
    for name in ("c1", "c2", "c3"):
        story.wait(MINUTE).opens(name)
    story.wait(MINUTE).says("c1")
    story.opens("c4", channel="mail")
    assert [hit.conversation for hit in search("", channels=("site",), sort="newest")] == ["c1", "c3", "c2"]


def test_the_better_match_comes_first_and_the_newer_of_equals(search: Searcher, story: Story) -> None:
    story.opens("old", "needle in a stack of very many other words")
    story.wait(400 * DAY).opens("new", "needle in a stack of very many other words")
    story.opens("best", content=Text(text="see", subject="needle"))
    assert [hit.conversation for hit in search("needle")] == ["best", "new", "old"]
    assert [hit.conversation for hit in search("needle", sort="newest")] == ["best", "new", "old"]
    assert search("needle", sort="newest")[0].conversation == "best"


def test_a_conversation_is_one_hit_with_its_best_matches(search: Searcher, story: Story) -> None:
    story.opens("c1", "needle")
    for _ in range(4):
        story.says("c1", "needle again")
    (hit,) = search("needle")
    assert (hit.count, len(hit.matches), hit.name, hit.status) == (5, 3, "Anna", "open")


def test_pages_neither_skip_nor_repeat_while_more_is_said(search: Searcher, story: Story) -> None:
    for number in range(25):
        story.wait(MINUTE).opens(f"c{number}", "needle")
    seen: list[str] = []
    page = Page(10)
    for _ in range(3):
        hits, following = search.paged("needle", page, sort="newest")
        seen += [hit.conversation for hit in hits]
        story.opens(f"later{len(seen)}", "needle")
        if following is not None:
            page = Page(10, following.offset, following.bound)  # type: ignore[attr-defined]  # a cursor
    assert following is None
    assert sorted(seen) == sorted(f"c{number}" for number in range(25))


def test_an_operator_finds_what_is_theirs_and_nothing_else(search: Searcher, story: Story) -> None:
    for name in ("mine", "answered", "asked", "past", "others"):
        story.opens(name, "needle", person="p9" if name == "past" else "")
    story.answers("answered", "ben")
    story.closes("answered")
    story.answers("others", "ben")
    story.notes("asked", "cleo", "look", "ben")
    reach = Reach("ben", ("mine",), ("p9",))
    assert sorted(hit.conversation for hit in search("needle", reach=reach)) == ["answered", "asked", "mine", "past"]
    assert sorted(hit.conversation for hit in search("", reach=reach)) == ["answered", "asked", "mine", "past"]
    assert sorted(each.person for each in search.people("anna", reach)) == ["p-answered", "p-asked", "p-mine", "p9"]


def test_people_are_found_by_name_address_and_number(search: Searcher, story: Story) -> None:
    story.opens("c1", who="Anna Kowalska", person="p1", address="email:anna.k@shop.example")
    story.opens("c2", who="Jürgen Müller", person="p2", address="tel:+48600100200")
    assert [each.person for each in search.people("kowal")] == ["p1"]
    assert [each.person for each in search.people("anna.k@shop.example")] == ["p1"]
    for number in ("+48 600 100 200", "600-100-200", "0048600100200", "600100", "(48) 600 100"):
        assert [each.person for each in search.people(number)] == ["p2"], number
    (found,) = search.people("muller jur")
    assert (found.name, found.addresses, found.conversations) == ("Jürgen Müller", ("tel:+48600100200",), 1)


def test_merged_people_are_one_and_an_address_can_leave_again(search: Searcher, story: Story) -> None:
    story.opens("c1", "needle", who="Anna", person="p1", address="email:a@x.example")
    story.opens("c2", "needle", who="Ania", person="p2", address="visitor:v2")
    taken = f.AddressTaken(person="p1", address="visitor:v2", before="p2", evidence="said so")
    story.tell("p-p1", taken, f.PersonMerged(person="p1", other="p2", conversation="c1", evidence="said so"))
    (found,) = search.people("ania")
    assert (found.person, found.names, found.conversations) == ("p1", ("Ania", "Anna"), 2)
    assert search.names("needle", person="p2") == ["c1", "c2"]
    story.tell("p-p1", f.AddressTaken(person="p7", address="visitor:v2", before="p1", evidence="no"))
    assert search.people("ania")[0].addresses == ("email:a@x.example",)
    story.opens("c7", "hi", who="Zed", person="p7", address="visitor:v2")
    assert search.people("zed")[0].addresses == ("visitor:v2",)


NASTY = [
    '"', '""', "'", "* ", "^a", "NEAR(a b)",
    "text: a", "{text who}: a", "a AND", "OR", "NOT a", "a NOT", "(", "a)", "-",
    '-"', "+a", "a + b", "\x00a", "\ud800", "ﷺ", "'; DROP TABLE entries; --", "a" * 10_000, '"' * 999, "é́́", "*", "-*",
    "a*b*", "\u202e",
    "%", "_", "\\", "²", "rank", "texts", "-a -b",
]  # fmt: skip


@pytest.mark.parametrize("typed", NASTY)
def test_nothing_that_is_typed_is_a_mistake(search: Searcher, story: Story, typed: str) -> None:
    story.opens("c1", "a b text who near and or not rank")
    terms, _ = parse(typed)
    if terms:
        search(typed)
    if parse_person(typed):
        search.people(typed)


@given(typed=st.text(max_size=60))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_can_be_looked_for(search: Searcher, typed: str) -> None:
    if parse(typed)[0]:
        search(typed)
    if parse_person(typed):
        search.people(typed)


def test_words_of_the_query_language_are_words(search: Searcher, story: Story) -> None:
    story.opens("c1", "black and white or near")
    story.opens("c2", "black white")
    assert search.names("black AND white ") == ["c1"]
    assert search.names("white OR near ") == ["c1"]
