"""What was just said is found, over real processes: the index runs beside the desk."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.e2e.actors import Operator
from tests.e2e.installation import Installation
from tests.e2e.test_conversation import available, eventually, operator, visitor

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.timeout(300)]


async def ask(desk: Operator, path: str) -> tuple[int, dict[str, Any]]:
    patience = aiohttp.ClientTimeout(60)
    async with desk._http.get(f"{desk._url()}/desk{path}", headers=desk.origin, timeout=patience) as answer:
        return answer.status, await answer.json()


async def found(desk: Operator, path: str, what: str, within: float = 60.0) -> list[dict[str, Any]]:
    """Ask until something is found."""
    async with asyncio.timeout(within):
        while True:
            status, body = await ask(desk, path)
            if status == 200 and body[what]:
                hits: list[dict[str, Any]] = body[what]
                return hits
            await asyncio.sleep(0.1)


async def test_what_a_visitor_and_an_operator_said_is_found_by_who_may_read_it(installation: Installation) -> None:
    async with (
        visitor(installation, 31) as customer,
        operator(installation, "anna") as anna,
        operator(installation, "ben") as ben,
    ):
        await eventually(lambda: available(anna) and available(ben), "both are available")
        customer.write("Where is my Xylophone?")
        await eventually(lambda: anna.mine or ben.mine, "somebody has it")
        owner, other = (anna, ben) if anna.mine else (ben, anna)
        conversation = owner.mine[0]
        (hit,) = await found(owner, "/search?q=xylo", "hits")
        assert hit["conversation"] == conversation
        assert hit["matches"][0]["marks"] == [[12, 21]]
        owner.reply(conversation, "It is with the courier Zebulon.")
        (hit,) = await found(owner, "/search?q=zebulon%20", "hits")
        assert hit["matches"][0]["kind"] == "reply"
        status, body = await ask(other, "/search?q=xylo")
        assert (status, body["hits"]) == (200, [])
        assert (await ask(other, "/reports/volume"))[0] == 403
        owner.order({"do": "close", "conversation": conversation, "result": "answered"})
        (hit,) = await found(owner, "/search?q=xylo&state=closed", "hits")
        assert hit["result"] == "answered"
