"""The bus's contract: questions and their answers."""

import asyncio
import uuid

import pytest

from broker.bus.connection import Bus
from broker.bus.errors import AskFailed, NoAnswer, NobodyThere
from tests.broker.bus.case import ENOUGH, NEVER, BusCase


async def shout(payload: bytes) -> bytes:
    return payload.upper()


class AskingContract(BusCase):
    """Asking and answering."""

    @pytest.fixture
    def subject(self) -> str:
        return f"tl.ask.{uuid.uuid4().hex}"

    async def test_a_question_is_answered_and_an_error_arrives_as_one(self, bus: Bus, subject: str) -> None:
        async def handler(payload: bytes) -> bytes:
            if payload == b"bad":
                raise AskFailed("no-such-thing", "There is no such thing.")
            return payload.upper()

        service = await bus.serve(subject, handler, "group")
        assert await bus.request(subject, b"hi") == b"HI"
        with pytest.raises(AskFailed, match="There is no such thing") as failed:
            await bus.request(subject, b"bad")
        assert failed.value.code == "no-such-thing"
        await service.unsubscribe()

    async def test_where_nobody_serves_the_asker_is_told_at_once(self, bus: Bus, subject: str) -> None:
        async with asyncio.timeout(ENOUGH):
            with pytest.raises(NobodyThere, match=subject):
                await bus.request(subject, b"early", timeout=NEVER)

    async def test_many_questions_at_once_get_each_its_own_answer(self, bus: Bus, subject: str) -> None:
        asked: list[bytes] = []
        all_asked = asyncio.Event()

        async def answer_the_last_first(payload: bytes) -> bytes:
            asked.append(payload)
            if len(asked) == 100:
                all_asked.set()
            await all_asked.wait()
            for _ in range(100 - asked.index(payload)):
                await asyncio.sleep(0)
            return payload.upper()

        service = await bus.serve(subject, answer_the_last_first)
        questions = [b"question %d" % number for number in range(100)]
        answers = await asyncio.gather(*(bus.request(subject, question, ENOUGH) for question in questions))
        assert answers == [question.upper() for question in questions]
        await service.unsubscribe()

    async def test_a_late_answer_is_nobody_elses(self, bus: Bus, subject: str) -> None:
        asked: list[bytes] = []
        second_asked = asyncio.Event()

        async def answer(payload: bytes) -> bytes:
            asked.append(payload)
            if len(asked) == 1:
                await second_asked.wait()
            else:
                second_asked.set()
                await asyncio.sleep(0.05)
            return payload.upper()

        service = await bus.serve(subject, answer)
        with pytest.raises(NoAnswer):
            await bus.request(subject, b"first", timeout=0.2)
        assert await bus.request(subject, b"second", ENOUGH) == b"SECOND"
        await service.unsubscribe()

    async def test_a_question_under_way_ends_with_its_connection_and_the_next_is_answered(
        self, bus: Bus, subject: str
    ) -> None:
        heard = asyncio.Event()

        async def keep_silent(_: bytes) -> bytes:
            heard.set()
            await asyncio.Event().wait()
            return b""

        silent = await bus.serve(f"{subject}.silent", keep_silent)
        service = await bus.serve(subject, shout)
        question = asyncio.create_task(bus.request(f"{subject}.silent", b"?", NEVER))
        async with asyncio.timeout(ENOUGH):
            await heard.wait()
            bus._link.client.cut()
            with pytest.raises(NoAnswer, match="lost"):
                await question
            assert await bus.request(subject, b"again", ENOUGH) == b"AGAIN"
        await silent.unsubscribe()
        await service.unsubscribe()

    async def test_a_client_that_was_given_up_and_opened_anew_asks_on(self, bus: Bus, subject: str) -> None:
        service = await bus.serve(subject, shout)
        await bus._link.client.close()
        assert await bus.request(subject, b"again", ENOUGH) == b"AGAIN"
        await service.unsubscribe()
