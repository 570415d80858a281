"""The settings of the channel, as written in the YAML."""

from typing import Annotated

from config import Secret
from msgspec import Meta, Struct


class IrcSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="irc", tag_field="type"):
    """A nickname on an IRC network."""

    server: Annotated[str, Meta(min_length=1, description="Name or address of the server, such as irc.example.net.")]
    nick: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}-]{0,29}$",
            description="The nickname that customers write to; many servers allow 9 characters.",
        ),
    ]
    port: Annotated[int, Meta(ge=1, le=65_535, description="Its port; 6697 is the usual one with TLS.")] = 6697
    tls: Annotated[bool, Meta(description="Whether the connection is encrypted and the server's name is proven.")] = (
        True
    )
    password: Annotated[
        Secret | None,
        Meta(description="The server's password; on networks with accounts often `account:password`."),
    ] = None
    name: Annotated[str, Meta(max_length=50, description="The real name that others see.")] = "Customer service"
    per_second: Annotated[
        float, Meta(gt=0, le=20, description="Messages a second; more than the server allows, and it hangs up.")
    ] = 0.5
