"""Which library reads updates and makes calls. A library is imported when a channel asks for it, and not before."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Literal, cast

from adapters.contract import Media
from adapters.errors import BadSettings
from adapters.telegram.client import BotApi, Driver

DRIVERS: Mapping[str, str] = {
    "aiogram": "adapters.telegram.aiogram_driver",
    "ptb": "adapters.telegram.ptb_driver",
}
EXTRAS = {"aiogram": "telegram", "ptb": "telegram-ptb"}


def open_driver(
    name: Literal["aiogram", "ptb"], api: BotApi, media: Media, modules: Mapping[str, str] = DRIVERS
) -> Driver:
    """Make a driver. Raises BadSettings when its library is not installed."""
    try:
        module = import_module(modules[name])
    except ImportError as exc:
        extra = EXTRAS[name]
        raise BadSettings(
            "no_library", f"the library of this driver is missing: pip install 'trunkline[{extra}]'", key="driver"
        ) from exc
    return cast("Callable[[BotApi, Media], Driver]", module.Opened)(api, media)
