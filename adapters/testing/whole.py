"""Contract tests of a channel as a whole: what it declares, ``check``, start and stop."""

import asyncio

import msgspec
from msgspec import inspect

from adapters.contract import Sent
from adapters.errors import StartError
from adapters.testing.cases import outbound
from adapters.testing.hooks import Hooks
from adapters.testing.rig import P, Rig
from config import json_schema
from config.types import sentence

BEGUN_WITHIN = 30.0


class WholeProofs(Hooks[P]):
    """The tests of the channel as a whole."""

    async def test_it_declares_what_it_is(self, rig: Rig[P]) -> None:
        """The YAML's word, the settings' tag and the class agree; each setting has its sentence."""
        adapter = rig.adapter
        assert adapter.Settings.__struct_config__.tag == adapter.type
        assert adapter.Settings.__struct_config__.tag_field == "type"
        assert adapter.Settings.__struct_config__.forbid_unknown_fields, "a mistake in the YAML must be found"
        assert adapter.delivery in ("worker", "lines")
        assert msgspec.json.encode(adapter.capabilities)
        json_schema(adapter.Settings)  # raises TypeError for what the YAML cannot hold
        info = inspect.type_info(adapter.Settings)
        assert isinstance(info, inspect.StructType)
        silent = [field.encode_name for field in info.fields if not sentence(field.type)]
        assert not silent, f"settings without a description: {silent}"

    async def test_a_check_looks_and_changes_nothing(self, rig: Rig[P]) -> None:
        """It gives findings with remedies, and a customer never notices."""
        findings = await rig.adapter.check()
        for finding in findings:
            assert finding.ok or finding.remedy, f"{finding.what!r} is wrong, and nobody is told what to do about it"
            assert not any(secret in repr(finding) for secret in rig.adapter.secrets()), "a finding tells a secret"
        assert not rig.peer.sends, "check() has sent a message"
        assert rig.context.accepted == []

    async def test_a_check_says_when_the_provider_is_not_there(self, rig: Rig[P]) -> None:
        """It is one of the three kinds of start errors, or a finding that is not ok; never another exception."""
        await rig.peer.go_down()
        failure: StartError | None = None
        try:
            async with asyncio.timeout(BEGUN_WITHIN):
                await rig.adapter.check()
        except StartError as exc:
            failure = exc
        assert failure is None or " " in failure.message, f"write a sentence for a person: {failure!r}"

    async def test_closing_twice_does_no_harm(self, rig: Rig[P]) -> None:
        """The program closes it whatever happened before."""
        await rig.close()
        await rig.close()

    async def test_it_ends_in_time_while_the_provider_hangs(self, rig: Rig[P]) -> None:
        """A deploy does not wait for a provider; a send that is cancelled ends at once."""
        await self.ready(rig)
        rig.peer.freeze()
        sending: asyncio.Task[Sent] | None = None
        if self.sends:
            message = outbound(self.address, rig.context.channel, self.hello, at=rig.context.now())
            sending = asyncio.create_task(rig.adapter.send(message))
            await asyncio.wait([sending], timeout=0.1)
            sending.cancel()
        await rig.stop()
        if sending is not None:
            _, late = await asyncio.wait([sending], timeout=1)
            assert not late, "a send that was cancelled did not end: never catch CancelledError"
            assert sending.cancelled() or sending.exception() is not None, "a send to a frozen provider succeeded"
