"""Which channels there are."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from adapters.registry import (
    BUILT_IN,
    ENTRY_POINTS,
    MissingLibrary,
    RegistryError,
    adapter_names,
    adapter_type,
    adapter_types,
    origins,
    settings_types,
)
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
    assert settings_types(adapter_types(built_in=HOOK, plugins=())) == {"webhook": WebhookSettings}


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
        adapter_types(built_in=HOOK, plugins=(plugin("ghost", "no.such.module:Ghost"),))


LACKING = {**HOOK, "telegram": "tests.adapters.lacking:Telegram"}


def test_a_built_in_channel_without_its_libraries_names_its_extra() -> None:
    with pytest.raises(MissingLibrary) as failed:
        adapter_type("telegram", LACKING, ())
    assert "a_library_of_a_provider" in failed.value.found
    assert failed.value.remedy == "pip install 'trunkline[telegram]'"


def test_a_channel_without_its_libraries_hurts_nobody_who_does_not_use_it() -> None:
    assert adapter_names(LACKING, ()) == ("webhook", "telegram")
    assert set(adapter_types(["webhook"], built_in=LACKING, plugins=())) == {"webhook"}
    assert set(adapter_types(built_in=LACKING, plugins=())) == {"webhook"}


def test_where_a_channel_comes_from_and_what_it_lacks_is_told() -> None:
    hook, telegram = origins(LACKING, ())
    assert (hook.type, hook.fault) == ("webhook", "")
    assert "Trunkline" in hook.source
    assert "trunkline[telegram]" in telegram.fault


def test_naming_the_channels_imports_no_adapter() -> None:
    code = "import sys; from adapters.registry import adapter_names; adapter_names()"
    code += "; assert not [m for m in sys.modules if m.startswith('adapters.web')]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)  # noqa: S603  # our own words
