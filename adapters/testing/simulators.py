"""Which simulators there are for ``trunkline fake``: built in by name, of other packages by entry point."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from adapters.testing.simulator import Simulator

ENTRY_POINTS = "trunkline.simulators"

SIMULATORS: Mapping[str, str] = {
    "asterisk": "adapters.testing.ari:AsteriskSimulator",
    "kamailio": "adapters.testing.kamailio:KamailioSimulator",
    "twilio": "adapters.testing.twilio:TwilioSimulator",
    "telegram": "adapters.testing.telegram:TelegramSimulator",
    "webhook": "adapters.testing.webhook:WebhookReceiver",
}
"""The word behind ``trunkline fake`` to ``module:class``; the class needs no arguments."""


class NoSimulator(Exception):
    """It cannot be had; the message says why, and what there is."""


def simulator_names() -> list[str]:
    """Name those of Trunkline and those that other packages bring."""
    return sorted(_places())


def make_simulator(name: str) -> Simulator:
    """Make a simulator by its name, inside a running loop. Raises NoSimulator."""
    place = _places().get(name)
    if place is None:
        raise NoSimulator(f'there is no simulator named "{name}"; there are: {", ".join(simulator_names())}')
    try:
        made: object = place.load()()
    except Exception as exc:
        raise NoSimulator(f'the simulator "{name}" ({place.value}) does not load: {type(exc).__name__}: {exc}') from exc
    if not isinstance(made, Simulator):
        raise NoSimulator(f'the simulator "{name}" ({place.value}) is not made from adapters.testing.Simulator')
    return made


def _places() -> dict[str, EntryPoint]:
    own = {name: EntryPoint(name, value, ENTRY_POINTS) for name, value in SIMULATORS.items()}
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)} | own
