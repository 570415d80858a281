"""What is typed, who may find what, and how pages go on; the index itself is tested with the projections."""

from typing import Any
from urllib.parse import quote

import pytest

from desk.finding.reports import Asked, Group
from desk.finding.search import (
    Conversations,
    Cursor,
    Hit,
    IndexAway,
    IndexState,
    Match,
    Page,
    People,
    PersonHit,
    Query,
    Reach,
    Term,
    clean,
    fold,
    marked,
    parse,
    parse_person,
)
from tests.desk.world import Browser, Desk, World

READY = IndexState(state="ready", done=1.0, as_of=1)


class MemoryIndex:
    """Remembers what it was asked, and answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Query, Page, Reach | None]] = []
        self.reported: list[Asked] = []
        self.hits: tuple[Hit, ...] = ()
        self.people_found: tuple[PersonHit, ...] = ()
        self.groups: tuple[Group, ...] = ()
        self.next: Cursor | None = None
        self.away = False

    async def conversations(self, query: Query, page: Page, reach: Reach | None) -> Conversations:
        self._ask(query, page, reach)
        return self.hits, self.next, READY

    async def people(self, query: Query, page: Page, reach: Reach | None) -> People:
        self._ask(query, page, reach)
        return self.people_found, self.next, READY

    async def report(self, asked: Asked) -> tuple[tuple[Group, ...], IndexState]:
        self.reported.append(asked)
        return self.groups, READY

    def _ask(self, query: Query, page: Page, reach: Reach | None) -> None:
        if self.away:
            raise IndexAway("it is not there")
        self.asked.append((query, page, reach))


@pytest.fixture
def index(world: World) -> MemoryIndex:
    world.index = MemoryIndex()
    return world.index


@pytest.fixture
async def anna(world: World, index: MemoryIndex) -> Browser:
    """A supervisor; the index comes before the desk."""
    del index
    return await world.browser(await world.desk(), "anna")


# --- what is typed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "found", "without"),
    [
        ("invoice ", [Term("invoice")], []),
        ("invoice", [Term("invoice", prefix=True)], []),
        ("my inv* now ", [Term("my"), Term("inv*", prefix=True), Term("now")], []),
        ('"red shoes" blue', [Term("red shoes"), Term("blue", prefix=True)], []),
        ('"red shoes', [Term("red shoes")], []),
        ("red -blue", [Term("red")], [Term("blue")]),
        ('red -"blue shoes"', [Term("red")], [Term("blue shoes")]),
        ("a", [Term("a")], []),
        ("ёж Łódź ", [Term("еж"), Term("Lódź")], []),
        ("  ... -- * \x00 ", [], []),
        ("", [], []),
    ],
)
def test_what_is_typed_is_read(typed: str, found: list[Term], without: list[Term]) -> None:
    assert parse(typed) == (tuple(found), tuple(without))


def test_what_is_typed_is_bounded() -> None:
    assert len(parse("a1 " * 1_000)[0]) == 16
    assert sum(len(term.text) for term in parse("x" * 10_000)[0]) == 300


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("+48 600 100 200", Term("48600100200", prefix=True)),
        ("0048 (600) 100-200", Term("48600100200", prefix=True)),
        ("600.100", Term("600100", prefix=True)),
        ("anna", Term("anna", prefix=True)),
    ],
)
def test_a_number_is_read_in_any_spelling(typed: str, found: Term) -> None:
    assert parse_person(typed) == (found,)


def test_text_is_cleaned_and_folded() -> None:
    assert clean("a\x00b\ud800c\u0301") == "a b\u0107"
    assert fold("Straße ŁÓDŹ ґанок") == "Strasse LÓDŹ ганок"


def test_marks_are_counted_in_utf_16() -> None:
    assert marked("<a> <😀b>", "<", ">") == ("a 😀b", ((0, 1), (2, 5)))
    assert marked("plain", "<", ">") == ("plain", ())


# --- over HTTP ------------------------------------------------------------------------------------------------------


async def test_everything_that_can_be_asked_reaches_the_index(anna: Browser, index: MemoryIndex) -> None:
    asked = "q=red%20shoes%20&channel=site,mail&operator=ben&state=closed&result=sold&person=p1&kind=note"
    status, _ = await anna.ask("GET", f"/search?{asked}&from=2026-11-01&to=2026-11-02&sort=newest&limit=7")
    assert status == 200
    query, page, reach = index.asked[0]
    assert query == Query(
        terms=(Term("red"), Term("shoes")),
        channels=("site", "mail"),
        kinds=("note",),
        operator="ben",
        state="closed",
        result="sold",
        person="p1",
        since=1_793_491_200_000,
        until=1_793_664_000_000,
        sort="newest",
    )
    assert (page, reach) == (Page(7), None)


async def test_what_is_found_is_given_as_it_is(anna: Browser, index: MemoryIndex) -> None:
    match = Match(item="9.0", kind="message", at=5, text="red shoes", marks=((0, 3),))
    index.hits = (
        Hit(conversation="c1", person="p1", channel="site", status="open", opened_at=1, last_at=5, matches=(match,)),
    )
    _, body = await anna.ask("GET", "/search?q=red")
    assert body["hits"][0]["matches"] == [
        {"item": "9.0", "kind": "message", "at": 5, "text": "red shoes", "marks": [[0, 3]]}
    ]
    assert body["index"] == {"state": "ready", "done": 1.0, "as_of": 1}
    index.people_found = (PersonHit(person="p1", name="Anna"),)
    _, body = await anna.ask("GET", "/search/people?q=anna")
    assert body["people"] == [{"person": "p1", "name": "Anna"}]


@pytest.mark.parametrize("path", ["/search?q=a", "/search/people?q=anna"])
async def test_pages_go_on_where_the_last_one_ended(anna: Browser, index: MemoryIndex, path: str) -> None:
    index.next = Cursor(77, 20)
    _, body = await anna.ask("GET", path)
    await anna.ask("GET", f"{path}&after={quote(body['next'])}")
    assert index.asked[1][1] == Page(20, offset=20, bound=77)
    index.next = None
    assert (await anna.ask("GET", path))[1]["next"] == ""


@pytest.mark.parametrize(
    "path",
    [
        "/search?q=-red",
        "/search?kind=letter",
        "/search?from=yesterday",
        "/search?to=2026-13-01",
        "/search?state=asleep",
        "/search?sort=oldest",
        "/search?limit=many",
        "/search?q=a&after=nonsense",
        "/search?q=a&after=WzEsLTFd",
        "/search/people",
        "/search/people?q=%20!",
    ],
)
async def test_what_makes_no_sense_is_refused(anna: Browser, path: str) -> None:
    status, body = await anna.ask("GET", path)
    assert (status, body["error"]["code"]) == (400, "bad_request")


async def test_an_index_that_is_away_is_said_to_be(anna: Browser, index: MemoryIndex) -> None:
    index.away = True
    for path in ("/search?q=a", "/search/people?q=anna"):
        status, body = await anna.ask("GET", path)
        assert (status, body["error"]["code"]) == (503, "unavailable")


async def test_a_desk_without_an_index_says_so(world: World) -> None:
    anna = await world.browser(await world.desk(), "anna")
    for path in ("/search?q=a", "/search/people?q=anna", "/reports/volume"):
        assert (await anna.ask("GET", path))[0] == 503


async def test_strangers_find_nothing(world: World, index: MemoryIndex) -> None:
    del index
    stranger = await world.browser(await world.desk())
    for path in ("/search?q=a", "/search/people?q=anna", "/reports", "/reports/volume"):
        assert (await stranger.ask("GET", path))[0] == 401


# --- who may find what ----------------------------------------------------------------------------------------------


async def test_an_operator_reaches_what_is_theirs_the_queue_and_those_customers(
    world: World, index: MemoryIndex
) -> None:
    desk = await world.desk()
    ben = await world.console(desk, "ben")
    await ben.do({"do": "presence", "state": "available"})
    offered = [world.log.customer("hello", who=f"v{number}") for number in range(2)]
    for name in offered:
        await ben.until(lambda name=name: bool(ben.lists.get(name, {}).get("offers")))  # type: ignore[misc]  # bound now
        await ben.do({"do": "accept", "conversation": name, "offer": ben.lists[name]["offers"][0]["id"]})
    waiting = world.log.customer("hello", who="v9")
    status, _ = await ben.browser.ask("GET", "/search?q=hello")
    assert status == 200
    _, _, reach = index.asked[0]
    assert reach is not None
    assert reach.operator == "ben"
    assert set(reach.conversations) == {*offered, waiting}
    state = desk.ledger.state
    assert set(reach.people) == {state.conversations[name].person for name in reach.conversations}


async def test_who_answered_may_read_it_again_once_it_is_closed(world: World) -> None:
    desk = await world.desk()
    ben, cleo = await world.console(desk, "ben"), await world.console(desk, "cleo")
    await ben.do({"do": "presence", "state": "available"})
    name = world.log.customer("hello")
    await ben.until(lambda: bool(ben.lists.get(name, {}).get("offers")))
    await ben.do({"do": "accept", "conversation": name, "offer": ben.lists[name]["offers"][0]["id"]})
    text: dict[str, Any] = {"kind": "text", "text": "hi"}
    await ben.do({"do": "reply", "conversation": name, "content": text, "seen": 1})
    await ben.do({"do": "close", "conversation": name})
    person = desk.ledger.state.conversations[name].person
    _parked(desk, name, person)
    assert (await ben.browser.ask("GET", f"/conversations/{name}?person={person}"))[0] == 200
    assert (await cleo.browser.ask("GET", f"/conversations/{name}?person={person}"))[0] == 404


def _parked(desk: Desk, conversation: str, person: str) -> None:
    """The customer has left the memory, as they do ten minutes after the closing."""
    state = desk.ledger.state
    del state.people[person]
    del state.conversations[conversation]
