"""Asks the program in another language that serves a channel (``type: external``), and maps a missing answer."""

from adapters.contract import NobodyServes
from broker.bus.connection import Bus
from broker.bus.errors import NoAnswer, NobodyThere
from broker.bus.streams import Workspace


class Program:
    """The program that answers on ``tl.<workspace>.send.<channel>`` (docs/other-languages.md)."""

    def __init__(self, bus: Bus, workspace: Workspace, channel: str) -> None:
        self._bus = bus
        self._subject = workspace.send_subject(channel)

    async def ask(self, question: bytes, *, within: float) -> bytes:
        """Ask: see :meth:`adapters.contract.Context.ask`."""
        try:
            return (await self._bus.ask(self._subject, question, within)).data
        except NobodyThere as exc:
            raise NobodyServes(f"no program serves {self._subject}") from exc
        except NoAnswer as exc:
            raise TimeoutError(str(exc)) from exc
