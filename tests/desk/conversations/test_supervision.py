"""Supervisors: the queues and why they stand, whispers; and what a colleague hands over."""

from typing import Any

from msgspec.structs import replace

from router.inputs import RulesProposed
from router.rules import Need, Route, When
from tests.desk.conftest import at_work
from tests.desk.test_flows import taken
from tests.desk.world import RULES, Console, Desk, World

LAW = Route(name="law", when=When(text=("sue",)), need=Need(skills={"law": 1}))
REST = Route(name="everything else", need=Need(operators=("ben", "cleo")))


def queues(console: Console) -> list[dict[str, Any]]:
    """The queues as they were told last."""
    told: list[dict[str, Any]] = [frame["queues"] for frame in console.frames if frame["type"] == "queues"][-1:]
    return told[0] if told else []  # type: ignore[return-value]  # frames are plain JSON


async def test_a_supervisor_sees_queues_with_their_oldest_waits_and_why_they_stand(world: World, desk: Desk) -> None:
    world.log.put(RulesProposed(hash="law", rules=replace(RULES, routes=(LAW, REST))))
    anna = await world.console(desk, "anna", everything=True)
    since = world.log.now
    first = world.log.customer("Hello", who="v1")
    world.log.pass_time(3)
    world.log.customer("Hello again", who="v2")
    second = world.log.customer("I will sue", who="v3")
    await anna.until(lambda: len(queues(anna)) == 2)
    assert queues(anna) == [
        {
            "rule": "everything else",
            "kind": "interactive",
            "waiting": 2,
            "oldest": since,
            "unstaffed": 2,
            "lacking": {"offline": 2, "operators": 1},
        },
        {
            "rule": "law",
            "kind": "interactive",
            "waiting": 1,
            "oldest": world.log.now,
            "unroutable": 1,
            "lacking": {"skill:law": 3},
        },
    ]
    assert (anna.lists[first]["warned"], anna.lists[second]["warned"]) == ("unstaffed", "unroutable")
    assert anna.lists[second]["lacking"] == {"skill:law": 3}
    frames = len(anna.frames)
    ben = await at_work(world, desk, "ben")
    await anna.until(lambda: [each["waiting"] for each in queues(anna)] == [1])
    assert any(frame["type"] == "queues" for frame in anna.frames[frames:])
    assert not any(frame["type"] == "queues" for frame in ben.frames)


async def test_a_whisper_pops_up_with_the_owner_and_with_nobody_else(
    world: World, desk: Desk, ben: Console, cleo: Console
) -> None:
    await cleo.do({"do": "presence", "state": "away"})
    conversation = await taken(world, ben)
    anna = await world.console(desk, "anna", everything=True)
    note = {"do": "note", "conversation": conversation, "content": {"kind": "text", "text": "Offer a refund."}}
    assert (await anna.do({**note, "whisper": True}))["status"] == "confirmed"
    event = {"event": "whisper", "conversation": conversation, "by": "anna", "name": "Anna", "text": "Offer a refund."}
    await ben.frame(lambda f: f["type"] == "changes" and event in f["events"])
    assert not any(event in frame.get("events", ()) for frame in cleo.frames + anna.frames)
    await ben.watch(conversation)
    assert [item["whisper"] for item in ben.open[conversation].values() if item["kind"] == "note"] == ["ben"]
    assert (await ben.do({**note, "whisper": True}))["code"] == "not_allowed"


async def test_who_is_handed_a_conversation_sees_by_whom_and_what_they_say(
    world: World, ben: Console, cleo: Console
) -> None:
    await cleo.do({"do": "presence", "state": "away"})
    conversation = await taken(world, ben)
    await cleo.do({"do": "presence", "state": "available"})
    await ben.do({"do": "transfer", "conversation": conversation, "operator": "cleo", "note": "She wants a refund."})
    await cleo.until(lambda: bool(cleo.lists.get(conversation, {}).get("offers")))
    shown = cleo.lists[conversation]
    assert (shown["offers"][0]["from"], shown["comment"]) == ("ben", "She wants a refund.")
    await cleo.do({"do": "accept", "conversation": conversation, "offer": shown["offers"][0]["id"]})
    assert cleo.lists[conversation]["comment"]
    await cleo.do({"do": "reply", "conversation": conversation, "content": {"kind": "text", "text": "Hi"}, "seen": 2})
    assert "comment" not in cleo.lists[conversation]

    refused = await cleo.do({"do": "transfer", "conversation": conversation, "queue": "no such"})
    assert (refused["code"], "everything else" in refused["reason"]) == ("unknown_queue", True)
    answer = await cleo.do({"do": "transfer", "conversation": conversation, "queue": "everything else"})
    assert answer["status"] == "confirmed"
    await ben.until(lambda: bool(ben.lists.get(conversation, {}).get("offers")))
    assert "comment" not in ben.lists[conversation]
