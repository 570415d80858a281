"""The pages that are served: safe headers, nothing inline, the shop only for a demo."""

import gzip
import re

import pytest
from aiohttp import ClientSession

from adapters.webchat.pages import read_words
from tests.adapters.webchat.conftest import Chat


@pytest.mark.parametrize("name", ["chat.js", "page", "demo", "demo.css", "demo.js"])
async def test_pages_are_served_under_a_strict_policy_and_cached_by_content(chat: Chat, name: str) -> None:
    node = await chat.start(demo=True)
    async with chat.http.get(f"{node.url}/{name}") as response:
        body, headers = await response.text(), response.headers
        assert response.status == 200
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    async with chat.http.get(f"{node.url}/{name}", headers={"If-None-Match": headers["ETag"]}) as response:
        assert response.status == 304
    if "html" in headers["Content-Type"]:
        assert not re.search(r"<script(?![^>]*src)|<style|\son\w+=|style=", body)


async def test_the_chat_weighs_little(chat: Chat) -> None:
    """What one visitor loads: the script, and with their session the words of one language."""
    node = await chat.start()
    headers = {"Accept-Encoding": "gzip"}
    async with (
        ClientSession(auto_decompress=False) as http,
        http.get(f"{node.url}/chat.js", headers=headers) as response,
    ):
        assert response.headers["Content-Encoding"] == "gzip"
        assert len(await response.read()) <= 20 * 1024
    words = read_words()
    assert set(words) == {"en", "ru", "pl"}
    assert max(len(gzip.compress(bytes(each))) for each in words.values()) <= 2 * 1024


async def test_the_shop_is_there_for_a_demo_only(chat: Chat) -> None:
    node = await chat.start()
    async with chat.http.get(f"{node.url}/demo") as response:
        assert response.status == 404


async def test_the_script_never_writes_markup(chat: Chat) -> None:
    node = await chat.start()
    async with chat.http.get(f"{node.url}/chat.js") as response:
        text = await response.text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text)
