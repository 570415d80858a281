"""What this channel reads of Telegram's updates (core.telegram.org/bots/api#update), named as there.

A message all of whose fields are known here is decoded directly, ten to fifty times as fast as by a library. Any other
update has been through the driver's library before it comes here, so unknown fields do no harm.
:attr:`Message.others` names contents that have no struct below.
"""

from typing import Any

import msgspec
from msgspec import Struct

Json = dict[str, Any]
"""An object of the Bot API as it stands in JSON: the edge where nothing is known of its fields."""

ALLOWED_UPDATES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "callback_query",
    "message_reaction",
    "my_chat_member",
)
"""What is asked for, always in full: without it the previous setting stays, and reactions are not in the default."""


class Poison(Exception):
    """An update that cannot be read; the message says what is wrong with it."""


class User(Struct, frozen=True):
    """Somebody, or another bot."""

    id: int
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    language_code: str = ""
    is_bot: bool = False


class Chat(Struct, frozen=True):
    """A private chat (its id is the user's), a group, a supergroup or a channel."""

    id: int
    type: str = "private"
    title: str = ""
    first_name: str = ""
    last_name: str = ""
    is_forum: bool = False


class Entity(Struct, frozen=True):
    """A part of a text; offset and length are in UTF-16 units."""

    type: str
    offset: int
    length: int
    url: str = ""


class File(Struct, frozen=True):
    """Any file; each kind has some of the fields. Duration is in seconds, ``length`` is the side of a round video."""

    file_id: str
    file_unique_id: str = ""
    file_size: int = 0
    file_name: str = ""
    width: int | None = None
    height: int | None = None
    length: int | None = None
    duration: int | None = None
    emoji: str = ""


class Place(Struct, frozen=True):
    """Degrees."""

    latitude: float
    longitude: float


class Venue(Struct, frozen=True):
    """A place with a name."""

    location: Place
    title: str = ""
    address: str = ""


class Card(Struct, frozen=True):
    """A shared contact."""

    phone_number: str
    first_name: str = ""
    last_name: str = ""


class PollOption(Struct, frozen=True):
    """One answer of a poll."""

    text: str


class Poll(Struct, frozen=True):
    """A question to many."""

    question: str
    options: tuple[PollOption, ...] = ()


class Dice(Struct, frozen=True):
    """A random value, shown as an emoji."""

    emoji: str
    value: int


class Quote(Struct, frozen=True):
    """The part of the other message that is answered."""

    text: str
    is_manual: bool = False


class Origin(Struct, frozen=True):
    """Where a forwarded message comes from; one of the fields, after its type."""

    sender_user: User | None = None
    sender_user_name: str = ""
    sender_chat: Chat | None = None
    chat: Chat | None = None


class Button(Struct, frozen=True):
    """A button of an inline keyboard."""

    text: str
    callback_data: str = ""


class Keyboard(Struct, frozen=True):
    """Buttons below a message."""

    inline_keyboard: tuple[tuple[Button, ...], ...] = ()


class Answered(Struct, frozen=True):
    """The message that another one answers."""

    message_id: int


class Message(Struct, frozen=True, rename={"sender": "from"}):
    """A message, or a service message: one of the contents, among many fields. Times are Unix seconds."""

    message_id: int
    chat: Chat
    date: int = 0
    edit_date: int = 0
    sender: User | None = None
    sender_chat: Chat | None = None
    message_thread_id: int = 0
    is_topic_message: bool = False
    is_automatic_forward: bool = False
    media_group_id: str = ""
    reply_to_message: Answered | None = None
    quote: Quote | None = None
    forward_origin: Origin | None = None
    reply_markup: Keyboard | None = None
    text: str = ""
    entities: tuple[Entity, ...] = ()
    caption: str = ""
    caption_entities: tuple[Entity, ...] = ()
    animation: File | None = None
    live_photo: File | None = None
    video: File | None = None
    video_note: File | None = None
    voice: File | None = None
    audio: File | None = None
    sticker: File | None = None
    document: File | None = None
    photo: tuple[File, ...] = ()
    venue: Venue | None = None
    location: Place | None = None
    contact: Card | None = None
    poll: Poll | None = None
    dice: Dice | None = None
    rich_message: Json | None = None
    migrate_to_chat_id: int = 0
    migrate_from_chat_id: int = 0
    others: tuple[str, ...] = ()
    """What else it has: the names of contents and service news that are not known here."""

    @property
    def move(self) -> tuple[int, int] | None:
        """The old and the new id of a group that has become a supergroup, which both chats are told."""
        if self.migrate_to_chat_id:
            return self.chat.id, self.migrate_to_chat_id
        if self.migrate_from_chat_id:
            return self.migrate_from_chat_id, self.chat.id
        return None


class Pressed(Struct, frozen=True, rename={"sender": "from"}):
    """A button was pressed (``callback_query``)."""

    id: str
    sender: User
    message: Message | None = None
    data: str = ""


class Emoji(Struct, frozen=True):
    """A reaction: an emoji, a custom one or a paid one."""

    type: str
    emoji: str = ""


class Reacted(Struct, frozen=True):
    """Reactions on a message were changed."""

    chat: Chat
    message_id: int
    date: int
    new_reaction: tuple[Emoji, ...] = ()
    user: User | None = None
    actor_chat: Chat | None = None


class Member(Struct, frozen=True):
    """What somebody is in a chat."""

    status: str


class Membership(Struct, frozen=True, rename={"sender": "from"}):
    """The bot was blocked, unblocked, added to a group, removed from it, or made something else in it."""

    chat: Chat
    date: int
    new_chat_member: Member
    old_chat_member: Member
    sender: User | None = None


class Update(Struct, frozen=True):
    """One update: its id and one of the rest."""

    update_id: int
    message: Message | None = None
    edited_message: Message | None = None
    channel_post: Message | None = None
    edited_channel_post: Message | None = None
    callback_query: Pressed | None = None
    message_reaction: Reacted | None = None
    my_chat_member: Membership | None = None

    @property
    def posted(self) -> Message | None:
        """The new message."""
        return self.message or self.channel_post

    @property
    def edited(self) -> Message | None:
        """The message as it is now."""
        return self.edited_message or self.edited_channel_post

    @property
    def chat(self) -> Chat | None:
        """Where it happened; None where it is of a kind that was not asked for."""
        match self:
            case Update(callback_query=Pressed(message=None, sender=sender)):
                return Chat(id=sender.id, first_name=sender.first_name, last_name=sender.last_name)
            case Update(callback_query=Pressed(message=Message(chat=chat))):
                return chat
            case _:
                found = self.posted or self.edited or self.message_reaction or self.my_chat_member
                return found.chat if found is not None else None


_BESIDE_CONTENT = """
    author_signature business_connection_id caption_entities chat date direct_messages_topic edit_date effect_id
    entities ephemeral_message_id external_reply forward_date forward_from forward_from_chat
    forward_from_message_id forward_origin forward_sender_name forward_signature from guest_bot_caller_chat
    guest_bot_caller_user guest_query_id has_media_spoiler has_protected_content is_automatic_forward
    is_from_offline is_paid_post is_topic_message link_preview_options media_group_id message_id
    message_thread_id paid_star_count quote receiver_user reply_markup reply_to_checklist_task_id
    reply_to_message reply_to_poll_option_id reply_to_story sender_boost_count sender_business_bot sender_chat
    sender_tag show_caption_above_media suggested_post_info via_bot
"""
_MESSAGES = ("message", "edited_message", "channel_post", "edited_channel_post")
_WITH_A_MESSAGE = ("update_id", "message")
_KNOWN = frozenset((*Message.__struct_encode_fields__, *_BESIDE_CONTENT.split())) - {"others"}
_NOTHING: tuple[object, ...] = (None, False, "", [])
"""An empty object is something: that a topic was closed is told by one."""


def read_known(plain: Json) -> Update | None:
    """Read an update as it came, if all of it is known here to the last field; None: a library has to look at it."""
    if len(plain) != len(_WITH_A_MESSAGE):
        return None
    name = next((name for name in _MESSAGES if name in plain), "")
    message = plain.get(name)
    if not isinstance(message, dict) or not message.keys() <= _KNOWN:
        return None
    try:
        return msgspec.convert(plain, Update)
    except msgspec.ValidationError:
        return None


def decode_update(plain: Json) -> Update:
    """Read what a driver has read. Raises Poison."""
    try:
        return msgspec.convert({name: _named(name, value) for name, value in plain.items()}, Update)
    except msgspec.ValidationError as exc:
        raise Poison(str(exc)) from exc


def _named(name: str, value: object) -> object:
    """Note in a message what it holds that is not known here."""
    if name not in _MESSAGES or not isinstance(value, dict):
        return value
    others = [key for key in value.keys() - _KNOWN if value[key] not in _NOTHING]
    return {**value, "others": sorted(others)}
