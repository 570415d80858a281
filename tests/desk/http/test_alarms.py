"""What is wrong is told to supervisors."""

from desk.ports import Alarm
from tests.desk.world import Desk, World


async def test_a_supervisor_sees_what_is_wrong_and_an_operator_does_not(world: World, desk: Desk) -> None:
    world.alarms.append(Alarm(name="channel_off", channel="mail", text="It is off.", remedy="Mend it.", since=7))
    boss, operator = await world.browser(desk, "anna"), await world.browser(desk, "ben")
    status, body = await boss.ask("GET", "/alarms")
    assert status == 200
    assert body["alarms"] == [
        {"name": "channel_off", "channel": "mail", "text": "It is off.", "remedy": "Mend it.", "since": 7}
    ]
    status, _ = await operator.ask("GET", "/alarms")
    assert status == 403
