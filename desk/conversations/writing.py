"""Removes from what an operator's browser sends the fields that only channels and libraries may fill in. Pure.

Some are for customers' messages alone (the laid-out page of a mail, the text before quotes were trimmed), some are what
a library has found out. A browser that sends them anyway could show colleagues a page of its own, or order a call.
"""

from msgspec.structs import replace

from desk.conversations.reach import NotThere
from normalizer.content import Call, Choice, Content, Media, Text, Unsupported
from router.inputs import Action, AddNote, Reply


def own_words(action: Action) -> Action:
    """Give a command with nothing in it but what people write. Raises NotThere: ``not_writable``."""
    if not isinstance(action, Reply | AddNote):
        return action
    return replace(action, content=_written(action.content))


def _written(content: Content) -> Content:
    match content:
        case Text():
            files = tuple(_file(media) for media in content.attachments)
            return replace(content, language=None, full="", html=None, attachments=files)
        case Media():
            return _file(content)
        case Choice():
            return replace(content, chosen=None)
        case Call() | Unsupported():
            raise NotThere("not_writable", "Calls are made with their own buttons, and this cannot be written.")
        case _:
            return content


def _file(media: Media) -> Media:
    return replace(media, inline="")
