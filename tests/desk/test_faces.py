"""What the lists show of a conversation: who it is, and the last words that matter."""

from desk.faces import Face, look
from normalizer.content import Text
from normalizer.outbound import Outbound
from router.facts import ReplySent


def said(text: str, by: str) -> ReplySent:
    outbound = Outbound(
        id="c1-2", conversation="c1", channel="site", at=1, address="visitor:1", content=Text(text=text)
    )
    return ReplySent(conversation="c1", n=2, outbound=outbound, by=by)


def test_a_phrase_of_the_system_does_not_hide_what_the_customer_said() -> None:
    face = Face("Maria", "Where is my parcel?", "asks for the second time")
    assert look(face, said("We are looking for the right person.", by="")) == face
    assert look(face, said("On its way.", by="ben")) == Face("Maria", "On its way.")
