"""The whole file: composed of the packages' settings, checked across them, compiled to rules."""

from pathlib import Path

import msgspec
import pytest

from broker.settings.compile import compile_rules, propose
from broker.settings.source import read_source
from broker.settings.workspace import WorkspaceSettings, secrets_in
from config import ConfigErrors
from router.rules import OperatorRule, Relax

WHOLE = """
workspace: acme
channels:
  site: {type: webchat, origins: ["https://shop.example"]}
operators:
  anna: {name: Anna, skills: {billing: 5}, languages: {en: C1, pl: native}, capacity: {units: 90, webchat: 4}}
routing:
  - name: invoices
    when: {text: [invoice]}
    need: {skills: {billing: 4}}
    relax: [{after: 2m, skills: {billing: 1}}, {after: 60s, skills: {billing: 2}}]
    boost: 120s
  - name: everything else
"""


def read(tmp_path: Path, text: str) -> WorkspaceSettings:
    file = tmp_path / "trunkline.yaml"
    file.write_text(text)
    return read_source(file, {}).settings


def mistakes(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        read(tmp_path, text)
    return str(caught.value)


def test_durations_levels_and_limits_become_plain_numbers(tmp_path: Path) -> None:
    rules = compile_rules(read(tmp_path, WHOLE))
    assert rules.operators["anna"] == OperatorRule(
        name="Anna", skills={"billing": 5}, languages={"en": 5, "pl": 7}, units=90, limits={"webchat": 4}
    )
    assert rules.channels["site"].type == "webchat"
    assert rules.routes[0].boost == 120_000


def test_steps_of_relaxation_are_put_in_order_of_time(tmp_path: Path) -> None:
    first, second = compile_rules(read(tmp_path, WHOLE)).routes[0].relax
    assert (first.after, first.need.skills) == (60_000, {"billing": 2})
    assert isinstance(second, Relax)
    assert second.after == 120_000


def test_the_same_settings_have_the_same_hash_whatever_the_order_of_keys(tmp_path: Path) -> None:
    turned = WHOLE.replace("{en: C1, pl: native}", "{pl: native, en: C1}")
    assert propose(read(tmp_path, WHOLE)).hash == propose(read(tmp_path, turned)).hash
    assert propose(read(tmp_path, WHOLE)).hash != propose(read(tmp_path, WHOLE.replace("120s", "121s"))).hash


def test_a_file_without_a_rule_for_everything_is_refused(tmp_path: Path) -> None:
    text = WHOLE.replace("  - name: everything else\n", "")
    assert "the last rule must match everything" in mistakes(tmp_path, text)


@pytest.mark.parametrize(
    ("found", "instead", "said"),
    [
        ("text: [invoice]", "text: ['inv(oice']", "is no RE2 pattern"),
        ("when: {text: [invoice]}", "when: {channels: [sitte]}", 'there is no channel "sitte"; did you mean "site"?'),
        ("need: {skills: {billing: 4}}", "need: {operators: [ana]}", 'there is no operator "ana"'),
        ("skills: {billing: 2}}]", "skills: {billing: 5}}]", "must be wider than what holds before"),
        ("webchat: 4}", "webchatt: 4}", '"webchatt" is no kind of channel here'),
        ("type: webchat", "type: webchatt", 'did you mean "webchat"?'),
        ("workspace: acme", "workspace: acme\ncapacity: {mail: {units: 10}}", 'there is no channel "mail"'),
        ("workspace: acme", "workspace: acme\ntimes: {reopen: 3d}", "must not be shorter than reopen"),
        ("workspace: acme", "workspace: acme\nnats: {servers: []}", "nats"),
        ("workspace: acme", "workspace: acme\nhttp: {trusted_proxies: [10.0.0.1/8]}", "no network"),
    ],
)
def test_a_mistake_is_said_with_its_line(tmp_path: Path, found: str, instead: str, said: str) -> None:
    assert found in WHOLE
    text = mistakes(tmp_path, WHOLE.replace(found, instead))
    assert said in text
    assert f"{tmp_path / 'trunkline.yaml'}:" in text


PHONES = """workspace: acme
channels: {site: {type: webchat, origins: ["https://shop.example"]}}
operators:
  anna: {name: Anna, phone: "sip:anna@pbx.example"}
  ben: {name: Ben, phone: "sip:anna@PBX.example:5060"}
routing: [{name: all}]
"""


def test_operators_have_phones_of_their_own(tmp_path: Path) -> None:
    assert "is anna's phone already" in mistakes(tmp_path, PHONES)
    rules = compile_rules(read(tmp_path, PHONES.replace("sip:anna@PBX.example:5060", "sip:ben@pbx.example")))
    assert rules.operators["ben"].phone == "sip:ben@pbx.example"
    assert rules.channels["site"].accept == "auto"


def test_rules_are_plain_json(tmp_path: Path) -> None:
    proposal = propose(read(tmp_path, WHOLE))
    assert msgspec.json.decode(msgspec.json.encode(proposal), type=type(proposal)) == proposal


def test_a_password_in_the_address_of_a_server_is_refused_and_not_repeated(tmp_path: Path) -> None:
    said = mistakes(tmp_path, WHOLE + 'nats: {servers: ["nats://bob:hunter2@n1:4222"]}\n')
    assert "write them under `user` and `password`" in said
    assert "hunter2" not in said


def test_every_secret_of_the_file_is_known_to_the_scrubber(tmp_path: Path) -> None:
    hashed = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaA"
    text = WHOLE.replace("{name: Anna,", f'{{name: Anna, password_hash: "{hashed}",').replace(
        "channels:", "channels:\n  hook: {type: webhook, secrets: [a-secret-of-sixteen, another-of-sixteen]}"
    )
    settings = read(tmp_path, text + 'nats: {servers: ["nats://n1:4222"], user: bob, password: of-bob}\n')
    assert set(secrets_in(settings)) == {hashed, "a-secret-of-sixteen", "another-of-sixteen", "of-bob"}


def test_canned_answers_and_results_become_rules(tmp_path: Path) -> None:
    more = """
answers:
  - {title: " Greeting", folder: "Shop / Hello", shortcut: /Hi, texts: {en: "Hello {customer}"}}
  - {title: Bye, texts: {en: Bye, pl: Pa}}
results: [solved, spam]
"""
    rules = compile_rules(read(tmp_path, WHOLE + more))
    assert rules.results == ("solved", "spam")
    assert [(each.folder, each.title, each.shortcut) for each in rules.answers] == [
        ("Shop/Hello", "Greeting", "hi"),
        ("", "Bye", ""),
    ]


def test_every_canned_answer_that_is_wrong_is_named(tmp_path: Path) -> None:
    more = """
answers:
  - {title: A, texts: {en: "Your {order}"}}
  - {title: B, shortcut: hi, texts: {en: b}}
  - {title: C, shortcut: HI, texts: {en: c}}
"""
    told = mistakes(tmp_path, WHOLE + more)
    assert "There is no {order}: {customer}," in told
    told = mistakes(tmp_path, WHOLE + more.replace("{order}", "order"))
    assert "another answer has the shortcut hi" in told
    long = "\n".join(f"  - {{title: t{n}, texts: {{en: '{'x' * 4_000}'}}}}" for n in range(251))
    assert "1,004,000 bytes" in mistakes(tmp_path, f"{WHOLE}\nanswers:\n{long}\n")


def test_service_levels_belong_to_rules_that_exist_and_are_late_after_they_are_due(tmp_path: Path) -> None:
    levels = "desk: {service_levels: {interactive: {due: 20s, late: 2m}, rules: {invoices: {due: 5s, late: 9s}}}}\n"
    found = read(tmp_path, WHOLE + levels).desk.service_levels
    assert (found.interactive.late, found.rules["invoices"].due, found.exclusive.due) == (120_000, 5_000, 10_000)
    said = mistakes(tmp_path, WHOLE + levels.replace("invoices", "invoicse"))
    assert 'there is no rule "invoicse"; did you mean "invoices"?' in said
    said = mistakes(tmp_path, WHOLE + levels.replace("9s", "5s"))
    assert "desk.service_levels.rules.invoices.late: must be longer than due (5s)" in said


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("name: Anna,", 'name: Anna, password_hash: "open sesame",', "operators.anna.password_hash: is no argon2 hash"),
        ("boost: 120s", "boost: 31m", "routing[0].boost: must be at most 30m"),
        ("name: everything else", "name: invoices", 'routing[1].name: another rule is named "invoices" as well'),
        ("routing:", "desk: {session: 0s}\nrouting:", "desk.session: must be at least 1m"),
    ],
)
def test_what_would_be_found_by_a_customer_is_a_mistake_in_the_file(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    assert said in mistakes(tmp_path, WHOLE.replace(right, wrong, 1))


def test_every_network_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    said = mistakes(tmp_path, WHOLE + "http: {trusted_proxies: [10.0.0.0/33, here], monitors: [there]}\n")
    assert [line.split()[1] for line in said.splitlines()[1:]] == [
        "http.trusted_proxies[0]:",
        "http.trusted_proxies[1]:",
        "http.monitors[0]:",
    ]


def test_a_word_that_is_near_to_none_is_told_without_a_guess(tmp_path: Path) -> None:
    said = mistakes(tmp_path, WHOLE + "capacity: {zzz: {units: 3}}\n")
    assert said.endswith('there is no channel "zzz"')


def test_what_could_not_be_looked_at_yet_is_said(tmp_path: Path) -> None:
    """Names of channels are compared when the channels can be read."""
    across = WHOLE + "capacity: {zzz: {units: 3}}\n"
    assert "is looked at when this is mended" not in mistakes(tmp_path, across)
    said = mistakes(tmp_path, across.replace("webchat,", "webchatt,"))
    assert "zzz" not in said
    assert said.endswith("is looked at when this is mended.")


def test_mistakes_across_parts_are_told_together_with_those_of_other_parts(tmp_path: Path) -> None:
    text = WHOLE.replace("boost: 120s", "boost: 120s\n    when: {channels: [sit]}").replace(
        "    when: {text: [invoice]}\n", ""
    )
    told = mistakes(tmp_path, f"{text}times: {{grace: soon}}\ncapacity: {{sitte: {{units: 5}}}}\n")
    assert "times.grace" in told
    assert "is looked at when this is mended" not in told
    assert 'there is no channel "sit"' in told
    assert 'there is no channel "sitte"' in told


def test_a_check_that_needs_what_cannot_be_read_is_left_out_and_others_are_made(tmp_path: Path) -> None:
    text = WHOLE.replace("origins:", "orgins:").replace("everything else", "invoices")
    told = mistakes(tmp_path, f"{text}capacity: {{sitte: {{units: 5}}}}\n")
    assert "orgins" in told
    assert 'another rule is named "invoices"' in told
    assert "sitte" not in told, "the channels could not be read"
