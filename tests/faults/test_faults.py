"""Every process is killed and stopped under load, at random moments; the ledger must balance afterwards.

``TRUNKLINE_FAULT_ROUNDS`` sets the rounds of each kind, ``TRUNKLINE_FAULT_RATE`` the messages a second,
``TRUNKLINE_FAULT_SEED`` repeats the moments of an earlier run.
"""

import asyncio
import os
import random
import secrets

import pytest

from tests.e2e.installation import Part
from tests.faults.conftest import Scene
from tests.faults.correspondence import Correspondence
from tests.faults.rounds import Crew, Fault, Load, killed, report, stopped, together

FULL = "TRUNKLINE_FAULT_ROUNDS" in os.environ
ROUNDS = int(os.environ.get("TRUNKLINE_FAULT_ROUNDS", "1"))
RATE = float(os.environ.get("TRUNKLINE_FAULT_RATE", "200" if FULL else "60"))
VISITORS = 80 if FULL else 30
SEED = int(os.environ.get("TRUNKLINE_FAULT_SEED", str(secrets.randbelow(1_000_000))))
LOAD = Load(RATE, VISITORS)

pytestmark = [pytest.mark.usefixtures("lost_sockets"), pytest.mark.faults, pytest.mark.timeout(7_200 if FULL else 300)]


def of_part(part: Part, how: str) -> Fault:
    return killed(part.signal, part.start) if how == "killed" else stopped(part.signal)


def of_router(scene: Scene, how: str) -> Fault:
    """The active one; a killed one comes back as the standby."""
    return of_part(scene.installation.active_router(), how)


def of_node(scene: Scene, node: int, how: str) -> Fault:
    servers = scene.installation.servers
    if how == "killed":
        return killed(lambda sign: servers.signal(node, sign), lambda: None)  # its supervisor starts it again
    return stopped(lambda sign: servers.signal(node, sign))


def fault_of(scene: Scene, target: str, how: str, chance: random.Random) -> Fault:
    match target:
        case "two":
            return together([fault_of(scene, each, how, chance) for each in chance.sample(TARGETS, 2)])
        case "router":
            return of_router(scene, how)
        case "nats":
            return of_node(scene, 0, how)
        case "node-0" | "node-1" | "node-2":
            return of_node(scene, int(target[-1]), how)
        case _:
            return of_part(scene.installation.parts[target], how)


async def rounds(scene: Scene, kind: str, target: str, how: str) -> None:
    crew = Crew(scene.installation, scene.ledger, LOAD, SEED)
    async with crew.at_work():
        recoveries = [
            await crew.survive(fault_of(scene, target, how, crew.random), f"{kind}, round {n + 1}")
            for n in range(ROUNDS)
        ]
    report(kind, SEED, recoveries, scene.ledger)


def sending(scene: Scene) -> Part:
    """The process that holds the lease on sending."""

    def taken(part: Part) -> str:
        taken = (said for said in part.said() if said.get("event") == "lease.taken")
        return max((str(said["timestamp"]) for said in taken if str(said["key"]).endswith("hook.send")), default="")

    return max((scene.installation.parts[name] for name in HOOKS), key=taken)


TARGETS = ("router", "site", "desk", "nats")
ONE = [(target, how) for target in (*TARGETS, "two") for how in ("killed", "stopped")]
THREE = [(f"node-{node}", how) for node in range(3) for how in ("killed", "stopped")]
HOOKS = {"hook-a": ["hook"], "hook-b": ["hook"]}
QUICK = {("router", "killed"), ("router", "stopped"), ("site", "killed"), ("desk", "killed"), ("nats", "killed")}
QUICK_NODES = {("node-0", "killed"), ("node-1", "killed")}


@pytest.mark.parametrize(("target", "how"), [case for case in ONE if FULL or case in QUICK])
async def test_nothing_is_lost_when_a_part_is(single: Scene, target: str, how: str) -> None:
    await rounds(single, f"{target} {how}", target, how)


@pytest.mark.cluster
@pytest.mark.parametrize(("target", "how"), [case for case in THREE if FULL or case in QUICK_NODES])
async def test_nothing_is_lost_when_a_node_of_three_is(cluster: Scene, target: str, how: str) -> None:
    await rounds(cluster, f"{target} of three {how}", target, how)


@pytest.mark.parametrize("how", [how for how in ("killed", "stopped") if FULL or how == "killed"])
async def test_nothing_is_sent_twice_when_the_sender_is(single: Scene, how: str) -> None:
    try:
        async with single.receiver:
            await asyncio.to_thread(single.installation.add, HOOKS)
            crew = Correspondence(single.installation, single.ledger, single.receiver, RATE / 4, SEED)
            async with crew.at_work():
                recoveries = [
                    await crew.survive(of_part(sending(single), how), f"sender {how}, round {n + 1}")
                    for n in range(ROUNDS)
                ]
            report(f"sender {how}", SEED, recoveries, single.ledger)
    finally:
        await asyncio.to_thread(single.installation.remove, *HOOKS)
