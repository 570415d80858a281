"""Files of visitors: limited, sniffed, and readable by their own visitor only."""

import pytest

from adapters.webchat.settings import FileSettings, VisitorLimits
from config import Size
from normalizer.content import Media, StoredFile, Text
from normalizer.ids import IdSource
from tests.adapters.webchat.conftest import Chat, Node
from tests.adapters.webchat.fakes import ORIGIN, FakeContext, Page

IDS = IdSource()
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0" * 64


async def upload(page: Page, data: bytes, **headers: str) -> tuple[int, dict[str, object]]:
    async with page.http.post(f"{page.url}/files", data=data, headers=page.headers(**headers)) as response:
        return response.status, await response.json()


async def download(page: Page, reference: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    async with page.http.get(f"{page.url}/files/{reference}", headers={**page.headers(), **headers}) as response:
        return response.status, await response.read(), dict(response.headers)


async def test_a_file_is_stored_sent_shown_and_fetched(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    status, grant = await upload(page, PNG, **{"X-Filename": "cat.png"})
    assert (status, grant["type"], grant["name"], grant["size"]) == (200, "image/png", "cat.png", len(PNG))
    tab = await page.open()
    content = {"kind": "file", "file": grant["file"], "caption": "look", "voice": False}
    await tab.send(type="send", id=IDS.new(), content=content)
    await tab.has(1)
    [envelope] = context.accepted
    assert isinstance(envelope.content, Media)
    assert (envelope.content.type, envelope.content.caption) == ("image/png", "look")
    assert envelope.content.file.key == "the-key-of-the-file"
    shown = page.transcript[0]["content"]
    assert (shown["kind"], shown["type"], shown["name"], shown["caption"]) == ("file", "image/png", "cat.png", "look")
    assert "the-key-of-the-file" not in repr(page.transcript)
    status, data, headers = await download(page, shown["file"])
    assert (status, data) == (200, PNG)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["Access-Control-Allow-Origin"] == ORIGIN


async def test_files_of_an_answer_are_shown_with_its_text(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    tab = await page.open()
    context.media.files["f"] = b"data"
    media = Media(file=StoredFile(name="f", size=4, key="k"), type="application/pdf", filename="bill.pdf")
    item = context.item("reply", page.address, content=Text(text="here", attachments=(media,)))
    await context.lines.record(item)
    await tab.has(1)
    [file] = page.transcript[0]["content"]["files"]
    status, data, headers = await download(page, file["file"])
    assert (status, data) == (200, b"data")
    assert headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("data", [b"<html><script>alert(1)</script></html>", b"MZ\x90\0" + b"\0" * 60])
async def test_what_is_not_allowed_is_refused_whatever_it_calls_itself(
    node: Node, context: FakeContext, data: bytes
) -> None:
    page = await node.visitor()
    status, body = await upload(page, data, **{"X-Filename": "cat.png", "Content-Type": "image/png"})
    assert (status, body["error"]) == (415, body["error"])
    assert context.counted["unsupported_type"] == 1
    assert context.media.files == {}


async def test_a_file_too_big_is_refused(chat: Chat) -> None:
    node = await chat.start(files=FileSettings(max_size=Size(1_000)))
    status, _ = await upload(await node.visitor(), PNG + b"\0" * 1_000)
    assert status == 413
    assert chat.context.counted["too_large"] == 1


async def test_uploading_again_finds_the_first(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    for _ in range(2):
        assert (await upload(page, PNG, **{"X-Upload-Id": "one"}))[0] == 200
    assert len(context.media.files) == 1


async def test_the_id_of_an_upload_does_not_lend_another_file_its_type(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    _, text = await upload(page, b"<html>hello", **{"X-Upload-Id": "one", "X-Filename": "a.txt"})
    _, picture = await upload(page, PNG, **{"X-Upload-Id": "one"})
    assert (text["type"], picture["type"]) == ("text/plain", "image/png")
    assert (await download(page, str(picture["file"])))[1] == PNG
    assert len(context.media.files) == 2


async def test_the_volume_of_files_from_one_network_is_limited_over_all_visitors(chat: Chat) -> None:
    limits = VisitorLimits(file_bytes_per_hour=Size(3_000))
    node = await chat.start(limits=limits, files=FileSettings(max_size=Size(1_000)))
    data = PNG.ljust(900, b"\0")
    assert [(await upload(await node.visitor(), data))[0] for _ in range(4)] == [200, 200, 200, 429]
    chat.time += 3_600
    assert (await upload(await node.visitor(), data))[0] == 200


async def test_nobody_else_can_fetch_or_send_it(node: Node, context: FakeContext) -> None:
    owner, thief = await node.visitor(), await node.visitor()
    _, grant = await upload(owner, PNG)
    reference = str(grant["file"])
    assert (await download(thief, reference))[0] == 401
    tab = await thief.open()
    await tab.send(type="send", id=IDS.new(), content={"kind": "file", "file": reference})
    assert (await tab.until("error"))["code"] == "file_forged"
    assert context.accepted == []


async def test_a_reference_is_worthless_without_a_token_and_from_another_website(node: Node) -> None:
    page = await node.visitor()
    _, grant = await upload(page, PNG)
    url = f"{node.url}/files/{grant['file']}"
    async with page.http.get(url) as response:
        assert response.status == 401
    assert (await download(page, str(grant["file"]), Origin="https://evil.test"))[0] == 403
    assert (await download(page, "rubbish"))[0] == 401


async def test_a_reference_ends(node: Node, context: FakeContext) -> None:
    page = await node.visitor()
    _, grant = await upload(page, PNG)
    context.time += 8 * 86_400_000
    assert (await download(page, str(grant["file"])))[0] == 401


async def test_without_a_token_nothing_is_stored(node: Node, context: FakeContext) -> None:
    page = Page(node.chat.http, node.url)
    status, body = await upload(page, PNG)
    assert (status, body["error"]) == (
        401,
        {"code": "no_token", "message": "send the session token as `Authorization: Bearer <token>`"},
    )
    assert context.media.files == {}


async def test_files_of_one_visitor_are_limited(chat: Chat) -> None:
    node = await chat.start(limits=VisitorLimits(files_per_minute=2))
    page = await node.visitor()
    assert [(await upload(page, PNG))[0] for _ in range(3)] == [200, 200, 429]
