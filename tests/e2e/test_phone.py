"""Phone calls through the running broker: a real Kamailio, real phones, an operator's desk; and under fire."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.adapters.sip.pbx import HOST, Customer, Kamailio, Phone, without_ringing
from tests.e2e.actors import Operator
from tests.e2e.anna import until
from tests.e2e.installation import Installation, settings_of
from tests.e2e.provider import WebhookProvider

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]

PARTS = {"router": ["router"], "desk": ["desk"], "phone": ["phone"]}
NUMBER = "+48600100200"


class PhoneInstallation(Installation):
    """One with a phone channel, and operators who have phones."""

    kamailio: Kamailio

    def open(self, parts: dict[str, list[str]]) -> None:  # type: ignore[override] # narrower, and called here alone
        self.folder.mkdir(parents=True, exist_ok=True)
        self.servers.start()
        whole = json.loads(json.dumps(settings_of(self.bus, self.operators, WebhookProvider().url, {})))
        kamailio = self.kamailio
        whole["channels"]["phone"] = {
            "type": "sip",
            "source": "kamailio",
            "country": "PL",
            "address": f"{HOST}:{kamailio.events}",
            "control": f"{HOST}:{kamailio.control}",
            "dial": f"sip:{{number}}@{HOST}:{kamailio.sip}",
        }
        for name in self.operators:
            whole["operators"][name]["phone"] = f"sip:{name}@{HOST}:{kamailio.sip}"
        self.file.write_text(json.dumps(whole))
        self.add(parts)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhoneInstallation]:
    folder = tmp_path_factory.mktemp("phone")
    installation = PhoneInstallation(folder, 1, ("anna",), "", {})
    installation.kamailio = Kamailio(folder)
    try:
        installation.open(PARTS)
        yield installation
    finally:
        installation.close()


class Scene:
    """What one test has around it."""

    def __init__(self, running: PhoneInstallation, folder: Path, stack: AsyncExitStack, anna: Operator) -> None:
        self.running = running
        self.kamailio = running.kamailio
        self.anna = anna
        self._folder = folder
        self._stack = stack

    async def phone(self, *, answers: bool, name: str = "first") -> Phone:
        folder = self._folder / name
        folder.mkdir()
        phone = Phone("anna", self.kamailio, folder, answers=answers)
        self._stack.push_async_callback(phone.stop)
        await phone.start()
        return phone

    async def customer(self, scenario: str, number: str, seconds: float = 1) -> Customer:
        customer = Customer(scenario, self.kamailio, self._folder, number=number, seconds=seconds)
        self._stack.push_async_callback(customer.stop)
        await customer.start()
        return customer

    def story(self, conversation: str) -> list[str]:
        """What the desk shows of calls, in order."""
        items = self.anna.items.get(conversation, {}).values()
        contents = [item.get("content", {}) for item in items if item["kind"] == "message"]
        return [content["event"] for content in contents if content.get("kind") == "call"]

    async def conversation(self) -> str:
        """Wait until Anna has one."""
        await until(lambda: self.anna.mine, "anna has the conversation")
        return self.anna.mine[0]

    async def close(self, conversation: str) -> None:
        self.anna.order({"do": "close", "conversation": conversation, "result": "answered"})
        await until(lambda: conversation not in self.anna.mine, "it is closed")


@pytest.fixture
async def scene(running: PhoneInstallation, tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(running.kamailio.stop)
        before = readings(running)
        await running.kamailio.start()
        address = "10.1.0.1"
        operator = Operator(lambda: running.parts["desk"].url, "anna", address, answering=False)
        anna = await stack.enter_async_context(operator)
        await until(lambda: anna.card.get("state") == "available", "anna is available")
        await until(lambda: readings(running) > before, "Kamailio's events are read: until then calls go on without us")
        yield Scene(running, tmp_path, stack, anna)


def readings(running: PhoneInstallation) -> int:
    """How often the present process has begun to read Kamailio's events."""
    return sum(said.get("event") == "sip.reading" for said in running.parts["phone"].said())


async def test_a_call_rings_at_the_operator_who_has_it_when_she_answers(scene: Scene) -> None:
    anna = await scene.phone(answers=False)
    customer = await scene.customer("hangs_up", NUMBER, 3)
    await anna.heard("CALL_INCOMING")
    await anna.order("accept")
    conversation = await scene.conversation()
    assert await customer.wait() == 0
    await until(lambda: "ended" in scene.story(conversation), "the end of the call is shown")
    assert scene.story(conversation) == ["initiated", "ringing", "answered", "ended"]
    await scene.close(conversation)


async def test_a_missed_call_is_called_back_from_the_desk(scene: Scene) -> None:
    number = "+48600100201"
    phone = await scene.phone(answers=False)
    customer = await scene.customer("gives_up", number, 10)
    await phone.heard("CALL_INCOMING")
    assert await customer.wait() == 0
    await phone.heard("CALL_CLOSED")
    await phone.stop()
    conversation = await scene.conversation()
    await until(lambda: "failed" in scene.story(conversation), "it is shown that nobody answered")
    assert scene.story(conversation) == ["initiated", "ringing", "failed"]
    phone = await scene.phone(answers=True, name="again")
    called = await scene.customer("is_called", number)
    scene.anna.order({"do": "call", "conversation": conversation})
    await until(lambda: scene.story(conversation)[3:] == ["initiated", "ringing", "answered"], "the customer answers")
    scene.anna.order({"do": "hang_up", "conversation": conversation})
    await until(lambda: scene.story(conversation)[-1] == "ended", "the call is over")
    assert await called.wait() == 0
    await scene.close(conversation)


async def test_a_killed_reader_loses_and_doubles_nothing(scene: Scene) -> None:
    """It dies while Anna talks to one customer and another one waits; the first hangs up before it is back."""
    anna = await scene.phone(answers=True)
    first = await scene.customer("hangs_up", "+48600100202", 6)
    await anna.heard("CALL_ESTABLISHED")
    conversation = await scene.conversation()
    await until(lambda: "answered" in scene.story(conversation), "it is shown that she has answered")
    waiting = await scene.customer("hangs_up", "+48600100203", 2)
    await until(lambda: len(scene.anna.lists) > 1, "the second one waits")
    part = scene.running.parts["phone"]
    part.signal(signal.SIGKILL)
    assert await first.wait() == 0
    await asyncio.sleep(6)  # an ended dialog lingers in Kamailio for five seconds
    part.start()
    await until(lambda: scene.story(conversation)[-1] == "ended", "the missed end is noticed")
    assert without_ringing(scene.story(conversation)) == ["initiated", "answered", "ended"]
    await scene.close(conversation)
    second = await scene.conversation()
    await until(lambda: scene.story(second)[-1:] == ["ended"], "the one who waited was connected")
    assert await waiting.wait() == 0
    assert without_ringing(scene.story(second)) == ["initiated", "answered", "ended"]
    await scene.close(second)
