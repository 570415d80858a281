"""What must hold for the repository as a whole: locks, licence, packaging, sizes, names, and what no file may say."""

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = {name: lines for name, lines in PROJECT["project"]["optional-dependencies"].items() if name != "all"}
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
LONGEST_FILE = 400
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "misc", "base"}


def tracked() -> Iterator[Path]:
    """Every file that git knows, or would take in."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split("\0")  # noqa: S603 - fixed words
    return (file for name in names if name and (file := ROOT / name).is_file())


def sources() -> Iterator[Path]:
    return (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("lock", ["runtime.txt", "runtime-all.txt", "dev.txt"])
def test_lock_holds_versions_and_hashes_and_nothing_else(lock: str) -> None:
    lines = (ROOT / "requirements" / lock).read_text(encoding="utf-8").splitlines()
    pin = re.compile(r"[a-z0-9-]+==[^\s;]+( ; [^\\]+)? \\")
    digest = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in lines if not (line.startswith("#") or pin.fullmatch(line) or digest.fullmatch(line))] == []


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("runtime.txt", PROJECT["project"]["dependencies"]),
        ("runtime-all.txt", [line for extra in EXTRAS.values() for line in extra]),
        ("dev.txt", PROJECT["dependency-groups"]["dev"]),
    ],
)
def test_lock_is_what_the_project_asks_for(lock: str, wanted: list[str]) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, re.MULTILINE))
    asked = [Requirement(line) for line in wanted]
    assert [str(one) for one in asked if pins.get(re.sub(r"[._]", "-", one.name), "0") not in one.specifier] == []


def test_the_locks_agree() -> None:
    def read(name: str) -> set[str]:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        return set(re.findall(r"^[a-z0-9-]+==.*", text, re.MULTILINE))

    assert read("runtime.txt") <= read("runtime-all.txt") <= read("dev.txt")


def test_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert PROJECT["project"]["license"] == "Apache-2.0"


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_typed_and_belongs_to_this_distribution(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert set(packages_distributions().get(package, ["trunkline"])) == {"trunkline"}
    assert Path(
        sys.modules[package].__file__ if package in sys.modules else ROOT / package / "__init__.py"
    ).is_relative_to(ROOT)


def test_command_is_installed() -> None:
    [entry] = [entry for entry in distribution("trunkline").entry_points if entry.group == "console_scripts"]
    assert entry.name == "trunkline"
    assert callable(entry.load())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)  # noqa: S603 - fixed words
    [built] = folder.glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_wheel_holds_every_source_and_asset(wheel: set[str]) -> None:
    found = {file.relative_to(ROOT) for file in tracked() if file.relative_to(ROOT).parts[0] in PACKAGES}
    wanted = {file.as_posix() for file in found if file.parts[:2] != ("web", "ui")}  # of that, what was built
    assert wanted - wheel == set()
    assert {"web/built/widget/chat.js", "web/built/desk/index.html"} <= wheel
    assert {f"{package}/py.typed" for package in PACKAGES} <= wheel


def test_wheel_holds_nothing_else(wheel: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_no_source_file_is_too_long() -> None:
    long = [
        file.relative_to(ROOT).as_posix()
        for file in sources()
        if len(file.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE
    ]
    assert long == []


def test_modules_are_named_after_what_they_hold() -> None:
    assert [str(file) for file in sources() if file.stem in EMPTY_NAMES] == []


def test_no_file_names_a_package_registry_or_a_place_on_one_machine() -> None:
    hosts = ["pypi" + ".org", "python" + "hosted.org", "registry." + "npmjs"]
    places = [f"/{folder}/" for folder in ("work/main", "work/shared", "root", "home/[a-z]+", "opt/pypi")]
    forbidden = re.compile("|".join([*map(re.escape, hosts), *places]))
    found = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in tracked()
        if (match := forbidden.search(file.read_bytes().decode(errors="replace")))
    ]
    assert found == []


def test_scripts_are_executable() -> None:
    shell = [ROOT / ".ci" / "run", *(file for file in (ROOT / "scripts").iterdir() if not file.suffix)]
    assert [file.name for file in shell if file.is_file() and not file.stat().st_mode & 0o100] == []
