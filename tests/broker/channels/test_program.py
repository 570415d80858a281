"""Questions to a program that serves a channel over the bus."""

import pytest

from adapters.contract import NobodyServes
from broker.channels.program import Program
from tests.broker.channels.conftest import CHANNEL, Scene


async def test_a_program_answers_what_its_channel_asks(scene: Scene) -> None:
    async def serve(question: bytes) -> bytes:
        return b"answer to " + question

    await scene.bus.serve(scene.workspace.send_subject(CHANNEL), serve)
    assert await Program(scene.bus, scene.workspace, CHANNEL).ask(b"this", within=60) == b"answer to this"


async def test_that_nobody_is_there_is_known_at_once(scene: Scene) -> None:
    with pytest.raises(NobodyServes, match="no program serves tl"):
        await Program(scene.bus, scene.workspace, CHANNEL).ask(b"this", within=30)


async def test_a_program_that_is_silent_may_have_taken_the_question(scene: Scene) -> None:
    await scene.bus.listen(scene.workspace.send_subject(CHANNEL), lambda _: None)
    with pytest.raises(TimeoutError):
        await Program(scene.bus, scene.workspace, CHANNEL).ask(b"this", within=0.3)
