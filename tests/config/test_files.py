"""Which files are read, how a folder becomes one whole, and what is refused before anything is decoded."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from config import ConfigErrors, Problem, load
from config.documents import LIMIT_BYTES, LIMIT_DEPTH, LIMIT_NODES
from config.loader import LIMIT_FILES


class Site(Struct):
    name: str = "site"
    port: int = 80
    extra: Any = None


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def problems(path: Path) -> list[Problem]:
    with pytest.raises(ConfigErrors) as caught:
        load(path, Site, env={})
    return list(caught.value.problems)


def problem(tmp_path: Path, data: str | bytes) -> str:
    file = tmp_path / "x.yaml"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    [found] = problems(file)
    return str(found).replace(f"{tmp_path}/", "")


def test_empty_file_takes_every_default(tmp_path: Path) -> None:
    write(tmp_path, a="# nothing yet\n")
    assert load(tmp_path / "a.yaml", Site, env={}).value == Site()


def test_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfname: x\n")
    assert load(tmp_path / "a.yaml", Site, env={}).value.name == "x"


def test_folder_is_one_whole(tmp_path: Path) -> None:
    write(tmp_path, a="name: x\n", b="port: 1\n")
    (tmp_path / "c.yml").write_text("extra: [y]\n")
    (tmp_path / ".hidden.yaml").write_text("name: z\n")
    (tmp_path / "notes.txt").write_text("name: z\n")
    loaded = load(tmp_path, Site, env={})
    assert loaded.value == Site("x", 1, ["y"])
    assert [file.name for file in loaded.document.sources] == ["a.yaml", "b.yaml", "c.yml"]


def test_key_in_two_files_names_both_places(tmp_path: Path) -> None:
    write(tmp_path, a="name: x\n", b="\nname: y\n")
    [found] = problems(tmp_path)
    assert str(found) == (
        f"{tmp_path}/b.yaml:2:1: name: the key stands here twice, first at {tmp_path}/a.yaml:1:1; keep one of them"
    )


def test_every_broken_file_of_a_folder_is_named(tmp_path: Path) -> None:
    write(tmp_path, a="name: [\n", b="name: x\n", c="port: }\n")
    assert [Path(found.file).name for found in problems(tmp_path)] == ["a.yaml", "c.yaml"]


def test_file_of_a_folder_that_holds_no_keys_is_named(tmp_path: Path) -> None:
    write(tmp_path, a="- x\n", b="prt: 1\n")
    assert [str(found).removeprefix(f"{tmp_path}/") for found in problems(tmp_path)] == [
        "a.yaml:1:1: found no keys; expected a mapping",
        'b.yaml:1:1: prt: unknown key; did you mean "port"? allowed: extra, name, port',
    ]


def test_missing_file_and_empty_folder_say_so(tmp_path: Path) -> None:
    assert "x.yaml: the file cannot be read: No such file" in str(problems(tmp_path / "x.yaml")[0])
    assert f"the folder has 0 files named *.yaml or *.yml; expected 1 to {LIMIT_FILES} files" in str(
        problems(tmp_path)[0]
    )


def test_folder_that_cannot_be_listed_says_so(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 300)
    assert "File name too long" in str(problems(long)[0])


def test_digest_follows_what_is_meant_and_not_how_it_is_laid_out(tmp_path: Path) -> None:
    write(tmp_path, a="name: x\nport: 80\n")
    first = load(tmp_path, Site, env={}).document.digest
    write(tmp_path, b="# a comment\nport:   80\nname: x\n", a="")
    (tmp_path / "a.yaml").unlink()
    assert load(tmp_path, Site, env={}).document.digest == first
    write(tmp_path, b='port: 80\nname: "80"\n')
    text = load(tmp_path, Site, env={}).document.digest
    write(tmp_path, b="port: 80\nname: a80\n")
    assert len({first, text, load(tmp_path, Site, env={}).document.digest}) == 3


def test_digest_follows_the_text(tmp_path: Path) -> None:
    write(tmp_path, a="name: x\n")
    first = load(tmp_path, Site, env={}).document.digest
    assert load(tmp_path, Site, env={}).document.digest == first
    write(tmp_path, a="name: y\n")
    assert load(tmp_path, Site, env={}).document.digest != first


def test_later_checks_find_the_place_of_a_key(tmp_path: Path) -> None:
    write(tmp_path, a="name: x\nextra:\n  - y\n  - z: 1\n")
    loaded = load(tmp_path / "a.yaml", Site, env={})
    found = loaded.document.problem(("extra", 1, "z"), "unknown skill", "one of: billing")
    assert str(found) == f"{tmp_path}/a.yaml:4:5: extra[1].z: unknown skill; allowed: billing"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("a: b: c", 'x.yaml:1:5: broken YAML: mapping values are not allowed here; put a text that contains ": "'),
        ("a:\n\tb: c", "x.yaml:2:1: broken YAML: found character '\\t' that cannot start any token; indent with"),
        ("a: [1", "x.yaml:1:6: broken YAML: expected ',' or ']'"),
        ("a: \x01", "x.yaml:1:4: a control character; remove the character"),
        (b"a: b\nc: \xff", "x.yaml:2:4: the byte 0xff; save the file as UTF-8; expected text in UTF-8"),
        ('name: "\\U00110000"', "x.yaml:1:1: broken YAML after this place: chr() arg not in range"),
        ("--- {}\n--- {}", 'x.yaml:2:1: a second document; remove the line "---"'),
        ("name: !!python/object:os.system x", "x.yaml:1:7: the tag tag:yaml.org,2002:python/object:os.system; remove"),
        ("extra: !!set {x}", "x.yaml:1:8: the tag tag:yaml.org,2002:set; remove the tag"),
        ("name: *x", "x.yaml:1:7: *x repeats nothing; expected an anchor &x further up"),
        ("extra: &x [*x]", "x.yaml:1:12: *x repeats nothing"),
        ("- x", "x.yaml:1:1: found a list; expected a mapping with name, port, extra"),
        ("x", 'x.yaml:1:1: found "x"; expected a mapping with'),
        (" " * (LIMIT_BYTES + 1), f"x.yaml: the file has {LIMIT_BYTES + 1} bytes; expected at most"),
        ("extra: " + "[" * LIMIT_DEPTH, "the nesting is too deep; expected at most 64 levels"),
        ("extra: " + "{a: " * LIMIT_DEPTH, "the nesting is too deep; expected at most 64 levels"),
    ],
)
def test_text_that_cannot_be_read_is_refused_with_its_place(tmp_path: Path, data: str | bytes, said: str) -> None:
    assert said in problem(tmp_path, data)


def test_alias_repeats_a_value(tmp_path: Path) -> None:
    write(tmp_path, a="name: &n x\nextra: [*n, *n]\n")
    assert load(tmp_path / "a.yaml", Site, env={}).value == Site("x", extra=["x", "x"])


def test_aliases_that_multiply_are_refused_before_they_are_followed(tmp_path: Path) -> None:
    lines = ["extra:", "  - &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"  - &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    assert f"at most {LIMIT_NODES} values" in problem(tmp_path, "\n".join(lines))


def test_aliases_that_nest_are_refused(tmp_path: Path) -> None:
    lines = ["extra:", "  - &a0 [x]"] + [f"  - &a{n} [*a{n - 1}]" for n in range(1, 2000)]
    assert f"{LIMIT_DEPTH} levels" in problem(tmp_path, "\n".join(lines))


def test_number_of_files_is_limited(tmp_path: Path) -> None:
    write(tmp_path, **{f"f{n}": f"k{n}: 1\n" for n in range(LIMIT_FILES + 1)})
    assert f"expected 1 to {LIMIT_FILES} files" in str(problems(tmp_path)[0])


def test_endless_file_is_read_no_further_than_the_limit() -> None:
    assert "bytes; expected at most" in str(problems(Path("/dev/zero"))[0])


def test_mistakes_are_counted_and_listed(tmp_path: Path, read: Callable[..., object]) -> None:
    write(tmp_path, a="port: x\n", b="prt: 1\n")
    with pytest.raises(ConfigErrors) as caught:
        load(tmp_path, Site, env={})
    assert str(caught.value).splitlines()[0] == "2 mistakes in the configuration"
    with pytest.raises(ConfigErrors, match=r"^1 mistake in the configuration\n"):
        read(Site, "port: x")
    assert os.linesep.join(map(str, caught.value.problems)) in str(caught.value)
