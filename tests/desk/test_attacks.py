"""What a stranger, or an operator who tries things, can send to the desk."""

import asyncio

import msgspec
import pytest

from desk.conversations.faces import Faces
from desk.conversations.library import Library, NotKnown
from desk.finding.search import Conversations, Hit, IndexAway, IndexState, Page, Query, Reach
from desk.operators.sessions import TRIES_AT_ONCE, VERIFY_WITHIN, Sessions
from router.inputs import RulesProposed
from router.record import Record
from tests.desk.conftest import at_work
from tests.desk.test_flows import reply, taken
from tests.desk.world import CHEAP, PASSWORD, RULES, Console, Desk, MemoryLedger, World
from web.errors import Refusal

OFFICE, ELSEWHERE = "192.0.2.1", "198.51.100.7"


class Asked(MemoryLedger):
    """A ledger that must not be asked."""

    async def history(self, conversation: str, person: str) -> list[tuple[int, Record]]:
        raise AssertionError(f"the log was asked for {conversation!r} of {person!r}")


@pytest.mark.parametrize(
    ("conversation", "person"),
    [
        ("*", ""),
        (">", ""),
        ("a.b", ""),
        ("c1", "*"),
        ("c1", "a.b"),
        ("c 1", ""),
        ("", ""),
        ("c1\n", ""),
        ("c" * 81, ""),
    ],
)
async def test_a_name_that_would_read_more_than_one_conversation_is_not_known(
    world: World, conversation: str, person: str
) -> None:
    library = Library(Asked(world.log), Faces())
    with pytest.raises(NotKnown):
        async with library.open(conversation, person):
            pass


async def test_a_strange_name_is_refused_and_the_socket_stays_open(ben: Console) -> None:
    await ben.send({"type": "watch", "conversation": "a.b"})
    refused = await ben.frame(lambda frame: frame["type"] == "error")
    assert (refused["code"], refused["ref"]) == ("not_found", "a.b")
    assert ben.socket is not None
    assert not ben.socket.closed


@pytest.mark.parametrize("after", ["%C3%A9", "AAAA", "%00", "!!!"])
async def test_a_place_that_is_none_is_refused(ben: Console, after: str) -> None:
    status, body = await ben.browser.ask("GET", f"/conversations?after={after}")
    assert (status, body["error"]["code"], body["error"]["field"]) == (400, "bad_request", "after")


@pytest.mark.parametrize(
    "body", [b'{"id":"\xff"}', b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}", b"{" * 1_000, b"", b"\xff"]
)
async def test_a_body_that_is_no_json_is_refused(ben: Console, body: bytes) -> None:
    headers = {**ben.browser.headers, "Content-Type": "application/json"}
    async with ben.browser.http.post(ben.browser.desk.url("/commands"), data=body, headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "bad_json")


def sessions(desk: Desk, *, verify_within: float = VERIFY_WITHIN) -> Sessions:
    return Sessions(desk.node.outside, lasts=60_000, verify_within=verify_within, hasher=CHEAP)


async def test_who_guesses_elsewhere_does_not_lock_out_the_office(desk: Desk) -> None:
    door = sessions(desk)
    await door.sign_in("ben", PASSWORD, OFFICE)
    for _ in range(TRIES_AT_ONCE - 1):
        with pytest.raises(Refusal, match="the name or the password is wrong"):
            await door.sign_in("ben", "guess", ELSEWHERE)
    with pytest.raises(Refusal, match="too many tries"):
        await door.sign_in("ben", "guess", ELSEWHERE)
    session, _ = await door.sign_in("ben", PASSWORD, OFFICE)
    assert session.operator == "ben"


async def test_guesses_from_an_address_that_is_stopped_do_not_count_against_the_account(desk: Desk) -> None:
    door = sessions(desk)
    for number in range(100):
        with pytest.raises(Refusal):
            await door.sign_in(f"nobody-{number}", "guess", ELSEWHERE)
    for _ in range(2 * TRIES_AT_ONCE):
        with pytest.raises(Refusal, match="too many tries"):
            await door.sign_in("ben", "guess", ELSEWHERE)
    assert (await door.sign_in("ben", PASSWORD, OFFICE))[0].operator == "ben"


async def test_too_many_passwords_at_once_are_a_clear_answer(desk: Desk) -> None:
    door = sessions(desk, verify_within=0)
    with pytest.raises(Refusal) as refused:
        await door.sign_in("ben", PASSWORD, OFFICE)
    assert (refused.value.status, refused.value.error.code) == (503, "unavailable")
    assert refused.value.retry_after


async def test_nobody_comes_to_read_a_colleagues_conversation_by_joining_or_opening_it(
    world: World, desk: Desk, ben: Console
) -> None:
    """Ids of customers and conversations are counted, so they can be guessed."""
    his = await taken(world, ben)
    await ben.do(reply(his, "It is on its way.", seen=1))
    await ben.do({"do": "presence", "state": "away"})
    cleo = await at_work(world, desk, "cleo")
    hers = await taken(world, cleo, who="v2")
    people = {name: world.log.machine.state.conversations[name].person for name in (his, hers)}
    link = {"do": "link", "person": people[hers], "other": people[his], "evidence": "curiosity"}
    unlink = {"do": "unlink", "person": people[his], "address": "visitor:v1", "evidence": "curiosity"}
    turned = link | {"person": people[his], "other": people[hers]}
    assert [(await cleo.do(each))["code"] for each in (link, turned, unlink)] == ["not_found"] * 3
    await ben.do({"do": "close", "conversation": his})
    for asked in (link, {"do": "reopen", "conversation": his, "person": people[his]}):
        assert (await cleo.do(asked))["code"] == "not_found"
    assert his not in cleo.lists
    anna = await world.console(desk, "anna")
    assert (await anna.do(link))["status"] == "confirmed"


async def test_who_has_left_the_memory_is_looked_up_in_the_index_before_they_are_joined(
    world: World, ben: Console
) -> None:
    class Index:
        """Finds one customer of ben's; then it is away."""

        async def conversations(self, query: Query, page: Page, reach: Reach | None) -> Conversations:
            assert (page.limit, reach) == (1, Reach("ben", (), ()))
            if query.person == "away":
                raise IndexAway("the index is being built")
            hit = Hit(conversation="c1", person="p777", channel="site", status="closed", opened_at=1, last_at=1)
            return ((hit,) if query.person == "p777" else ()), None, IndexState(state="ready", done=1.0, as_of=1)

    his = await taken(world, ben)
    link = {"do": "link", "person": world.log.machine.state.conversations[his].person, "evidence": "same"}
    world.index = Index()
    again = await world.console(await world.desk(), "ben")
    answers = [(await again.do({**link, "other": other}))["code"] for other in ("p777", "p778", "away")]
    assert answers == ["unknown_person", "not_found", "unavailable"]  # the router has been asked for the first


async def test_who_supervises_no_more_joins_nobody_on_a_node_that_has_not_heard_of_it(world: World, desk: Desk) -> None:
    anna = await world.console(desk, "anna")
    state = world.log.machine.state
    people = [state.conversations[world.log.customer("hello", who=who)].person for who in ("v1", "v2")]
    for ledger in world.log.ledgers:
        ledger.held = True
    operators = RULES.operators | {"anna": msgspec.structs.replace(RULES.operators["anna"], role="operator")}
    world.log.put(RulesProposed(hash="later", rules=msgspec.structs.replace(RULES, operators=operators)))
    before = len(world.log.inputs)
    asked = asyncio.create_task(anna.do({"do": "link", "person": people[0], "other": people[1], "evidence": "same"}))
    async with asyncio.timeout(30):
        while len(world.log.inputs) == before:  # noqa: ASYNC110  # nothing tells of a command that is stored
            await asyncio.sleep(0.01)
    for ledger in world.log.ledgers:
        ledger.held = False
        ledger.follow()
    assert (await asked)["code"] == "role_changed"
    assert set(people) <= state.people.keys()
