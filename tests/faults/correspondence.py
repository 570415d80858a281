"""Rounds for a channel with a worker: a provider posts and receives, misbehaves at random, and keeps its own books."""

import asyncio
import time
from collections import defaultdict

from tests.e2e.installation import Installation
from tests.e2e.provider import Mood, WebhookProvider
from tests.faults.ledger import Ledger
from tests.faults.rounds import Crew, Load, eventually

MOODS: dict[Mood, int] = {"take": 50, "slow": 40, "busy": 4, "fail": 4, "cut": 2}
"""How the provider meets a call, in percent."""

FINAL = {"sent", "failed", "unknown", "delivered", "read"}


class Correspondence(Crew):
    """Senders of a webhook provider, each of whom waits until a message is accepted before posting the next."""

    def __init__(
        self, installation: Installation, ledger: Ledger, provider: WebhookProvider, rate: float, seed: int
    ) -> None:
        super().__init__(installation, ledger, Load(rate, 0), seed)
        self.provider = provider
        self.provider.mood = lambda: self.random.choices(list(MOODS), list(MOODS.values()))[0]
        self.posted: defaultdict[str, list[str]] = defaultdict(list)
        self._senders = [f"{seed}-{time.time_ns()}-{n}" for n in range(30)]
        self._posting: set[asyncio.Task[None]] = set()
        self._turns = {sender: asyncio.Lock() for sender in self._senders}

    async def write(self) -> None:
        """Post at the rate of the load until cancelled."""
        while True:
            self._post(self.random.choice(self._senders))
            await asyncio.sleep(1 / self.load.rate)

    async def settle(self) -> None:
        """Everything is posted and answered, and every answer has come to an end."""
        await super().settle()
        self.ledger.settle_provider(self.provider.deliveries, self.posted)
        assert not self.ledger.broken, "\n".join(self.ledger.broken[:30])

    def unfinished(self) -> str:
        """What is still under way, in words."""
        posted = sum(map(len, self.posted.values()))
        ends = self._answers().values()
        pending = sum(len(operator.pending) for operator in self.operators)
        unopened = sum(len(operator.unopened) for operator in self.operators)
        if not (self._posting or pending or unopened) and len(ends) == posted and all(ends):
            return ""
        return (
            f"{len(self._posting)} being posted, {sum(ends)} of {posted} answers ended, {pending} commands open,"
            f" {unopened} conversations not on the screen"
        )

    def _answers(self) -> dict[str, bool]:
        """Every answer on any screen, and whether it has come to an end."""
        found: dict[str, bool] = {}
        for operator in self.operators:
            for items in operator.items.values():
                for item in items.values():
                    if item["kind"] == "reply":
                        ended = item.get("receipt") in FINAL
                        found[item["outbound"]] = ended or found.get(item["outbound"], False)
        return found

    def _post(self, sender: str) -> str:
        self._written += 1
        name = f"{sender}-{self._written}"
        task = asyncio.create_task(self._insist(sender, name))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)
        return name

    async def _insist(self, sender: str, name: str) -> None:
        async with self._turns[sender]:
            self.posted[sender].append(name)
            await self.provider.insist(self._base, name, sender, f"question {name}")

    def _base(self) -> str:
        """Any of the processes; a load balancer would do so."""
        names = [name for name in self.installation.parts if name.startswith("hook")]
        return self.installation.parts[self.random.choice(names)].url

    async def _recovered(self) -> None:
        name = self._post(self.random.choice(self._senders))
        await eventually(lambda: self._seen(f"question {name}"), "messages are decided again")

    def _seen(self, text: str) -> bool:
        return any(text in operator.said(name, "message") for operator in self.operators for name in operator.mine)
