import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures.site import Serve
from web.uploads import (
    FILENAME_HEADER,
    MAX_NAME_LENGTH,
    UploadRules,
    clean_name,
    file_headers,
    receive_upload,
    send_file,
    sniff,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0" * 64
RULES = UploadRules(limit=100_000, types=("image/*", "text/plain"))


def docx() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
    return buffer.getvalue()


async def upload(serve: Serve, rules: UploadRules = RULES, **request: Any) -> tuple[int, dict]:  # noqa: ANN401 - arguments of aiohttp
    async def handler(request: web.Request) -> web.StreamResponse:
        found = await receive_upload(request, rules)
        data = b"".join([chunk async for chunk in found.chunks])
        return web.json_response({"name": found.name, "type": found.type, "size": len(data), "end": data[-3:].hex()})

    site = await serve(handler)
    async with site.http.post(site.url, **request) as response:
        return response.status, await response.json()


async def test_a_raw_body_arrives_whole(serve: Serve) -> None:
    data = PNG + b"\1" * 50_000 + b"end"
    status, got = await upload(serve, data=data, headers={FILENAME_HEADER: "%D0%BA%D0%BE%D1%82.png"})
    assert (status, got) == (200, {"name": "кот.png", "type": "image/png", "size": len(data), "end": b"end".hex()})


async def test_the_file_of_a_form_arrives_whole(serve: Serve) -> None:
    form = aiohttp.FormData()
    form.add_field("other", "x")
    form.add_field("file", PNG + b"\1" * 50_000 + b"end", filename="cat.png", content_type="text/html")
    status, got = await upload(serve, data=form)
    assert (status, got["name"], got["type"], got["end"]) == (200, "cat.png", "image/png", b"end".hex())


async def test_the_claimed_type_is_not_believed(serve: Serve) -> None:
    html = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
    status, got = await upload(serve, data=html, headers={"Content-Type": "image/png", FILENAME_HEADER: "a.png"})
    assert (status, got["error"]["code"]) == (415, "unsupported_type")


@pytest.mark.parametrize("chunked", [False, True])
async def test_too_much_is_refused_whether_the_length_was_said_or_not(serve: Serve, *, chunked: bool) -> None:
    data = PNG + b"\0" * 200_000

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 10_000):
            yield data[at : at + 10_000]

    status, got = await upload(serve, data=pieces() if chunked else data)
    assert (status, got["error"]["code"]) == (413, "too_large")


async def test_nothing_is_not_a_file(serve: Serve) -> None:
    assert (await upload(serve, data=b""))[1]["error"]["code"] == "no_file"
    form = aiohttp.FormData({"a": "b"})
    form.add_field("c", "d", content_type="text/plain")
    assert (await upload(serve, data=form))[1]["error"]["code"] == "no_file"


@pytest.mark.parametrize(
    "body",
    [
        b"junk",
        b"--x\r\nno header\r\n\r\nabc\r\n--x--",
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n' + b"A: " + b"y" * 9_000 + b"\r\n\r\nc",
    ],
)
async def test_a_broken_form_is_refused(serve: Serve, body: bytes) -> None:
    status, got = await upload(serve, data=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert (status, got["error"]["code"]) == (400, "bad_request")


async def test_a_body_that_is_not_packed_as_it_says_is_refused(serve: Serve) -> None:
    status, got = await upload(serve, data=b"not gzip at all", headers={"Content-Encoding": "gzip"})
    assert (status, got["error"]["code"]) == (400, "bad_request")


async def test_a_file_that_drips_is_refused(serve: Serve) -> None:
    seconds = iter(range(0, 10_000, 20))

    async def handler(request: web.Request) -> web.StreamResponse:
        found = await receive_upload(request, RULES, clock=lambda: float(next(seconds)))
        return web.json_response({"size": len([chunk async for chunk in found.chunks])})

    async def drops() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"a"
            await asyncio.sleep(0.01)

    site = await serve(handler)
    async with site.http.post(site.url, data=drops()) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (408, "too_slow")


@pytest.mark.parametrize(
    ("head", "name", "found"),
    [
        (PNG, "", "image/png"),
        (PNG, "a.html", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "", "image/jpeg"),
        (b"GIF89a" + b"\0" * 20, "", "image/gif"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + b"\0" * 20, "", "image/webp"),
        (b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 20, "", "audio/wav"),
        (b"OggS\0\x02" + b"\0" * 22 + b"OpusHead", "", "audio/ogg"),
        (b"ID3\x03\0" + b"\0" * 20, "", "audio/mpeg"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm", "", "video/webm"),
        (b"%PDF-1.7\n", "", "application/pdf"),
        (b"MZ\x90\0" + b"\0" * 60, "cat.png", "application/vnd.microsoft.portable-executable"),
        (docx(), "", "application/zip"),
        (docx(), "a.png", "application/zip"),
        (docx(), "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("Привет, мир".encode(), "", "text/plain"),
        ("Привет".encode()[:-1], "a.txt", "text/plain"),
        (b"BMW is a car", "a.txt", "text/plain"),
        (b"text\0with a zero", "a.txt", "application/octet-stream"),
        (b"\0\x93\x11\x88" * 20, "a.png", "application/octet-stream"),
    ],
)
def test_the_bytes_tell_the_type(head: bytes, name: str, found: str) -> None:
    assert sniff(head, name) == found


@pytest.mark.parametrize(
    ("claimed", "clean"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.png", "cat.png"),
        ("..", "file"),
        (".htaccess", "htaccess"),
        ("", "file"),
        ("a\r\nSet-Cookie: x", "a Set-Cookie x"),
        ("cat\u202egnp.exe", "cat gnp.exe"),
        ('a"b<c>.txt', "a b c .txt"),
        ("é.png", "é.png"),
    ],
)
def test_names_are_made_safe(claimed: str, clean: str) -> None:
    assert clean_name(claimed) == clean


@given(st.text())
def test_no_name_is_dangerous(claimed: str) -> None:
    name = clean_name(claimed)
    assert 0 < len(name) <= MAX_NAME_LENGTH
    assert not set(name) & set('/\\:"<>|?*\r\n\0')
    assert not name.startswith(".")
    assert clean_name(name) == name


def test_a_long_name_keeps_its_ending() -> None:
    assert clean_name("x" * 500 + ".pdf").endswith("x.pdf")


def test_only_harmless_types_are_shown() -> None:
    assert file_headers("image/png", "a.png", 1)["Content-Disposition"].startswith("inline")
    for media_type in ("text/html", "image/svg+xml", "application/pdf", "text/plain"):
        headers = file_headers(media_type, "a", 1)
        assert headers["Content-Disposition"].startswith("attachment")
        assert headers["Content-Type"] == "application/octet-stream"
        assert "sandbox" in headers["Content-Security-Policy"]


async def test_a_file_that_breaks_off_is_cut_and_nothing_is_put_in_its_place(serve: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"the first half"
        raise RuntimeError("the store is gone")

    async def handler(request: web.Request) -> web.StreamResponse:
        return await send_file(request, chunks(), file_headers("image/png", "a.png", 1_000))

    site = await serve(handler)
    async with site.http.get(site.url) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_file_is_handed_out_under_safe_headers(serve: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async def handler(request: web.Request) -> web.StreamResponse:
        return await send_file(request, chunks(), file_headers("image/png", "кот.png", 6))

    site = await serve(handler)
    async with site.http.get(site.url) as response:
        assert await response.read() == b"onetwo"
        assert response.headers["Content-Disposition"] == "inline; filename*=UTF-8''%D0%BA%D0%BE%D1%82.png"
        assert "sandbox" in response.headers["Content-Security-Policy"]
