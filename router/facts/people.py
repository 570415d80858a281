"""Facts of people: who somebody is, and which addresses are theirs."""

from router.facts.kind import Fact


class PersonCreated(Fact, frozen=True, kw_only=True, tag="person.created"):
    """Somebody new, known by one address."""

    person: str
    address: str


class AddressTaken(Fact, frozen=True, kw_only=True, tag="address.taken"):
    """An address moved to ``person``: a link, or the undoing of one. ``before`` had it until now."""

    person: str
    address: str
    before: str
    evidence: str
    by: str = ""


class PersonMerged(Fact, frozen=True, kw_only=True, tag="person.merged"):
    """``other`` is ``person``: the conversations go over, ``conversation`` is the one that goes on."""

    person: str
    other: str
    conversation: str | None
    evidence: str
    by: str = ""


class PersonParked(Fact, frozen=True, kw_only=True, tag="person.parked"):
    """Nothing is open any more: the person leaves the memory for the store of people."""

    person: str
