"""Which simulators there are, for ``trunkline fake``; loaded when asked for, not before."""

from collections.abc import Mapping
from importlib import import_module

from adapters.testing.simulator import Simulator

SIMULATORS: Mapping[str, str] = {
    "asterisk": "adapters.testing.ari:AsteriskSimulator",
    "twilio": "adapters.testing.twilio:TwilioSimulator",
    "telegram": "adapters.testing.telegram:TelegramSimulator",
    "webhook": "adapters.testing.webhook:WebhookReceiver",
}
"""The word behind ``trunkline fake`` to ``module:class``; the class needs no arguments."""


class NoSimulator(Exception):
    """There is none of that name; the message says which there are."""


def make_simulator(name: str) -> Simulator:
    """Make a simulator by its name, inside a running loop. Raises NoSimulator."""
    place = SIMULATORS.get(name)
    if place is None:
        raise NoSimulator(f'there is no simulator named "{name}"; there are: {", ".join(sorted(SIMULATORS))}')
    module, _, word = place.partition(":")
    made: object = getattr(import_module(module), word)()
    assert isinstance(made, Simulator), f"{place} is not a Simulator"
    return made
