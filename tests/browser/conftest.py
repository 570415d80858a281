"""Fixtures of the desk's tests in a browser."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page

from tests.browser.operators import chromium, desk_page, start_desk
from tests.desk.world import Desk, World
from tests.desk.world import world as make_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with make_world() as made:
        yield made


@pytest.fixture
async def desk(world: World) -> Desk:
    return await start_desk(world)


@pytest.fixture
async def page(desk: Desk) -> AsyncIterator[Page]:
    """A page of the desk with nobody signed in."""
    async with chromium() as browser, desk_page(browser, desk) as opened:
        yield opened
