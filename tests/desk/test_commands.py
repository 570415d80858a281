"""Commands: exactly one effect, an honest answer, safe to repeat."""

import pytest

from desk.ports import Account
from normalizer.content import Media, StoredFile, Text
from router.inputs import AddNote, Command, Reply
from tests.desk.test_flows import reply, taken
from tests.desk.world import HASH, IDS, Console, Desk, World, replies


def sent(world: World, name: str) -> int:
    return sum(isinstance(each, Command) and each.id == name for each in world.log.inputs)


async def test_a_command_repeated_with_the_same_id_has_one_effect(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    await ben.watch(conversation)
    name = IDS.new()
    first = await ben.do(reply(conversation, "once", seen=1), name)
    second = await ben.do(reply(conversation, "once", seen=1), name)
    assert first["status"] == second["status"] == "confirmed"
    assert list(replies(ben.open[conversation])) == ["once"]
    assert sent(world, name) == 1


async def test_a_repetition_is_answered_by_another_node_and_by_one_that_began_later(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    name = IDS.new()
    await ben.do(reply(conversation, "once", seen=1), name)
    refused = IDS.new()
    await ben.do({"do": "accept", "conversation": conversation, "offer": "gone"}, refused)
    await ben.reconnect(await world.desk())
    assert (await ben.do(reply(conversation, "once", seen=1), name))["status"] == "confirmed"
    again = await ben.do({"do": "accept", "conversation": conversation, "offer": "gone"}, refused)
    assert again["status"] == "refused"
    assert sent(world, name) == sent(world, refused) == 1


async def test_a_decided_command_whose_record_is_not_at_hand_is_not_repeated(world: World, ben: Console) -> None:
    name = IDS.new()
    await ben.do({"do": "presence", "state": "away"}, name)
    await ben.reconnect(await world.desk())
    answer = await ben.do({"do": "presence", "state": "away"}, name)
    assert answer["code"] == "decided_before"
    assert sent(world, name) == 1


async def test_a_repetition_on_the_same_node_is_answered_from_memory(world: World, ben: Console) -> None:
    name = IDS.new()
    first = await ben.do({"do": "presence", "state": "away"}, name)
    assert (await ben.do({"do": "presence", "state": "away"}, name)) == first
    assert sent(world, name) == 1


async def test_a_silent_router_leaves_a_command_not_confirmed_until_it_speaks(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    world.log.silent = True
    name = IDS.new()
    assert (await ben.do(reply(conversation, "late", seen=1), name))["status"] == "not_confirmed"
    seen = len(ben.frames)
    world.log.silent = False
    world.log.decide()
    late = await ben.frame(lambda f: f["type"] == "answer" and f["answer"]["id"] == name, since=seen)
    assert late["answer"]["status"] == "confirmed"


async def test_a_repetition_while_the_router_is_silent_has_one_effect(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    await ben.watch(conversation)
    world.log.silent = True
    name = IDS.new()
    await ben.do(reply(conversation, "late", seen=1), name)
    await ben.send({"type": "command", "id": name, "action": reply(conversation, "late", seen=1)})
    world.log.silent = False
    world.log.decide()
    await ben.until(lambda: list(replies(ben.open[conversation])) == ["late"])
    assert (await ben.do({"do": "read", "conversation": conversation, "upto": 1}))["status"] == "confirmed"
    assert list(replies(ben.open[conversation])) == ["late"]


async def test_a_store_that_is_away_leaves_a_command_not_confirmed(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    world.log.stored = False
    name = IDS.new()
    answer = await ben.do(reply(conversation, "hello", seen=1), name)
    assert (answer["status"], answer["reason"]) == ("not_confirmed", "it could not be stored yet")
    world.log.stored = True
    assert (await ben.do(reply(conversation, "hello", seen=1), name))["status"] == "confirmed"


async def test_over_http_the_status_says_the_answer(world: World, desk: Desk, ben: Console) -> None:
    conversation = await taken(world, ben)
    browser = ben.browser
    status, answer = await browser.do(reply(conversation, "hello", seen=1))
    assert (status, answer["status"]) == (200, "confirmed")
    status, answer = await browser.do({"do": "accept", "conversation": conversation, "offer": "gone"})
    assert (status, answer["status"]) == (409, "refused")
    world.log.silent = True
    status, answer = await browser.do({"do": "close", "conversation": conversation})
    assert (status, answer["status"]) == (202, "not_confirmed")
    assert desk.node.feed.state.operators["ben"].nodes


async def test_an_operator_who_is_not_in_the_rules_yet_is_answered(world: World, desk: Desk) -> None:
    world.accounts.accounts["new"] = Account(id="new", name="New", role="operator", password_hash=HASH)
    browser = await world.browser(desk, "new")
    status, answer = await browser.do({"do": "presence", "state": "available"})
    assert (status, answer["code"]) == (409, "unknown_operator")


async def test_a_command_that_the_router_chokes_on_is_refused(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    del world.log.machine.state.operators["ben"].held[conversation]  # a state that should not be
    answer = await ben.do({"do": "close", "conversation": conversation})
    assert (answer["status"], answer["code"]) == ("refused", "failed")


async def test_a_file_is_sent_again_without_its_key_having_been_in_the_browser(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    await ben.watch(conversation)
    form = {"X-Filename": "note.txt", "Content-Type": "application/octet-stream"}
    url = ben.browser.desk.url("/files")
    async with ben.browser.http.post(url, data=b"hello there", headers={**ben.browser.headers, **form}) as response:
        assert response.status == 201
        media = (await response.json())["media"]
    assert media["type"] == "text/plain"
    content = {"kind": "media", **media}
    assert (await ben.do(reply(conversation, "", seen=1) | {"content": content}))["status"] == "confirmed"
    shown = next(item for item in ben.open[conversation].values() if item["kind"] == "reply")["content"]
    assert shown["file"]["key"] == ""

    assert (await ben.do(reply(conversation, "", seen=2) | {"content": shown}))["status"] == "confirmed"
    status, body = await ben.browser.ask("GET", f"/conversations/{conversation}/files/{shown['file']['name']}")
    assert (status, body) == (200, b"hello there")
    assert world.media.files.keys() == {("file0", "key-file0")}
    foreign = {**shown, "file": {**shown["file"], "name": "file9"}}
    assert (await ben.do(reply(conversation, "", seen=3) | {"content": foreign}))["code"] == "not_found"


async def test_what_only_channels_fill_in_is_not_taken_from_a_browser(world: World, ben: Console) -> None:
    """A page that a browser has made up would be shown to colleagues as the laid-out mail."""
    conversation = await taken(world, ben)
    await ben.watch(conversation)
    page = {"name": "page", "size": 3, "key": "k"}
    picture = {"kind": "media", "file": page, "type": "image/png", "inline": "logo@mail"}
    content = {"kind": "text", "text": "Hello", "full": "and more", "html": page, "attachments": [picture]}
    await ben.do(reply(conversation, "", seen=1) | {"content": content | {"language": {"code": "pl"}}})
    await ben.do({"do": "note", "conversation": conversation, "content": content})
    asked = [each.action for each in world.log.inputs if isinstance(each, Command)]
    written = [action.content for action in asked if isinstance(action, Reply | AddNote)]
    assert written == [Text(text="Hello", attachments=(Media(file=StoredFile(**page), type="image/png"),))] * 2


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "call", "call": "c-1", "event": "initiated", "to": "sip:me@elsewhere.example"},
        {"kind": "unsupported", "what": "a dance"},
    ],
)
async def test_a_call_is_not_made_by_an_answer(world: World, ben: Console, content: dict[str, str]) -> None:
    conversation = await taken(world, ben)
    answer = await ben.do(reply(conversation, "", seen=1) | {"content": content})
    assert answer["code"] == "not_writable"
    note = await ben.do({"do": "note", "conversation": conversation, "content": content})
    assert note["code"] == "not_writable"
