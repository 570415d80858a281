"""Who may do what, and the sentences of a refusal."""

from router.draft import Draft, Refused
from router.inputs import Command
from router.people import Conversation, Person
from router.rules import OperatorRule


def find(d: Draft, name: str) -> Conversation:
    """Find the conversation of a command.

    Raises:
        Refused: ``unknown_conversation``.
    """
    if name not in d.state.conversations:
        raise Refused("unknown_conversation", f"There is no conversation {name} here; it may be in the archive.")
    return d.conversation(name)


def find_open(d: Draft, name: str) -> Conversation:
    """Find a conversation that is not over.

    Raises:
        Refused: ``unknown_conversation``, ``closed``.
    """
    conversation = find(d, name)
    if conversation.status == "closed":
        raise Refused("closed", "The conversation is closed. Reopen it first.", now="closed")
    return conversation


def find_mine(d: Draft, command: Command, name: str) -> Conversation:
    """Find an open conversation that the operator owns, or supervises.

    Raises:
        Refused: ``unknown_conversation``, ``closed``, ``not_owner``.
    """
    conversation = find_open(d, name)
    if conversation.owner != command.operator and not _supervises(d, command):
        owner = conversation.owner
        whose = (
            f"The conversation belongs to {_name(d, owner)}." if owner else "The conversation belongs to nobody yet."
        )
        raise Refused("not_owner", f"{whose} Only its owner or a supervisor may do this.", now=owner or "")
    return conversation


def find_operator(d: Draft, name: str) -> OperatorRule:
    """Find an operator in the rules.

    Raises:
        Refused: ``unknown_operator``.
    """
    rule = d.rules.operators.get(name)
    if rule is None:
        raise Refused("unknown_operator", f"There is no operator {name} in the rules in force.")
    return rule


def find_person(d: Draft, name: str) -> Person:
    """Find somebody who is in memory.

    Raises:
        Refused: ``unknown_person``.
    """
    person = d.state.people.get(name)
    if person is None:
        raise Refused("unknown_person", f"There is no person {name}.")
    return person


def require_role(d: Draft, command: Command) -> None:
    """Let pass whom the desk took for what they are: a node may have followed older rules when it looked.

    What it has let through for another reason stays right: who may read a conversation may always read it.

    Raises:
        Refused: ``role_changed``.
    """
    if command.role == "supervisor" and not _supervises(d, command):
        raise Refused("role_changed", "You are a supervisor no more. Look again, and repeat it if you still can.")


def require_supervisor(d: Draft, command: Command) -> None:
    """Let supervisors pass.

    Raises:
        Refused: ``not_allowed``.
    """
    if not _supervises(d, command):
        raise Refused("not_allowed", "Only a supervisor may do this.")


def _supervises(d: Draft, command: Command) -> bool:
    return d.rules.operators[command.operator].role == "supervisor"


def _name(d: Draft, operator: str) -> str:
    rule = d.rules.operators.get(operator)
    return rule.name if rule is not None else operator
