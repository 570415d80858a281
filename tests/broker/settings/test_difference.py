"""What a changed file changes, for a person to agree to."""

from pathlib import Path

from broker.settings.difference import difference, sections
from broker.settings.source import Source, read_source
from tests.broker.settings.test_workspace import WHOLE

INLINE = "a-very-secret-token"
HOOK = f'  hook: {{type: webhook, secrets: ["{INLINE}"], url: "https://${{HOST}}/in"}}\noperators:'
ENV = {"HOST": "crm.example", "TOKEN": "another-secret-token"}


def shown(tmp_path: Path, old: str, new: str) -> str:
    return "\n".join(sections(difference(written(tmp_path, old), written(tmp_path, new))))


def written(tmp_path: Path, text: str) -> Source:
    file = tmp_path / "trunkline.yaml"
    file.write_text(text)
    return read_source(file, ENV)


def test_the_same_is_no_difference_whatever_the_layout(tmp_path: Path) -> None:
    assert shown(tmp_path, WHOLE, f"# a comment\n{WHOLE}") == ""


def test_a_channel_that_is_added_shows_what_is_written_and_no_secret(tmp_path: Path) -> None:
    text = shown(tmp_path, WHOLE, WHOLE.replace("operators:", HOOK, 1))
    assert "channels\n  + hook (webhook)" in text
    assert "secrets: ***" in text
    assert "url: https://${HOST}/in" in text
    assert "timeout" not in text
    assert INLINE not in text
    assert "crm.example" not in text


def test_a_channel_that_is_removed_is_named(tmp_path: Path) -> None:
    assert "- hook (webhook)" in shown(tmp_path, WHOLE.replace("operators:", HOOK, 1), WHOLE)


def test_a_secret_that_changes_is_told_and_not_shown(tmp_path: Path) -> None:
    with_hook = WHOLE.replace("operators:", HOOK, 1)
    text = shown(tmp_path, with_hook, with_hook.replace(f'"{INLINE}"', '"${TOKEN}"'))
    assert "~ hook" in text
    assert "secrets: *** -> ***" in text
    assert ENV["TOKEN"] not in text


def test_an_operator_s_skill_is_told_by_its_key(tmp_path: Path) -> None:
    text = shown(tmp_path, WHOLE, WHOLE.replace("skills: {billing: 5}", "skills: {billing: 3, tech: 1}"))
    assert text.splitlines() == [
        "operators",
        "  ~ anna",
        "      skills.billing: 5 -> 3",
        "      skills.tech: nothing -> 1",
    ]


def test_a_rule_between_others_changes_none_of_them(tmp_path: Path) -> None:
    new = WHOLE.replace("  - name: everything else", "  - name: vip\n    boost: 60s\n  - name: everything else")
    new = new.replace("    boost: 60s\n", "    boost: 60s\n    when: {channels: [site]}\n")
    text = shown(tmp_path, WHOLE, new)
    assert "+ vip" in text
    assert "everything" not in text
    assert "invoices" not in text


def test_rules_that_change_places_are_told(tmp_path: Path) -> None:
    vip = "  - {name: vip, when: {channels: [site]}}\n"
    last = "  - name: everything else"
    first = "  - name: invoices"
    text = shown(tmp_path, WHOLE.replace(last, vip + last), WHOLE.replace(first, vip + first))
    assert "[invoices, vip, everything else] -> [vip, invoices, everything else]" in text


def test_what_waits_for_a_start_is_told_as_such(tmp_path: Path) -> None:
    text = shown(tmp_path, WHOLE, f"{WHOLE}\nreplay_days: 7\nlanguages: [en, pl]\n")
    assert "languages\n  ~ languages\n      languages: [en] -> [en, pl]" in text
    assert "replay_days (takes effect when the processes are started again)" in text
