"""What may stand in the file, and what is said about mistakes."""

import re
from pathlib import Path

import pytest

from adapters.sip.settings import SipSettings
from broker.settings.source import read_source
from config import ConfigErrors, ListenAddress, Secret, SettingError

KAMAILIO = {"source": "kamailio", "address": ListenAddress("127.0.0.1:8448")}
ASTERISK = {"source": "asterisk", "url": "http://127.0.0.1:8088", "user": "u", "password": Secret("p")}
WEBHOOK = {"source": "webhook", "secrets": [Secret("a-shared-secret-of-ours")]}


def made(*parts: dict[str, object], **changes: object) -> SipSettings:
    whole: dict[str, object] = {}
    for part in (*parts, changes):
        whole |= part
    return SipSettings(**whole)  # type: ignore[arg-type] # the fields by name


@pytest.mark.parametrize("plain", [KAMAILIO, ASTERISK, WEBHOOK])
def test_the_least_that_each_source_needs(plain: dict[str, object]) -> None:
    assert made(plain).source == plain["source"]


@pytest.mark.parametrize("host", ["sip:pbx.example", "PBX.example", "a@b", ""])
def test_a_host_is_written_as_in_an_address(host: str, tmp_path: Path) -> None:
    file = tmp_path / "trunkline.yaml"
    channel = f'{{type: sip, source: webhook, secrets: ["{"s" * 32}"], hosts: ["{host}"]}}'
    file.write_text(f"workspace: acme\nchannels: {{phone: {channel}}}\nrouting: [{{name: everything}}]\n")
    with pytest.raises(ConfigErrors, match="hosts"):
        read_source(file, {})


def test_wishes_go_to_the_port_after_the_events() -> None:
    assert made(KAMAILIO).control_url() == "http://127.0.0.1:8449/trunkline"
    assert made(KAMAILIO, control=ListenAddress("10.0.0.1:9000")).control_url() == "http://10.0.0.1:9000/trunkline"


@pytest.mark.parametrize(
    ("plain", "changes", "key"),
    [
        ({"source": "kamailio"}, {}, "address"),
        (KAMAILIO, {"user": "u"}, "user"),
        (KAMAILIO, {"country": "pl"}, "country"),
        (KAMAILIO, {"dial": "sip:customer@pbx"}, "dial"),
        (KAMAILIO, {"secrets": [Secret("a-shared-secret-of-ours")]}, "secrets"),
        (ASTERISK, {"url": ""}, "url"),
        (ASTERISK, {"url": "http://pbx.example:8088"}, "url"),
        (ASTERISK, {"password": Secret("")}, "password"),
        (ASTERISK, {"phones": "PJSIP/anna"}, "phones"),
        (ASTERISK, {"wait": 0}, "wait"),
        (ASTERISK, {"address": ListenAddress("127.0.0.1:1")}, "address"),
        (WEBHOOK, {"secrets": []}, "secrets"),
        (WEBHOOK, {"secrets": [Secret("short")]}, "secrets"),
        (WEBHOOK, {"url": "ftp://pbx.example"}, "url"),
    ],
)
def test_a_mistake_names_its_key(plain: dict[str, object], changes: dict[str, object], key: str) -> None:
    with pytest.raises(ExceptionGroup) as mistakes:
        made(plain, changes)
    assert [mistake.key for mistake in mistakes.value.exceptions if isinstance(mistake, SettingError)] == [(key,)]


PAGE = Path(__file__).parents[3] / "docs" / "phone.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
HASH = "$argon2id$v=19$m=8,t=1,p=1$eIY4tC+LEIpol2xGicMsuw$SMrv6/jqRz8tPSkPmFsN/3Gjmt7u4zE230mBoiNyWQg"
ENVIRONMENT = {"HASH": HASH, "ANNA_PASSWORD_HASH": HASH}


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_of_the_page_is_right(block: str, tmp_path: Path) -> None:
    file = tmp_path / "trunkline.yaml"
    operators = "" if "operators:" in block else 'operators: {anna: {name: Anna, password_hash: "${HASH}"}}\n'
    file.write_text(f"workspace: acme\n{block}\n{operators}routing: [{{name: everything}}]\n")
    secrets = dict.fromkeys(("KAMAILIO_TOKEN", "ARI_PASSWORD", "PBX_SECRET"), "a-secret-of-the-tests")
    found = read_source(file, ENVIRONMENT | secrets).settings
    assert isinstance(found.channels["phone"], SipSettings)
