"""An answer that did not arrive is sent again by a command, and shows as one answer with its history."""

from typing import Any

from normalizer.outbound import Receipt, ReceiptState
from tests.desk.test_flows import reply, taken
from tests.desk.world import Console, World


def report(world: World, outbound: str, state: ReceiptState) -> None:
    world.log.receipt(Receipt(outbound=outbound, state=state, at=world.log.now, code="gone", error="No."))


def answers(console: Console, conversation: str) -> list[dict[str, Any]]:
    """What a screen shows of the answers: none that another one replaces."""
    items = [item for item in console.open[conversation].values() if item["kind"] == "reply"]
    return [item for item in items if "replaced_by" not in item]


async def test_a_failed_answer_goes_out_again_and_shows_as_one_with_its_history(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    await ben.watch(conversation)
    await ben.do(reply(conversation, "On its way.", seen=1))
    (first,) = answers(ben, conversation)
    resend = {"do": "resend", "conversation": conversation, "outbound": first["outbound"]}
    assert (await ben.do(resend))["code"] == "not_failed"
    report(world, first["outbound"], ReceiptState.FAILED)
    assert (await ben.do({**resend, "content": {"kind": "text", "text": "forged"}}))["status"] == "confirmed"
    (second,) = answers(ben, conversation)
    assert second["content"]["text"] == "On its way."
    report(world, second["outbound"], ReceiptState.UNKNOWN)
    await ben.until(lambda: answers(ben, conversation)[0]["receipt"] == "unknown")
    again = {**resend, "outbound": second["outbound"]}
    assert (await ben.do(again))["code"] == "unknown_outcome"
    assert (await ben.do({**again, "anyway": True}))["status"] == "confirmed"

    (third,) = answers(ben, conversation)
    history = [(each["outbound"], each["receipt"], each["by"]) for each in third["attempts"]]
    assert history == [(first["outbound"], "failed", "ben"), (second["outbound"], "unknown", "ben")]
    assert third["attempts"][0]["error"] == "No."
    live = dict(ben.open[conversation])
    await ben.watch(conversation)
    assert ben.open[conversation] == live


async def test_a_file_is_sent_again_with_its_key(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    await ben.watch(conversation)
    media = {"kind": "media", "file": {"name": "a", "size": 1, "key": "k"}, "type": "image/png", "filename": "a.png"}
    await ben.do({**reply(conversation, "", seen=1), "content": media})
    (first,) = answers(ben, conversation)
    report(world, first["outbound"], ReceiptState.FAILED)
    resend = {"do": "resend", "conversation": conversation, "outbound": first["outbound"]}
    assert (await ben.do(resend))["status"] == "confirmed"
    sent = world.log.inputs[-1].action.content  # type: ignore[attr-defined]  # the command just given
    assert sent.file.key == "k"


async def test_only_what_one_may_read_is_sent_again(world: World, ben: Console, cleo: Console) -> None:
    await cleo.do({"do": "presence", "state": "away"})
    conversation = await taken(world, ben)
    resend = {"do": "resend", "conversation": conversation, "outbound": f"{conversation}-2"}
    assert (await cleo.do(resend))["code"] == "not_found"
    assert (await ben.do({**resend, "conversation": "c999"}))["code"] == "not_found"
    assert (await ben.do(resend))["code"] == "not_failed"
