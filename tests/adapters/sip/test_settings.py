"""What may stand in the file, and what is said about mistakes."""

import pytest

from adapters.sip.settings import SipSettings
from config import ListenAddress, Secret, SettingError

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
