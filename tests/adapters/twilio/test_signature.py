"""Who may speak for Twilio."""

import io
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import HMAC_SHA1, HMAC_SHA256, RequestValidator

from adapters.testing.twilio import TOKEN, Write
from adapters.twilio.signature import SETTINGS, SIGNATURE, BadSignature, Signatures
from config import Secret
from tests.adapters.twilio.conftest import PATIENTLY, PUBLIC, Connect, Line

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
URL = f"{PUBLIC}/channels/test/messages"
HELLO = {"MessageSid": "SM1", "From": "whatsapp:+48600100200", "To": "whatsapp:+14155238886", "Body": "Hello"}


def signed(url: str = URL, params: dict[str, str] | MultiDict[str] = HELLO, token: str = TOKEN) -> dict[str, str]:
    return {**FORM, SIGNATURE: RequestValidator(token).compute_signature(url, params)}


async def post(http: ClientSession, url: str, body: bytes | io.BytesIO, headers: dict[str, str]) -> int:
    async with http.post(url, data=body, headers=headers) as answer:
        return answer.status


async def test_what_is_signed_over_the_public_address_is_taken(line: Line, http: ClientSession) -> None:
    assert await post(http, f"{line.url}/messages", urlencode(HELLO).encode(), signed()) == 200
    assert len(line.context.accepted) == 1


@pytest.mark.parametrize(
    "headers",
    [
        FORM,
        {**FORM, SIGNATURE: ""},
        {**FORM, SIGNATURE: "é"},
        {**FORM, SIGNATURE: "x" * 1_000},
        signed(token="somebody else's"),
        signed(params={**HELLO, "Body": "other"}),
        signed(url=f"{PUBLIC}/channels/other/messages"),
        signed(url="http://127.0.0.1/channels/test/messages"),
        {**signed(), SETTINGS: "key=k,algorithm=MD5"},
        {**signed(), SETTINGS: "key=k,algorithm=HMAC_SHA256"},
        {**signed(), "Content-Type": "application/json"},
    ],
    ids=range(11),
)
async def test_everything_else_is_forged(line: Line, http: ClientSession, headers: dict[str, str]) -> None:
    assert await post(http, f"{line.url}/messages", urlencode(HELLO).encode(), headers) == 403
    assert await post(http, f"{line.url}/status?id=c1-1", urlencode(HELLO).encode(), headers) == 403
    assert (line.context.accepted, line.context.receipts, line.context.dead_letters) == ([], [], [])
    assert line.context.counts["bad_signature"] == 2


async def test_a_flood_of_forgeries_does_not_flood_the_log(line: Line, http: ClientSession) -> None:
    for _ in range(30):
        assert await post(http, f"{line.url}/messages", b"", FORM) == 403
    assert len(line.context.logged) == 10
    assert line.context.counts["bad_signature"] == 30


async def test_a_replayed_request_is_the_same_message(line: Line, http: ClientSession) -> None:
    for _ in range(2):
        assert await post(http, f"{line.url}/messages", urlencode(HELLO).encode(), signed()) == 200
    first, second = line.context.accepted
    assert (first.address, first.native_id) == (second.address, second.native_id)


async def test_the_query_and_blank_and_repeated_parameters_are_part_of_it(line: Line, http: ClientSession) -> None:
    pairs = [*HELLO.items(), ("Blank", ""), ("Spaces", "   "), ("Twice", "b"), ("Twice", "a"), ("Twice", "a")]
    url = f"{URL}?a=1&b=%20x&c="
    body = urlencode(pairs).encode()
    headers = signed(url, MultiDict(pairs))
    assert await post(http, f"{line.url}/messages?a=1&b=%20x&c=", body, headers) == 200
    assert await post(http, f"{line.url}/messages?a=1&b=%20x", body, headers) == 403


@pytest.mark.parametrize("algorithm", [HMAC_SHA1, HMAC_SHA256])
@pytest.mark.parametrize("json", [False, True])
async def test_both_algorithms_and_both_kinds_of_bodies(line: Line, algorithm: str, json: bool) -> None:  # noqa: FBT001
    line.simulator.algorithm, line.simulator.json = algorithm, json
    await line.simulator.write(Write(body="zażółć 😀"))
    assert line.simulator.answers == [200]


async def test_a_json_body_is_bound_by_its_hash(line: Line, http: ClientSession) -> None:
    url = f"{URL}?bodySHA256={'0' * 64}"
    headers = {"Content-Type": "application/json", SIGNATURE: RequestValidator(TOKEN).compute_signature(url, {})}
    assert await post(http, f"{line.url}/messages?bodySHA256={'0' * 64}", b"{}", headers) == 403


async def test_while_the_token_is_changed_both_are_taken(connect: Connect, http: ClientSession) -> None:
    line = await connect(signing_secrets=[Secret("f" * 32)])
    body = urlencode(HELLO).encode()
    for token in (TOKEN, "f" * 32):
        assert await post(http, f"{line.url}/messages", body, signed(token=token)) == 200
    assert await post(http, f"{line.url}/messages", body, signed(token="e" * 32)) == 403


async def test_a_body_that_is_too_big_is_refused_before_it_is_read(line: Line, http: ClientSession) -> None:
    assert await post(http, f"{line.url}/messages", io.BytesIO(b"x" * 2_000_000), signed()) == 413


async def test_the_check_can_try_the_address(line: Line, http: ClientSession) -> None:
    for url, status in ((f"{URL}?probe=1", 204), (f"{URL}?probe=2", 403)):
        async with http.get(f"{line.url}/messages?probe=1", headers=signed(url, {})) as answer:
            assert answer.status == status


@PATIENTLY
@given(st.text(), st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5), st.text(), st.text())
def test_no_header_and_no_parameter_breaks_it(url: str, params: dict[str, str], signature: str, settings: str) -> None:
    clean = {_sane(key): _sane(value) for key, value in params.items()}
    with pytest.raises(BadSignature):
        Signatures([TOKEN]).verify(f"{PUBLIC}/{_sane(url)}", MultiDict(clean), _sane(signature), _sane(settings))


def _sane(text: str) -> str:
    """What bytes from the wire can become."""
    return text.encode("utf-8", "replace").decode()
