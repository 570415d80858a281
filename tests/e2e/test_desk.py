"""What the desk keeps beside conversations, over real processes: it outlives the router and the desk."""

import signal
from typing import Any

import aiohttp
import pytest

from tests.e2e.actors import Operator
from tests.e2e.installation import Installation
from tests.e2e.test_conversation import available, eventually, operator, visitor

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]


async def personal_answers(desk: Operator) -> list[dict[str, Any]]:
    url = f"{desk._url()}/desk/answers?scope=personal"
    async with desk._http.get(url, headers=desk.origin, timeout=aiohttp.ClientTimeout(60)) as answer:
        answers: list[dict[str, Any]] = (await answer.json())["answers"]
        return answers


async def test_canned_answers_and_parked_conversations_outlive_router_and_desk(installation: Installation) -> None:
    async with visitor(installation, 41) as customer, operator(installation, "anna") as anna:
        await eventually(lambda: available(anna), "anna is available")
        customer.write("Where is my parcel?")
        await eventually(lambda: anna.mine, "anna has the conversation")
        conversation = anna.mine[0]
        await eventually(lambda: anna.said(conversation, "message"), "anna sees it")
        anna.reply(conversation, "Please send us the number.")
        await eventually(lambda: customer.replies, "the answer")
        parked = anna.order({"do": "park", "conversation": conversation})
        texts = {"en": "Hello {customer}"}
        kept = anna.order({"do": "save_answer", "title": "Greeting", "texts": texts, "personal": True})
        await eventually(lambda: (parked.status, kept.status) == ("confirmed", "confirmed"), "both are done")

        for name in ("router", "desk"):
            part = installation.parts[name]
            part.signal(signal.SIGKILL)
            part.start()
        await eventually(lambda: anna.lists.get(conversation, {}).get("parked"), "it is still put aside", within=60)
        await eventually(lambda: available(anna), "anna is back", within=60)
        customer.write("It is 42.")
        await eventually(lambda: not anna.lists[conversation].get("parked"), "it has woken", within=60)
        assert anna.mine == [conversation]
        assert [(each["title"], each["texts"]) for each in await personal_answers(anna)] == [("Greeting", texts)]
        anna.order({"do": "close", "conversation": conversation})
        await eventually(lambda: not anna.mine, "it is closed", within=60)
