"""What operators ask for: each command gets exactly one record, its effect or a refusal with a reason."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from router import answers, dialling, ending, handover, identity, inputs, parking, presence, talking
from router.draft import Draft, Refused
from router.inputs import Command
from router.presence import operator_line
from router.rights import require_role

Handler = Callable[[Draft, Command, Any], None]

HANDLERS: Mapping[type, Handler] = MappingProxyType(
    {
        inputs.SetPresence: presence.set_presence,
        inputs.Accept: handover.accept,
        inputs.Decline: handover.decline,
        inputs.Reply: talking.reply,
        inputs.Resend: talking.resend,
        inputs.AddNote: talking.note,
        inputs.Transfer: handover.transfer,
        inputs.Close: ending.close,
        inputs.Reopen: ending.reopen,
        inputs.Park: parking.park,
        inputs.Wake: parking.wake_by_hand,
        inputs.Take: handover.take,
        inputs.Release: handover.release,
        inputs.Dial: dialling.dial,
        inputs.HangUp: dialling.hang_up,
        inputs.MarkRead: talking.read,
        inputs.MarkUnread: talking.unread,
        inputs.Link: identity.link,
        inputs.Unlink: identity.unlink,
        inputs.SaveAnswer: answers.save,
        inputs.DeleteAnswer: answers.delete,
        inputs.ImportAnswers: answers.take_in,
    }
)


def obey(d: Draft, command: Command) -> None:
    """Carry out a command that has not been seen before.

    Raises:
        Refused: it has no effect; nothing that was emitted so far may stay.
    """
    operator = d.state.operators.get(command.operator)
    if operator is not None and command.id in operator.commands:
        return
    d.line = operator_line(command.operator)
    if command.operator not in d.rules.operators:
        raise Refused("unknown_operator", f"There is no operator {command.operator} in the rules in force.")
    if command.expires < d.now:
        raise Refused("expired", "The command came too late and was not carried out. Look again, and repeat it.")
    require_role(d, command)
    HANDLERS[type(command.action)](d, command, command.action)
