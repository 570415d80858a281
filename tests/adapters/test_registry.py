"""Which channels there are."""

from importlib.metadata import EntryPoint

import pytest

from adapters.registry import BUILT_IN, ENTRY_POINTS, RegistryError, adapter_type, adapter_types, settings_types
from adapters.webhook import Webhook
from adapters.webhook.settings import WebhookSettings

HOOK = {"webhook": BUILT_IN["webhook"]}


def plugin(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, ENTRY_POINTS)


def test_every_built_in_channel_loads_under_its_name() -> None:
    types = adapter_types(plugins=())
    assert set(types) == set(BUILT_IN)
    assert all(adapter.type == name for name, adapter in types.items())


def test_settings_of_all_channels_are_given_by_name() -> None:
    assert settings_types(adapter_types(HOOK, ())) == {"webhook": WebhookSettings}


def test_a_channel_is_imported_only_when_it_is_asked_for() -> None:
    broken = {**HOOK, "ghost": "no.such.module:Ghost"}
    assert adapter_type("webhook", broken, ()) is Webhook


@pytest.mark.parametrize(
    ("name", "plugins", "message"),
    [
        ("webhok", (), 'no channel type "webhok"; installed: webhook'),
        ("ghost", (plugin("ghost", "no.such.module:Ghost"),), "ModuleNotFoundError"),
        ("ghost", (plugin("ghost", "adapters.webhook:Ghost"),), "AttributeError"),
        ("ghost", (plugin("ghost", "adapters.pace:Pace"),), "not a class made from Adapter"),
        ("ghost", (plugin("ghost", "adapters.contract:Adapter"),), "does not declare type, Settings, capabilities"),
        ("ghost", (plugin("ghost", "adapters.webhook:Webhook"),), 'calls itself "webhook"'),
        ("webhook", (plugin("webhook", "another.package:Webhook"),), "brought twice"),
    ],
)
def test_a_channel_that_cannot_be_had_is_explained(name: str, plugins: tuple[EntryPoint, ...], message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        adapter_type(name, HOOK, plugins)


def test_one_broken_plugin_is_named_when_all_are_loaded() -> None:
    with pytest.raises(RegistryError, match="ghost"):
        adapter_types(HOOK, (plugin("ghost", "no.such.module:Ghost"),))
