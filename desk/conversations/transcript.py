"""A conversation as operators read it: records folded into items with receipts.

Texts are not in the shared state: a node reads a conversation's records when somebody opens it and keeps them
up to date while somebody looks.
"""

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from desk.conversations.views import operator_name
from desk.protocol.events import ItemAdded, ItemEvent, ReceiptChanged
from desk.protocol.wire import Attempt, Item
from normalizer.content import Call, Content, Media, Text
from normalizer.outbound import RECEIPT_RANK, ReceiptState
from router.facts import (
    AnyFact,
    Assigned,
    CallChanged,
    ConversationClosed,
    ConversationOpened,
    ConversationParked,
    ConversationQueued,
    ConversationReopened,
    ConversationWoken,
    MessageTaken,
    NoteAdded,
    Offered,
    OfferEnded,
    OutboundChanged,
    ReplySent,
    Unassigned,
    Unroutable,
)
from router.record import Record
from router.state import State

NameOf = Callable[[str], str]


def files(content: Content) -> Iterator[Media]:
    """Give every file in a content."""
    match content:
        case Media():
            yield content
        case Text():
            yield from content.attachments
        case Call() if content.recording is not None:
            yield content.recording
        case _:
            return


def with_files(content: Content, change: Callable[[Media], Media]) -> Content:
    """Change every file in a content."""
    match content:
        case Media():
            return change(content)
        case Text() if content.attachments:
            return replace(content, attachments=tuple(change(media) for media in content.attachments))
        case Call() if content.recording is not None:
            return replace(content, recording=change(content.recording))
        case _:
            return content


def without_keys(content: Content) -> Content:
    """Take the keys out of the files, for everything that goes to a browser."""
    bare = with_files(content, lambda media: replace(media, file=replace(media.file, key="")))
    if isinstance(bare, Text) and bare.html is not None:
        return replace(bare, html=replace(bare.html, key=""))
    return bare


class Transcript:
    """The items of one conversation, in log order. Fed with its records; says what each one changed."""

    def __init__(self, conversation: str, name_of: NameOf) -> None:
        self.conversation = conversation
        self.person = ""
        self.items: list[Item] = []
        self.mentioned: set[str] = set()
        self.answerers: set[str] = set()
        self._name_of = name_of
        self._answers: dict[str, int] = {}  # outbound id to index in items
        self._files: dict[str, Media] = {}
        self._pages: dict[str, Text] = {}

    def take(self, seq: int, record: Record) -> list[ItemEvent]:
        """Fold a record in; a record that is about another conversation changes nothing."""
        events: list[ItemEvent] = []
        for index, fact in enumerate(record.facts):
            if getattr(fact, "conversation", None) != self.conversation:
                continue
            if isinstance(fact, CallChanged) and fact.state == "answered":
                self.answerers.add(fact.operator)
            if isinstance(fact, OutboundChanged):
                events += self._receive(fact)
            elif (item := self._item(f"{seq}.{index}", record.now, fact)) is not None:
                events += self._replace(item)
                events.append(self._add(replace(item, command=record.ref if record.by else "")))
        return events

    def sent(self, outbound: str) -> Content | None:
        """Give the content of an answer, with the keys of its files."""
        at = self._answers.get(outbound)
        content = self.items[at].content if at is not None else None
        return content and with_files(content, lambda media: self._files[media.file.name])

    def file(self, name: str) -> Media | None:
        """Find a file of the conversation, with its key."""
        return self._files.get(name)

    def layout(self, name: str) -> Text | None:
        """Find the message whose HTML is the file ``name``, with the keys of its files."""
        return self._pages.get(name)

    def page(self, before: str, limit: int) -> tuple[tuple[Item, ...], bool]:
        """Give the last ``limit`` items before the item with id ``before`` (empty: the end), and whether more exist."""
        end = next((i for i, item in enumerate(self.items) if item.id == before), 0) if before else len(self.items)
        start = max(0, end - limit)
        return tuple(self.items[start:end]), start > 0

    def since(self, n: int) -> tuple[Item, ...]:
        """Give the entries with a number above ``n``."""
        return tuple(item for item in self.items if item.n > n)

    def _replace(self, item: Item) -> list[ItemEvent]:
        """Mark the answer that another one replaces."""
        at = self._answers.get(item.again)
        if at is None:
            return []
        before = self.items[at] = replace(self.items[at], replaced_by=item.outbound)
        return [
            ReceiptChanged(
                conversation=self.conversation,
                outbound=before.outbound,
                receipt=before.receipt or ReceiptState.QUEUED,
                code=before.code,
                error=before.error,
                replaced_by=item.outbound,
            )
        ]

    def _attempts(self, again: str) -> tuple[Attempt, ...]:
        """Give the history of an answer that is sent once more."""
        at = self._answers.get(again)
        if at is None:
            return ()
        last = self.items[at]
        attempt = Attempt(
            outbound=last.outbound, at=last.at, by=last.by, receipt=last.receipt, code=last.code, error=last.error
        )
        return (*last.attempts, attempt)

    def _add(self, item: Item) -> ItemAdded:
        if item.content is not None:
            self._files.update({media.file.name: media for media in files(item.content)})
            if isinstance(item.content, Text) and item.content.html is not None:
                self._pages[item.content.html.name] = item.content
            item = replace(item, content=without_keys(item.content))
        if item.outbound:
            self._answers[item.outbound] = len(self.items)
        self.mentioned.update(item.mentions)
        if item.kind == "reply":
            self.answerers.add(item.by)
        self.items.append(item)
        return ItemAdded(conversation=self.conversation, item=item)

    def _receive(self, fact: OutboundChanged) -> list[ItemEvent]:
        at = self._answers.get(fact.outbound)
        if at is None:
            return []
        reached = [at]
        if fact.watermark:
            reached += [i for i in self._answers.values() if i < at and self._reached_too(i, at, fact.channel)]
        return [event for i in reached if (event := self._raise(i, fact)) is not None]

    def _reached_too(self, earlier: int, later: int, channel: str) -> bool:
        """A watermark holds for earlier answers to the same address (on ``channel``), but not for one that failed."""
        item = self.items[earlier]
        there = item.address == self.items[later].address and channel in ("", item.channel)
        return there and item.receipt is not ReceiptState.FAILED

    def _raise(self, index: int, fact: OutboundChanged) -> ItemEvent | None:
        """Set the receipt of an item; its rank only rises."""
        item = self.items[index]
        if RECEIPT_RANK[fact.state] <= RECEIPT_RANK[item.receipt or ReceiptState.QUEUED]:
            return None
        self.items[index] = replace(item, receipt=fact.state, code=fact.code, error=fact.error)
        return ReceiptChanged(
            conversation=self.conversation,
            outbound=item.outbound,
            receipt=fact.state,
            code=fact.code,
            error=fact.error,
        )

    def _item(self, id: str, at: int, fact: AnyFact) -> Item | None:  # noqa: A002 - the word of Item
        match fact:
            case MessageTaken(envelope=envelope):
                return Item(
                    id=id,
                    kind="message",
                    at=at,
                    n=fact.n,
                    name=envelope.sender.name,
                    channel=envelope.channel,
                    address=envelope.address,
                    content=envelope.content,
                    attributes=envelope.attributes,
                )
            case ReplySent(outbound=outbound):
                return Item(
                    id=id,
                    kind="reply",
                    at=at,
                    n=fact.n,
                    by=fact.by,
                    name=outbound.author.name,
                    channel=outbound.channel,
                    address=outbound.address,
                    content=outbound.content,
                    outbound=outbound.id,
                    receipt=ReceiptState.QUEUED,
                    again=fact.again or "",
                    attempts=self._attempts(fact.again or ""),
                )
            case NoteAdded():
                return Item(
                    id=id,
                    kind="note",
                    at=at,
                    n=fact.n,
                    by=fact.by,
                    name=self._name_of(fact.by),
                    content=fact.content,
                    mentions=fact.mentions,
                    whisper=fact.whisper,
                    handover=fact.handover,
                )
            case _:
                return self._event(id, at, fact)

    def _event(self, id: str, at: int, fact: AnyFact) -> Item | None:  # noqa: A002 - the word of Item
        operator = by = detail = ""
        match fact:
            case ConversationOpened():
                self.person = fact.person
                detail = fact.channel
            case ConversationQueued(reason=detail):
                pass
            case Offered(operator=operator):
                pass
            case OfferEnded(operator=operator, reason=detail) | Unassigned(operator=operator, reason=detail):
                pass
            case Assigned(operator=operator, by=by, reason=detail):
                pass
            case ConversationReopened(by=by, undelivered=detail):
                pass
            case ConversationClosed(by=by, result=detail):
                pass
            case ConversationParked(operator=operator, by=by):
                pass
            case ConversationWoken(operator=operator, by=by, reason=detail):
                pass
            case Unroutable():
                detail = "nobody is signed in" if fact.configured else "nobody has what it needs"
            case _:
                return None
        return Item(
            id=id,
            kind="event",
            at=at,
            by=by,
            name=self._name_of(by) if by else "",
            what=str(type(fact).__struct_config__.tag),
            operator=self._name_of(operator) if operator else "",
            detail=detail,
        )


def naming(state: Callable[[], State]) -> NameOf:
    """Name operators by the rules in force."""
    return lambda operator: operator_name(state(), operator)
