"""Who a visitor is by the shop's word: what counts, what does not, and whose conversation it is."""

import asyncio
import base64
import hmac
from collections.abc import AsyncIterator
from typing import Any

import jwt
import msgspec
import pytest

from adapters.errors import EnvelopeRefused
from adapters.webchat.settings import IdentifySettings
from config import Secret
from normalizer.content import Text
from tests.adapters.webchat.conftest import Chat, Node
from tests.adapters.webchat.fakes import ORIGIN, FakeContext, Page

KEY = "k" * 64
OLD_KEY = "o" * 64
M1 = "018bcfe5-6800-7000-8000-000000000001"
M2 = "018bcfe5-6800-7000-8000-000000000002"


@pytest.fixture
async def node(chat: Chat) -> Node:

    return await chat.start(identify=IdentifySettings(secrets=[Secret(KEY), Secret(OLD_KEY)]))


def claims(context: FakeContext, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any claim
    now = context.now() // 1_000
    return {"sub": "42", "name": "Ola", "email": "ola@shop.example", "iat": now, "exp": now + 300, **more}


async def identify(page: Page, token: str) -> tuple[int, dict[str, Any]]:
    async with page.http.post(f"{page.url}/identify", json={"token": token}, headers=page.headers()) as response:
        return response.status, await response.json()


async def become(page: Page, context: FakeContext, **more: Any) -> Page:  # noqa: ANN401 - any claim
    status, grant = await identify(page, jwt.encode(claims(context, **more), KEY))
    assert status == 200, grant
    page.token, page.visitor, page.cursor = grant["token"], grant["visitor"], None
    return page


async def test_a_signed_user_is_the_same_visitor_on_every_device(node: Node, context: FakeContext) -> None:
    phone = await become(await node.visitor(), context)
    laptop = await become(await node.visitor(), context)
    other = await become(await node.visitor(), context, sub="43")
    assert phone.visitor == laptop.visitor != other.visitor
    assert "42" not in phone.visitor


async def test_operators_see_who_it_is_and_the_page_cannot_say_so(node: Node, context: FakeContext) -> None:
    page = await become(await node.visitor(), context, facts={"plan": "gold"})
    tab = await page.open(attributes={"user": "7", "user_plan": "none", "cart": "3 items", "page": "x"})
    await tab.say(M1, "Hello")
    await tab.until("ack")
    [envelope] = context.accepted
    known = {"user": "42", "user_name": "Ola", "user_email": "ola@shop.example", "user_plan": "gold"}
    assert envelope.attributes == {**known, "cart": "3 items"}
    assert envelope.sender.name == "Ola"


async def test_a_renewed_session_is_still_the_users(node: Node, context: FakeContext) -> None:
    page = await become(await node.visitor(), context)
    visitor = page.visitor
    await page.begin()
    assert page.visitor == visitor
    tab = await page.open()
    await tab.say(M1, "Hello")
    await tab.until("ack")
    assert context.accepted[0].attributes["user"] == "42"


async def test_who_signs_in_while_the_first_message_is_being_stored_keeps_what_it_begins(
    node: Node, context: FakeContext
) -> None:
    stored, storing = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        storing.set()
        await stored.wait()

    context.before_accept = wait
    page = await node.visitor()
    stranger = page.visitor
    tab = await page.open()
    await tab.say(M1, "Hello")
    await storing.wait()
    await become(page, context)
    assert page.visitor == stranger, "the answer would go where nobody listens any more"
    stored.set()
    await tab.until("ack")


async def test_who_signs_in_after_a_message_was_refused_or_a_conversation_is_over_is_the_user(
    node: Node, context: FakeContext
) -> None:
    page = await node.visitor()
    stranger = page.visitor
    tab = await page.open()
    context.refuse_next.append(EnvelopeRefused("too_big", "no"))
    await tab.say(M1, "Hello")
    assert (await tab.until("error"))["code"] == "refused"
    await tab.say(M2, "Hello")
    await tab.until("ack")
    await context.lines.record(context.item("closed", f"visitor:{stranger}"))
    await tab.has(2)
    await become(page, context)
    assert page.visitor != stranger


async def test_who_signs_in_in_the_middle_of_a_conversation_keeps_it(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    stranger = page.visitor
    tab = await page.open()
    await tab.say(M1, "Hello")
    await tab.until("ack")
    await become(page, context)
    assert page.visitor == stranger
    await become(page, context, sub="43")
    assert page.visitor != stranger, "another user never gets it"


@pytest.mark.parametrize(
    ("change", "key", "algorithm", "code"),
    [
        ({}, "x" * 64, "HS256", "identity_forged"),
        ({}, KEY, "HS512", "identity_forged"),
        ({"aud": "https://other.example"}, KEY, "HS256", "identity_forged"),
        ({"exp": 1_700_000_000}, KEY, "HS256", "identity_expired"),
        ({"iat": 1_799_990_000}, KEY, "HS256", "identity_expired"),
        ({"iat": 1_800_009_000}, KEY, "HS256", "identity_expired"),
        ({"sub": ""}, KEY, "HS256", "identity_malformed"),
        ({"exp": None}, KEY, "HS256", "identity_malformed"),
        ({"facts": {"Bad Name": "x"}}, KEY, "HS256", "identity_malformed"),
        ({"facts": {"plan": "x" * 301}}, KEY, "HS256", "identity_malformed"),
        ({"facts": {f"fact{n}": "x" for n in range(17)}}, KEY, "HS256", "identity_malformed"),
    ],
)
async def test_what_the_shop_did_not_sign_is_refused_and_the_visitor_stays(  # noqa: PLR0913, PLR0917 - a table
    node: Node, context: FakeContext, change: dict[str, Any], key: str, algorithm: str, code: str
) -> None:
    page = await node.visitor()
    wanted = {name: value for name, value in claims(context, **change).items() if value is not None}
    status, answer = await identify(page, jwt.encode(wanted, key, algorithm=algorithm))
    assert (status, answer["error"]["code"]) == (401, code)
    tab = await page.open()
    await tab.say(M1, "still me")
    await tab.until("ack")
    assert "user" not in context.accepted[0].attributes


async def test_an_unsigned_token_is_refused(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    status, answer = await identify(page, jwt.encode(claims(context), None, algorithm="none"))
    assert (status, answer["error"]["code"]) == (401, "identity_forged")
    for nonsense in ("", "a.b", "a.b.c", "é.é.é", "." * 100, "e30.e30.e30"):
        status, answer = await identify(page, nonsense)
        assert (status, answer["error"]["code"]) == (401, "identity_malformed"), nonsense


async def test_a_key_can_be_changed(node: Node, context: FakeContext) -> None:
    status, _ = await identify(await node.visitor(), jwt.encode(claims(context, aud=ORIGIN), OLD_KEY))
    assert status == 200


async def test_without_a_key_nobody_is_known(chat: Chat, context: FakeContext) -> None:
    node = await chat.start()
    status, answer = await identify(await node.visitor(), jwt.encode(claims(context), KEY))
    assert (status, answer["error"]["code"]) == (404, "identity_off")


async def test_a_session_token_cannot_be_made_into_another_users(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    tab = await page.open()
    await tab.say(M1, "Hello")
    await tab.until("ack")
    thief = await node.visitor()
    await become(thief, context)
    there = await thief.open()
    await there.caught_up()
    assert thief.transcript == []
    await tab.say(M2, "Hello again")
    await tab.until("ack")
    assert [envelope.content for envelope in context.accepted] == [Text(text="Hello"), Text(text="Hello again")]


async def test_an_identity_may_come_in_pieces_but_not_without_end(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    body = msgspec.json.encode({"token": jwt.encode(claims(context), KEY)})

    async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
        for part in parts:
            yield part
            await asyncio.sleep(0.1)  # each goes out by itself

    async with page.http.post(
        f"{page.url}/identify", data=pieces(body[:20], body[20:]), headers=page.headers()
    ) as answer:
        assert (answer.status, (await answer.json()).get("user")) == (200, "42")
    async with page.http.post(
        f"{page.url}/identify", data=pieces(body, b" " * 10_000), headers=page.headers()
    ) as answer:
        assert answer.status == 413


async def test_a_name_that_is_no_text_is_refused(node: Node, context: FakeContext) -> None:
    head, _, _ = jwt.encode(claims(context), KEY).split(".")
    body = f'{{"sub": "\\ud800", "iat": {context.now() // 1_000}, "exp": {context.now() // 1_000 + 60}}}'
    signed = f"{head}.{base64.urlsafe_b64encode(body.encode()).decode().rstrip('=')}"
    proof = base64.urlsafe_b64encode(hmac.digest(KEY.encode(), signed.encode(), "sha256")).decode().rstrip("=")
    status, answer = await identify(await node.visitor(), f"{signed}.{proof}")
    assert (status, answer["error"]["code"]) == (401, "identity_malformed")
