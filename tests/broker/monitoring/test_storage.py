"""The disk: gauges, and one alarm before it is full."""

from pathlib import Path

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from broker.bus.connection import Bus
from broker.bus.settings import BusSettings
from broker.bus.streams import ensure_streams
from broker.monitoring.alarms import Board
from broker.monitoring.storage import ALARM_AT, Storage, disk_share
from tests.fixtures.nats import own_workspace
from tests.fixtures.plain import plain_server


def board() -> Board:
    return Board(lambda: 1_000)


async def test_streams_and_disk_are_gauges(bus: Bus, tmp_path: Path) -> None:
    workspace, registry = own_workspace(), CollectorRegistry()
    await ensure_streams(bus, workspace)
    await bus.publish(workspace.in_subject("site"), b"x" * 100)
    storage = Storage(bus, workspace, registry, board(), share=lambda: disk_share(tmp_path))
    await storage.look()
    held = registry.get_sample_value("trunkline_stream_bytes", {"stream": workspace.in_stream})
    assert held is not None
    assert held >= 100
    assert registry.get_sample_value("trunkline_stream_messages", {"stream": workspace.in_stream}) == 1
    assert 0 < (registry.get_sample_value("trunkline_disk_used_ratio") or 0) < 1
    storage.close()
    assert list(registry.collect()) == []


async def test_a_disk_that_fills_up_raises_one_alarm_until_it_has_room_again(bus: Bus) -> None:
    workspace = own_workspace()
    await ensure_streams(bus, workspace)
    shares = [ALARM_AT - 0.01, ALARM_AT, 0.9, 0.5, 0.8]
    alarms = board()
    storage = Storage(bus, workspace, CollectorRegistry(), alarms, share=lambda: shares.pop(0))
    found = []
    for _ in range(5):
        await storage.look()
        found.append([(alarm.name, alarm.text[:28]) for alarm in alarms.alarms])
    full = "The disk of the bus is {}% full"
    assert found == [[], *([("disk_full", full.format(used)[:28])] for used in (70, 90)), [], found[4]]
    assert "80% full" in alarms.alarms[0].text


async def test_a_bus_without_the_streams_is_no_reason_to_end(bus: Bus) -> None:
    with capture_logs() as lines:
        await Storage(bus, own_workspace(), CollectorRegistry(), board(), share=None).look()
    assert [line["event"] for line in lines] == ["stream not read"]


async def test_a_server_that_takes_less_than_a_record_may_need_is_an_alarm(bus: Bus, tmp_path: Path) -> None:
    alarms = board()
    await Storage(bus, own_workspace(), CollectorRegistry(), alarms, share=None).look()
    assert alarms.alarms == ()
    with plain_server(tmp_path) as url:
        narrow = await Bus.connect(BusSettings(servers=(url,)), "test")
        storage = Storage(narrow, own_workspace(), CollectorRegistry(), alarms, share=None)
        await storage.look()
        (alarm,) = alarms.alarms
        assert alarm.name == "bus_narrow"
        assert "1,048,576 bytes at most" in alarm.text
        assert "max_payload: 8388608" in alarm.remedy
        await narrow.close()
        await storage.look()
        assert alarms.alarms == (alarm,), "without a server nobody knows"
    await Storage(bus, own_workspace(), CollectorRegistry(), alarms, share=None).look()
    assert alarms.alarms == ()
