"""The HTTP API: what it serves is what it describes."""

import io
import re
from typing import Any

import msgspec
import pytest

from desk.http.api import Api
from desk.http.operations import operations
from tests.desk.test_flows import reply, taken
from tests.desk.world import Console, Desk, World


@pytest.fixture
async def document(world: World, desk: Desk) -> dict[str, Any]:
    status, body = await (await world.browser(desk)).ask("GET", "/openapi.json")
    assert status == 200
    described: dict[str, Any] = body
    return described


async def test_every_route_is_described_and_every_description_is_a_route(desk: Desk, document: dict[str, Any]) -> None:
    pages = {"/desk", "/desk/", "/desk/openapi.json", "/desk/sw.js"}
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in desk.server.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    served = {(method, path) for method, path in served if path not in pages and "/static/" not in path}
    described = {(method, f"/desk{path}") for path, item in document["paths"].items() for method in item}
    assert served == described


async def test_the_document_is_closed_and_names_its_cookie(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    text = msgspec.json.encode(document).decode()
    wanted = set(re.findall(r"#/components/schemas/([\w.]+)", text))
    assert wanted <= document["components"]["schemas"].keys()
    assert document["components"]["securitySchemes"]["session"]["name"] == "trunkline-desk"
    names = [item["operationId"] for path in document["paths"].values() for item in path.values()]
    assert len(names) == len(set(names))


async def test_every_action_of_the_router_can_be_asked_for(document: dict[str, Any]) -> None:
    kinds = set(document["components"]["schemas"])
    assert {"Accept", "Decline", "Reply", "AddNote", "Transfer", "Close", "Reopen", "Take", "SetPresence"} <= kinds


def test_all_but_the_sign_in_needs_a_session(desk: Desk) -> None:
    public = [each.path for each in operations(Api(desk.node)) if each.public]
    assert public == ["/session"]


async def test_a_list_is_paged_without_gaps_or_doubles(world: World, ben: Console) -> None:
    await ben.do({"do": "presence", "state": "away"})
    waiting = [world.log.customer("words", who=f"v{n}") for n in range(7)]
    seen: list[str] = []
    after = ""
    for _ in range(4):
        status, page = await ben.browser.ask("GET", f"/conversations?view=queue&limit=2&after={after}")
        assert (status, page["total"]) == (200, 7)
        seen += [each["id"] for each in page["conversations"]]
        after = page.get("next", "")
    assert seen == waiting
    assert after == ""


@pytest.mark.parametrize("query", ["view=none", "limit=many", "view=queue&after=%%%", "view=queue&after=AAAA"])
async def test_a_wrong_query_is_refused(ben: Console, query: str) -> None:
    status, body = await ben.browser.ask("GET", f"/conversations?{query}")
    assert status == 400
    assert body["error"]["message"]


async def test_a_history_is_paged_backwards(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    for n in range(30):
        await ben.do(reply(conversation, f"answer {n}", seen=99)) if n < 3 else world.log.customer(f"question {n}")
    whole: list[str] = []
    before = ""
    while True:
        status, page = await ben.browser.ask("GET", f"/conversations/{conversation}?limit=7&before={before}")
        assert status == 200
        whole = [item["id"] for item in page["items"]] + whole
        if not page.get("more"):
            break
        before = page["items"][0]["id"]
    await ben.watch(conversation)
    assert whole == list(ben.open[conversation])
    assert len(whole) == len(set(whole))


async def test_it_is_explained_why_a_conversation_went_where_it_did(world: World, ben: Console) -> None:
    conversation = await taken(world, ben)
    status, told = await ben.browser.ask("GET", f"/conversations/{conversation}/explain?operator=cleo")
    assert status == 200
    assert any("Offered to ben" in sentence for sentence in told["told"])
    assert "cleo is" in told["why_not"]
    assert told["position"] == ben.browser.desk.ledger.position


async def test_operators_see_who_is_there_and_supervisors_see_the_load(world: World, desk: Desk, ben: Console) -> None:
    await taken(world, ben)
    anna = await world.browser(desk, "anna")
    _, seen = await anna.ask("GET", "/operators")
    loads = {each["id"]: each.get("load", 0) for each in seen["operators"]}
    assert loads == {"anna": 0, "ben": 20, "cleo": 0}
    cleo = await world.browser(desk, "cleo")
    _, seen = await cleo.ask("GET", "/operators")
    assert {each["id"]: (each["online"], each.get("load")) for each in seen["operators"]}["ben"] == (True, None)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{broken", 400), (b"[]", 400), (b'{"id": "x", "action": {}}', 400), (b"x" * 2_000_000, 413), (b"\xff", 400)],
    ids=["broken", "list", "wrong", "2 MB", "not-text"],
)
async def test_a_wrong_body_is_refused(ben: Console, body: bytes, status: int) -> None:
    headers = {**ben.browser.headers, "Content-Type": "application/json"}
    async with ben.browser.http.post(
        ben.browser.desk.url("/commands"), data=io.BytesIO(body), headers=headers
    ) as response:
        assert response.status == status
        assert (await response.json())["error"]["message"]


async def test_a_body_of_another_type_is_refused(ben: Console) -> None:
    status, _ = await ben.browser.ask("POST", "/commands", {}, **{"Content-Type": "text/plain"})
    assert status == 415


async def test_a_file_over_the_limit_is_refused(ben: Console) -> None:
    headers = {**ben.browser.headers, "Content-Type": "application/octet-stream"}
    data = io.BytesIO(b"x" * 20_100_000)
    async with ben.browser.http.post(ben.browser.desk.url("/files"), data=data, headers=headers) as response:
        assert response.status == 413


async def test_the_desk_without_a_slash_leads_to_the_console(world: World, desk: Desk) -> None:
    browser = await world.browser(desk)
    async with browser.http.get(desk.url(""), allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (301, "/desk/")
