"""Pages of a conversation's history, after a check of the right to read it."""

from desk.conversations.library import NotKnown
from desk.conversations.transcript import Transcript
from desk.conversations.views import may_open
from desk.ports import Account
from desk.protocol.bodies import Opened
from desk.screens.feed import Feed

PAGE = 100
"""Items of a conversation given at once."""


def require_reader(feed: Feed, account: Account, transcript: Transcript) -> None:
    """Refuse one who may not read a conversation in the same words as if it did not exist.

    Who was asked in a note may read it, and who has answered in it once it is closed: the search finds it for them.

    Raises:
        NotKnown: it is not theirs to read.
    """
    name = transcript.conversation
    known = feed.state.conversations.get(name)
    closed = known is None or known.status == "closed"
    if account.id in transcript.mentioned or (closed and account.id in transcript.answerers):
        return
    if may_open(feed.state, account.id, account.role, name, transcript.person):
        return
    raise NotKnown(f"there is no conversation {name}")


def open_page(feed: Feed, account: Account, transcript: Transcript, before: str = "", limit: int = PAGE) -> Opened:
    """Give the last items before the one with id ``before``.

    Raises:
        NotKnown: the conversation is not theirs to read.
    """
    require_reader(feed, account, transcript)
    items, more = transcript.page(before, limit)
    known = feed.state.conversations.get(transcript.conversation)
    person = feed.state.people.get(known.person if known else transcript.person)
    return Opened(
        conversation=transcript.conversation,
        person=known.person if known else transcript.person,
        items=items,
        summary=feed.summary(known) if known else None,
        more=more,
        past=tuple(each for each in person.past if each != transcript.conversation) if person else (),
    )
