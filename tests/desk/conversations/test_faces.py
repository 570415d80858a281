"""What the lists show of a conversation: who it is, and the last words that matter."""

from desk.conversations.faces import Face, look
from normalizer.content import Content, Edit, Text
from normalizer.envelope import Envelope, Sender
from normalizer.outbound import Outbound
from router.facts import MessageTaken, ReplySent


def said(text: str, by: str) -> ReplySent:
    outbound = Outbound(
        id="c1-2", conversation="c1", channel="site", at=1, address="visitor:1", content=Text(text=text)
    )
    return ReplySent(conversation="c1", n=2, outbound=outbound, by=by)


def test_a_phrase_of_the_system_does_not_hide_what_the_customer_said() -> None:
    face = Face("Maria", "Where is my parcel?", "asks for the second time")
    assert look(face, said("We are looking for the right person.", by="")) == face
    assert look(face, said("On its way.", by="ben")) == Face("Maria", "On its way.")


def written(n: int, content: Content, *, automatic: bool = False) -> MessageTaken:
    envelope = Envelope(
        id=f"e{n}",
        at=n,
        channel="site",
        type="webchat",
        address="visitor:1",
        native_id=f"{n}",
        sender=Sender(name="Maria"),
        content=content,
        automatic=automatic,
    )
    return MessageTaken(conversation="c1", n=n, envelope=envelope)


def test_only_what_a_customer_says_is_heard_until_an_operator_answers() -> None:
    face = Face()
    for fact in (
        written(1, Text(text="Where is my parcel?")),
        said("One moment, please.", by=""),
        written(3, Text(text="I am out of office"), automatic=True),
        written(4, Edit(target="e1", text="Where are my boots?")),
        written(5, Text(text="Hello?")),
    ):
        face = look(face, fact)
    assert face.heard == (1, 5)
    assert look(face, said("On its way.", by="ben")).heard == ()
