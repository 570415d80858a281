"""Updates to envelopes. Pure: ids, files and the address of a chat that has moved are arguments.

The key of an event (promise P2) never rests on ``update_id`` alone, which starts anew at random after a week of
silence: a message is known by its chat and number, what happens to it by its time and the update as well.
"""

import msgspec
from msgspec import Struct

from adapters.telegram.contents import Fetched, Missing, choice_of, content_of, file_in, words_of
from adapters.telegram.wire import Chat, File, Membership, Message, Pressed, Reacted, Update, User
from normalizer.address import address
from normalizer.content import Edit, Language, Reaction, Unsupported
from normalizer.envelope import Envelope, Sender
from normalizer.plain import clean_line

TYPE = "telegram"


CHAT_KINDS = {"private": "private", "group": "group", "supergroup": "group", "channel": "channel"}
"""Telegram's word for a kind of chat to the one in the settings."""

_SERVICE_WORDS = """
    boost_added channel_chat_created chat_background_set chat_owner_changed chat_owner_left checklist_tasks_added
    checklist_tasks_done community_chat_added community_chat_joined community_chat_removed connected_website
    delete_chat_photo direct_message_price_changed forum_topic_closed forum_topic_created forum_topic_edited
    forum_topic_reopened general_forum_topic_hidden general_forum_topic_unhidden giveaway_completed giveaway_created
    group_chat_created left_chat_member managed_bot_created message_auto_delete_timer_changed new_chat_members
    new_chat_photo new_chat_title paid_message_price_changed pinned_message poll_option_added poll_option_deleted
    proximity_alert_triggered suggested_post_approval_failed suggested_post_approved suggested_post_declined
    suggested_post_paid suggested_post_refunded supergroup_chat_created video_chat_ended
    video_chat_participants_invited video_chat_scheduled video_chat_started write_access_allowed
"""
SERVICE = frozenset(_SERVICE_WORDS.split())
"""News about a chat: nobody waits for an answer to them."""

GONE = frozenset({"kicked", "left"})


class Origin(Struct, frozen=True, kw_only=True):
    """What an envelope says of where it comes from. ``home`` is the chat's id before it moved, mostly its own.

    ``now`` (ms) is for events of which Telegram does not tell the time.
    """

    channel: str
    bot: int
    home: int
    new_id: str
    now: int


class ChannelData(Struct, frozen=True, omit_defaults=True):
    """What comes back with each answer: the topic of a private chat, which is no part of the address."""

    thread: int = 0


def native_id(bot: int, chat: int, message: int) -> str:
    """Name a message, in both directions. The bot is part of it: another one counts the same chat's messages anew."""
    return f"{bot}/{chat}/{message}"


def read_native_id(text: str, bot: int) -> tuple[int, int] | None:
    """Give chat and number of a message of this bot."""
    parts = text.split("/")
    try:
        known, chat, message = map(int, parts)
    except ValueError:
        return None
    return (chat, message) if known == bot else None


def chat_address(home: int, thread: int = 0) -> str:
    """Write an address: the chat's id, which is the same for all bots, and the topic of a forum."""
    return address(TYPE, f"{home}/{thread}" if thread else str(home))


def read_address(text: str) -> tuple[int, int]:
    """Give chat and topic (0: none) of an address. Raises ValueError."""
    chat, _, thread = text.removeprefix(f"{TYPE}:").partition("/")
    return int(chat), int(thread or "0")


def read_thread(channel_data: msgspec.Raw) -> int:
    """Give the topic that the last envelope of a private chat came from; 0: none."""
    try:
        found = msgspec.json.decode(channel_data, type=ChannelData | None)
    except msgspec.MsgspecError:
        return 0
    return found.thread if found is not None else 0


def file_of(update: Update) -> File | None:
    """Give the file that an update brings; of a photo the largest."""
    return file_in(update.posted) if update.posted is not None else None


def to_envelope(update: Update, origin: Origin, file: Fetched | Missing | None = None) -> Envelope | None:
    """Give the envelope of an update; None where it says nothing to an operator."""
    match update:
        case Update(callback_query=Pressed() as pressed):
            return _pressed(pressed, origin, update)
        case Update(message_reaction=Reacted() as reacted):
            return _reacted(reacted, origin, update)
        case Update(my_chat_member=Membership() as membership):
            return _membership(membership, origin, update)
        case _ if update.edited is not None:
            return _edited(update.edited, origin, update)
        case _ if update.posted is not None:
            return _posted(update.posted, origin, update, file)
        case _:
            return None


# --- the kinds of update ---


def _posted(message: Message, origin: Origin, update: Update, file: Fetched | Missing | None) -> Envelope:
    # Ephemeral messages and those that the server has scheduled all have the number 0.
    number = str(message.message_id) if message.message_id else f"0/{message.date}.{update.update_id}"
    return Envelope(
        id=origin.new_id,
        at=message.date * 1_000,
        channel=origin.channel,
        type=TYPE,
        native_id=f"{origin.bot}/{message.chat.id}/{number}",
        address=_address(message, origin),
        content=content_of(message, file),
        sender=_sender(message.sender, message.sender_chat, message.chat),
        reply_to=_answered(message, origin),
        automatic=_is_automatic(message),
        attributes=_attributes(message),
        channel_data=_channel_data(message),
    )


def _edited(message: Message, origin: Origin, update: Update) -> Envelope | None:
    """Edits without words are new places of somebody who moves, votes, buttons: not worth an operator's look."""
    text = words_of(message)
    if not text:
        return None
    target = native_id(origin.bot, message.chat.id, message.message_id)
    return Envelope(
        id=origin.new_id,
        at=(message.edit_date or message.date) * 1_000,
        channel=origin.channel,
        type=TYPE,
        native_id=f"{target}/e{message.edit_date}.{update.update_id}",
        address=_address(message, origin),
        content=Edit(target=target, text=text),
        sender=_sender(message.sender, message.sender_chat, message.chat),
        attributes=_attributes(message),
        channel_data=_channel_data(message),
    )


def _pressed(pressed: Pressed, origin: Origin, update: Update) -> Envelope:
    message = pressed.message or Message(message_id=0, chat=update.chat or Chat(id=pressed.sender.id))
    target = native_id(origin.bot, message.chat.id, message.message_id) if pressed.message is not None else None
    return Envelope(
        id=origin.new_id,
        at=origin.now,
        channel=origin.channel,
        type=TYPE,
        native_id=f"{origin.bot}/q{pressed.id}"[:255],
        address=_address(message, origin),
        content=choice_of(pressed, message) if pressed.data else Unsupported(what="callback_query"),
        sender=_sender(pressed.sender, None, message.chat),
        reply_to=target,
        attributes=_of_chat(message.chat, pressed.sender),
        channel_data=_channel_data(message),
    )


def _reacted(reacted: Reacted, origin: Origin, update: Update) -> Envelope | None:
    if reacted.chat.is_forum:
        return None  # nothing says in which topic it was, and so in which conversation
    target = native_id(origin.bot, reacted.chat.id, reacted.message_id)
    emojis = [emoji.emoji or f"[{emoji.type}]" for emoji in reacted.new_reaction]
    return Envelope(
        id=origin.new_id,
        at=reacted.date * 1_000,
        channel=origin.channel,
        type=TYPE,
        native_id=f"{target}/r{reacted.date}.{update.update_id}",
        address=chat_address(origin.home),
        content=Reaction(target=target, emoji=" ".join(emojis)[:64]),
        sender=_sender(reacted.user, reacted.actor_chat, reacted.chat),
        attributes=_of_chat(reacted.chat, reacted.user),
    )


def _membership(membership: Membership, origin: Origin, update: Update) -> Envelope | None:
    chat, status = membership.chat, membership.new_chat_member.status
    if (status in GONE) == (membership.old_chat_member.status in GONE):
        return None  # promoted, restricted: nothing that an answer depends on
    words = {
        (True, True): "the customer has blocked the bot: answers cannot reach them any more",
        (True, False): "the customer lets the bot write again",
        (False, True): "the bot was removed from the group: answers cannot reach it any more",
        (False, False): "the bot was added to the group",
    }
    return Envelope(
        id=origin.new_id,
        at=membership.date * 1_000,
        channel=origin.channel,
        type=TYPE,
        native_id=f"{origin.bot}/{chat.id}/m{membership.date}.{update.update_id}",
        address=chat_address(origin.home),
        content=Unsupported(what=words[chat.type == "private", status in GONE]),
        sender=_sender(membership.sender, None, chat),
        automatic=True,
        attributes={**_of_chat(chat, membership.sender), "reachable": "no" if status in GONE else "yes"},
    )


# --- around the content ---


def _address(message: Message, origin: Origin) -> str:
    topic = message.message_thread_id if message.is_topic_message and message.chat.type != "private" else 0
    return chat_address(origin.home, topic)


def _channel_data(message: Message) -> msgspec.Raw:
    if message.chat.type == "private" and message.is_topic_message and message.message_thread_id:
        return msgspec.Raw(msgspec.json.encode(ChannelData(message.message_thread_id)))
    return msgspec.Raw(b"null")


def _answered(message: Message, origin: Origin) -> str | None:
    """Name the message that is answered; in a topic every message answers the one that began the topic."""
    answered = message.reply_to_message
    if answered is None or (message.is_topic_message and answered.message_id == message.message_thread_id):
        return None
    return native_id(origin.bot, message.chat.id, answered.message_id)


def _is_automatic(message: Message) -> bool:
    # Who writes in the name of a chat has a bot as the sender, by which Telegram hides them.
    by_bot = message.sender is not None and message.sender.is_bot and message.sender_chat is None
    moved = bool(message.migrate_to_chat_id or message.migrate_from_chat_id)
    return by_bot or moved or message.is_automatic_forward or bool(SERVICE.intersection(message.others))


def _sender(user: User | None, as_chat: Chat | None, chat: Chat) -> Sender:
    """Name who did it: the chat in whose name it was done, else the user, else the chat."""
    if as_chat is not None or user is None:
        shown = as_chat or chat
        return Sender(name=clean_line(shown.title or f"{shown.first_name} {shown.last_name}"))
    code = clean_line(user.language_code, 35)
    return Sender(
        name=clean_line(f"{user.first_name} {user.last_name}") or clean_line(user.username),
        languages=(Language(code=code),) if code else (),
    )


def _attributes(message: Message) -> dict[str, str]:
    found = _of_chat(message.chat, message.sender if message.sender_chat is None else None)
    command, _, payload = message.text.partition(" ")  # what stood behind ?start= in a link to the bot
    if command.partition("@")[0] == "/start" and payload:  # in groups the bot is named: /start@our_bot
        found["start"] = clean_line(payload)
    if message.media_group_id:
        found["album"] = clean_line(message.media_group_id)
    if message.forward_origin is not None:
        found["forwarded_from"] = _forwarded(message)
    return found


def _forwarded(message: Message) -> str:
    origin = message.forward_origin
    if origin is None:
        return ""
    chat = origin.sender_chat or origin.chat
    if origin.sender_user is not None:
        return clean_line(f"{origin.sender_user.first_name} {origin.sender_user.last_name}")
    return clean_line(chat.title if chat is not None else origin.sender_user_name)


def _of_chat(chat: Chat, user: User | None) -> dict[str, str]:
    found = {}
    if user is not None and user.username:
        found["username"] = clean_line(user.username)
    if chat.type != "private":
        found["chat"] = CHAT_KINDS.get(chat.type, clean_line(chat.type))
        found["chat_title"] = clean_line(chat.title)
        if user is not None:
            found["user_id"] = str(user.id)
    return found
