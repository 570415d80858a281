"""What cannot be run here (an engine for containers, a Kubernetes cluster, systemd) is checked for what it must say."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.core import TyperGroup
from typer.main import get_command

from broker.bus.server import find_binary
from broker.cli.main import app
from tests.deploy.certificates import Authority
from tests.deploy.cluster import DEPLOY

ROOT = DEPLOY.parent
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
EXPOSED_AT_MOST = 2.0
"""Of 10, by `systemd-analyze security`."""


def documents(file: Path) -> Iterator[dict[str, Any]]:
    yield from YAML(typ="safe").load_all(file.read_text())


def manifests(kind: str) -> list[dict[str, Any]]:
    return [found for file in MANIFESTS for found in documents(file) if found["kind"] == kind]


def pods() -> list[tuple[str, dict[str, Any]]]:
    found = manifests("Deployment") + manifests("StatefulSet")
    return [(each["metadata"]["name"], each["spec"]["template"]) for each in found]


PODS = pods()
names = pytest.mark.parametrize("pod", [pod for _, pod in PODS], ids=[name for name, _ in PODS])


# --- systemd ---


@pytest.fixture
def analyze() -> str:
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is missing: make test-packages"
    return program


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_no_fault_in_a_unit(unit: Path, analyze: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = re.sub(r"/opt/trunkline/bin/[a-z-]+", str(program), unit.read_text())
    name = unit.name.replace("@", "@site")
    (tmp_path / name).write_text(text)
    done = subprocess.run(  # noqa: S603  # our own command line
        [analyze, "verify", str(tmp_path / name)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_exposed_to_little(unit: Path, analyze: str) -> None:
    done = subprocess.run(  # noqa: S603  # our own command line
        [analyze, "security", "--offline=true", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    overall = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert overall is not None, done.stdout + done.stderr
    assert float(overall[1]) <= EXPOSED_AT_MOST


# --- the image ---


def instructions() -> list[str]:
    """The instructions of the Containerfile, one a line."""
    joined = (DEPLOY / "image" / "Containerfile").read_text().replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def stages() -> list[list[str]]:
    found: list[list[str]] = []
    for line in instructions():
        if line.startswith("FROM "):
            found.append([])
        found[-1].append(line)
    return found


def test_the_image_is_built_in_stages_and_what_runs_has_no_tools_to_build() -> None:
    built, last = stages()[:-1], stages()[-1]
    assert len(built) == 2
    assert all(re.fullmatch(r"FROM \S+:[\w.-]*\d[\w.-]* AS \w+", stage[0]) for stage in built)
    assert not any(word in line for line in last for word in ("pip ", "npm ", "apt", "uv "))
    assert [line for line in last if line.startswith("COPY") and "--from=" not in line] == []


def test_the_image_runs_as_nobody_and_stops_when_asked() -> None:
    last = stages()[-1]
    user = next(line for line in last if line.startswith("USER "))
    uid, gid = user.removeprefix("USER ").split(":")
    assert int(uid) > 10_000
    assert int(gid) > 10_000
    after = last[last.index(user) :]
    assert not any(line.startswith(("RUN", "COPY", "ADD")) for line in after)
    entry = next(line for line in after if line.startswith("ENTRYPOINT"))
    assert entry.startswith("ENTRYPOINT ["), "with a shell in between, signals do not arrive"
    assert any(line.startswith("HEALTHCHECK") for line in after)


def test_the_image_takes_in_only_what_is_named() -> None:
    ignored = (DEPLOY / "image" / "Containerfile.dockerignore").read_text().split()
    assert "*" in ignored
    copied = {
        word.removeprefix("./")
        for line in instructions()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    allowed = {word[1:] for word in ignored if word.startswith("!")}
    assert {path for path in copied if not {path, path.split("/")[0]} & allowed} == set()
    assert [path for path in copied if not (ROOT / path).exists()] == []


def test_the_wheel_finds_in_the_image_what_its_build_asks_for() -> None:
    """The hook of the build, which no package holds, and a lock that has no tools of the tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["path"]
    lines = stages()[1]
    install = next(i for i, line in enumerate(lines) if "uv pip install" in line)
    copied = [word.removeprefix("./") for line in lines[:install] if line.startswith("COPY") for word in line.split()]
    assert {hook, "README.md", "LICENSE", *project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]} <= set(
        copied
    )
    assert "--constraints requirements/runtime-all.txt" in lines[install]
    assert any("UV_COMPILE_BYTECODE=1" in line for line in lines), "where it runs, nothing can be written"


def test_the_image_has_no_secret_and_no_moving_tag() -> None:
    text = "\n".join(instructions())
    assert not re.search(r"(?i)(password|token|secret)\s*=", text)
    assert ":latest" not in text
    assert "ADD " not in text


# --- compose ---


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load((DEPLOY / "compose" / "compose.yaml").read_text())
    return found


def test_every_service_is_hardened_and_comes_back(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["restart"] == "unless-stopped", name
        assert not service.get("privileged"), name


def test_there_are_two_of_each_part_three_nodes_and_one_door(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for part in ("router", "desk", "site", "orders"):
        for name in (f"{part}-a", f"{part}-b"):
            command = services[name]["command"]
            assert command[command.index("--only") + 1] == part
            assert services[name]["environment"]["NATS_USER"] == f"acme-{part}"
    assert [services[node]["environment"]["NATS_NODE"] for node in ("n1", "n2", "n3")] == ["n1", "n2", "n3"]
    assert [name for name, service in services.items() if service.get("ports")] == ["proxy"]
    assert compose["networks"]["bus"]["internal"] is True
    assert "bus" not in services["proxy"]["networks"]


def test_what_compose_mounts_and_refers_to_is_there(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            if source.startswith("../"):
                assert (DEPLOY / "compose" / source).resolve().exists(), (name, source)
            elif not source.startswith("./"):
                assert source in compose["volumes"], (name, source)
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("depends_on", ())) <= set(compose["services"])
    example = (DEPLOY / "compose" / "nats.env.example").read_text()
    for variable in re.findall(r"\$\{(NATS_PASSWORD\w+)", (DEPLOY / "compose" / "compose.yaml").read_text()):
        assert f"{variable}=" in example


def test_a_part_knows_its_own_password_alone(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        files = service.get("env_file", [])
        assert ("secrets/nats.env" in files) == (name in ("n1", "n2", "n3")), name
        secrets = [value for value in service["environment"].values() if "NATS_PASSWORD" in value]
        assert len(secrets) <= 1, name


def test_the_nodes_of_the_bus_write_where_their_user_may(compose: dict[str, Any]) -> None:
    """An empty volume takes its owner from the image's folder of the same name; elsewhere it would be root's."""
    (volume,) = [line for line in stages()[-1] if line.startswith("VOLUME")]
    for name in ("n1", "n2", "n3"):
        service = compose["services"][name]
        assert service["image"] == compose["services"]["router-a"]["image"]
        assert service["volumes"][0] == f"{name}:{json.loads(volume.removeprefix('VOLUME '))[0]}"
        assert service["environment"]["NATS_DATA"].startswith(f"{service['volumes'][0].split(':')[1]}/")
        assert "user" not in service


def test_a_process_gets_the_time_that_it_needs_to_stop(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if name != "proxy":
            assert int(service["stop_grace_period"].rstrip("s")) >= 60
    for name, pod in PODS:
        assert pod["spec"]["terminationGracePeriodSeconds"] >= 60, name


# --- Kubernetes ---


def test_every_manifest_names_what_it_is_and_where() -> None:
    assert len(MANIFESTS) >= 6
    for file in MANIFESTS:
        for found in documents(file):
            assert {"apiVersion", "kind", "metadata"} <= set(found), file
            assert found["kind"] == "Namespace" or found["metadata"]["namespace"] == "trunkline", file


@names
def test_a_pod_passes_the_restricted_standard(pod: dict[str, Any]) -> None:
    """Kubernetes' Pod Security Standards, profile `restricted`, and a root that cannot be written."""
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 10_000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["requests"]
        assert container["resources"]["limits"]["memory"]
    assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= {
        *("configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected"),
    }


@names
def test_a_pod_is_probed_and_its_mounts_are_volumes(pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    volumes = {volume["name"] for volume in spec["volumes"]} | {"data"}
    for container in spec["containers"]:
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["path"].startswith("/healthz")
            assert container[probe]["httpGet"]["port"] in ports
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


def test_everything_may_be_disrupted_one_at_a_time_only() -> None:
    budgets = {each["metadata"]["name"]: each["spec"] for each in manifests("PodDisruptionBudget")}
    for name, pod in PODS:
        assert budgets[name]["maxUnavailable"] == 1
        wanted = budgets[name]["selector"]["matchLabels"].items()
        assert wanted <= pod["metadata"]["labels"].items()
    for each in manifests("Deployment"):
        assert each["spec"]["replicas"] >= 2
        assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        assert each["spec"]["selector"]["matchLabels"] == each["spec"]["template"]["metadata"]["labels"]


def test_services_and_ingress_lead_to_pods() -> None:
    labels = [pod["metadata"]["labels"].items() for _, pod in PODS]
    services = {each["metadata"]["name"]: each for each in manifests("Service")}
    for service in services.values():
        assert any(service["spec"]["selector"].items() <= pod for pod in labels)
    (ingress,) = manifests("Ingress")
    paths = ingress["spec"]["rules"][0]["http"]["paths"]
    assert {path["backend"]["service"]["name"] for path in paths} <= set(services)
    assert not any(path["path"] == "/" for path in paths), "/metrics and /readyz are for the inside"


def test_nobody_talks_to_anybody_unless_it_is_said() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in manifests("NetworkPolicy")}
    assert policies["nobody"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    clients = [rule["from"] for rule in policies["nats"]["ingress"] if rule["ports"][0]["port"] == 4222]
    assert clients == [[{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "trunkline"}}}]]


# --- what they all start ---


def started() -> Iterator[tuple[str, list[str]]]:
    """Every command line of `trunkline` in units, compose and manifests, without the program itself."""
    for unit in UNITS:
        for line in re.findall(r"^Exec\w+=(/opt/trunkline/bin/trunkline .*)", unit.read_text(), re.MULTILINE):
            yield unit.name, line.split()[1:]
    services = YAML(typ="safe").load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    yield from ((name, each["command"]) for name, each in services.items() if each.get("command", [""])[0] == "up")
    for name, pod in PODS:
        if name != "nats":
            yield from ((name, container["args"]) for container in pod["spec"]["containers"])


def test_what_is_started_is_what_the_command_line_takes() -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    lines = list(started())
    assert len(lines) > 12
    for name, (command, *words) in lines:
        taken = {option for parameter in group.commands[command].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= taken, name


# --- nats-server and the proxy ---


def test_nats_server_takes_the_example(tmp_path: Path) -> None:
    for name in ("node.conf", "routes.conf", "accounts.conf"):
        shutil.copy(DEPLOY / "nats" / name, tmp_path)
    Authority(tmp_path).sign(tmp_path / "tls", "n1", "node")
    words = (DEPLOY / "nats" / "accounts.conf").read_text().split()
    passwords = {word[1:]: "secret" for word in words if word.startswith("$NATS_PASSWORD_")}
    node = {"NATS_NODE": "n1", "NATS_HOST": "127.0.0.1", "NATS_PORT": "4222", "NATS_CLUSTER_PORT": "6222"}
    more = {"NATS_MONITOR": "127.0.0.1:8222", "NATS_DATA": str(tmp_path / "data")}
    done = subprocess.run(  # noqa: S603  # our own command line
        [find_binary(), "-t", "-c", "node.conf"],
        cwd=tmp_path,
        env={**os.environ, **passwords, **node, **more},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_proxy_takes_its_configuration(tmp_path: Path) -> None:
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program is not None, "haproxy is missing: make test-packages"
    Authority(tmp_path).sign(tmp_path, "localhost", "proxy")
    whole = (tmp_path / "proxy.pem").read_bytes() + (tmp_path / "proxy.key").read_bytes()
    (tmp_path / "whole.pem").write_bytes(whole)
    config = (DEPLOY / "proxy" / "haproxy.cfg").read_text()
    places = dict.fromkeys(re.findall(r'server \S+ "\$\{(\w+)\}"', config), "127.0.0.1:9")
    assert len(places) == 6
    done = subprocess.run(  # noqa: S603  # our own command line
        [program, "-c", "-f", str(DEPLOY / "proxy" / "haproxy.cfg")],
        env={**os.environ, **places, "PROXY_HTTPS": "127.0.0.1:8443", "PROXY_CERT": str(tmp_path / "whole.pem")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
