"""What can be set of an e-mail channel: one mailbox, how its new mail is read, how answers go out."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from adapters.pace import LONGEST_PATIENCE
from config import Duration, Secret, SettingError, Size
from normalizer.address import AddressError, address

Port = Annotated[int, Meta(ge=1, le=65_535)]
ShortName = Annotated[str, Meta(max_length=120)]
FolderName = Annotated[str, Meta(max_length=255)]

LONGEST_IDLE = 29 * 60_000
"""RFC 2177: a server may end an IDLE of half an hour."""

LONGEST_ANSWER = 120_000


class ImapSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where new mail is read."""

    host: Annotated[str, Meta(min_length=1, description="Name of the IMAP server.")]
    port: Annotated[Port, Meta(description="Its port.")] = 993
    tls: Annotated[
        Literal["tls", "none"],
        Meta(description="`tls` from the first byte (RFC 8314); `none` to this machine only."),
    ] = "tls"
    ca_file: Annotated[Path | None, Meta(description="Certificates to trust instead of the system's.")] = None
    folder: Annotated[FolderName, Meta(min_length=1, description="The one folder that is read.")] = "INBOX"
    idle: Annotated[
        Duration, Meta(description="How long one wait for a push may last, below 29m; then the folder is looked at.")
    ] = Duration(300_000)
    poll: Annotated[Duration, Meta(description="How often a server without push (IDLE) is asked.")] = Duration(60_000)
    timeout: Annotated[Duration, Meta(description="How long the server may be silent when asked.")] = Duration(30_000)

    def __post_init__(self) -> None:
        problems = [*_transport_faults(self.host, self.tls, self.ca_file), *_range("timeout", self.timeout)]
        if not 0 < self.idle < LONGEST_IDLE:
            problems.append(SettingError("must be above 0s and below 29m", key="idle"))
        if self.poll <= 0:
            problems.append(SettingError("must be above 0s", key="poll"))
        if problems:
            raise ExceptionGroup("imap", problems)


class SmtpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where answers go out."""

    host: Annotated[str, Meta(min_length=1, description="Name of the SMTP server (submission, RFC 6409).")]
    port: Annotated[Port, Meta(description="Its port: 465 with `tls`, 587 with `starttls`.")] = 465
    tls: Annotated[
        Literal["tls", "starttls", "none"],
        Meta(description="`tls` from the first byte, `starttls` after a greeting; `none` to this machine only."),
    ] = "tls"
    ca_file: Annotated[Path | None, Meta(description="Certificates to trust instead of the system's.")] = None
    login: Annotated[
        bool, Meta(description="Whether the server wants a login; false for a relay that knows us by our address.")
    ] = True
    user: Annotated[str, Meta(description="A login of its own; none: the mailbox's.")] = ""
    password: Annotated[Secret | None, Meta(description="Password of that login.")] = None
    timeout: Annotated[Duration, Meta(description="How long the server may think about a command.")] = Duration(30_000)
    data_timeout: Annotated[
        Duration, Meta(description="How long it may think about a whole message (RFC 5321 section 4.5.3.2.6).")
    ] = Duration(180_000)

    def __post_init__(self) -> None:
        problems = [*_transport_faults(self.host, self.tls, self.ca_file), *_range("timeout", self.timeout)]
        if not 0 < self.data_timeout <= 5 * LONGEST_ANSWER:
            problems.append(SettingError("must be above 0s and at most 10m", key="data_timeout"))
        if bool(self.user) != (self.password is not None):
            problems.append(SettingError("a user and a password belong together", key="user"))
        if self.user and not self.login:
            problems.append(SettingError("there is a user, so `login` cannot be false", key="login"))
        if problems:
            raise ExceptionGroup("smtp", problems)


class OAuth2Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Login by access tokens (XOAUTH2), as Gmail and Microsoft 365 want it."""

    token_url: Annotated[str, Meta(pattern=r"^https?://[^\s@]+$", description="Where tokens are given out.")]
    client_id: Annotated[str, Meta(min_length=1, description="The registered application.")]
    client_secret: Annotated[Secret | None, Meta(description="Its secret, where it has one.")] = None
    refresh_token: Annotated[
        Secret | None,
        Meta(description="The mailbox owner's consent; none: the application logs in by itself (client credentials)."),
    ] = None
    scopes: Annotated[list[str], Meta(description="What is asked for; docs/email.md names each provider's.")] = field(
        default_factory=list
    )

    def __post_init__(self) -> None:
        host = self.token_url.partition("://")[2].partition("/")[0].rpartition(":")[0]
        if self.token_url.startswith("http://") and not is_this_machine(host.strip("[]")):
            raise SettingError("must begin with https:// (http only to this machine)", key="token_url")
        if self.refresh_token is None and self.client_secret is None:
            raise SettingError("needs a refresh_token, or a client_secret to log in without one", key="client_secret")


class AcceptSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which mail is taken; all other is left in the mailbox as it is."""

    words: Annotated[
        list[str], Meta(description="Only mail whose subject or text holds one of these; none: every mail.")
    ] = field(default_factory=list)


class AfterSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done in the mailbox with a mail that has been taken."""

    seen: Annotated[bool, Meta(description="Mark it as read.")] = True
    keyword: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9$._-]{0,64}$", description="A keyword (tag) to give it, such as `Taken`.")
    ] = ""
    move_to: Annotated[FolderName, Meta(description="A folder to move it to.")] = ""


class SignatureSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands below an answer."""

    texts: Annotated[
        dict[str, Annotated[str, Meta(max_length=4_000)]],
        Meta(description="Language to text, with {operator} and {team}; the first one is for all other languages."),
    ] = field(default_factory=dict)
    team: Annotated[ShortName, Meta(description="What {team} stands for.")] = ""


class ThreadSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a customer's mail finds its way back to the conversation."""

    plus: Annotated[
        bool,
        Meta(
            description="The server delivers support+anything@ to support@ (most do), so the way back stands in the "
            "address that answers go to."
        ),
    ] = True
    marker: Annotated[bool, Meta(description="Put a line `reply above this line` on top of every answer.")] = False


class MailLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What strangers and machines may cause."""

    size: Annotated[Size, Meta(description="A larger mail goes to the dead letters with its header only.")] = Size(
        50_000_000
    )
    attachments: Annotated[int, Meta(ge=0, le=100, description="Files of one mail that are kept.")] = 30
    attachment: Annotated[Size, Meta(description="A larger file of a mail is left out.")] = Size(26_214_400)
    automatic_every: Annotated[
        Duration, Meta(description="An address gets at most one mail that no operator wrote in this time.")
    ] = Duration(12 * 3_600_000)
    mails_per_hour: Annotated[
        int, Meta(ge=1, le=10_000, description="Mails to one conversation in an hour, against loops of machines.")
    ] = 30


class EmailSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="email", tag_field="type"):
    """A mailbox: new mail comes in over IMAP, answers go out over SMTP. One channel for each mailbox and folder."""

    address: Annotated[str, Meta(min_length=3, max_length=254, description="The address that answers are from.")]
    name: Annotated[ShortName, Meta(description="The name beside it.")] = ""
    aliases: Annotated[list[str], Meta(description="Other addresses of ours whose mail arrives here.")] = field(
        default_factory=list
    )
    imap: Annotated[ImapSettings, Meta(description="Where new mail is read.")]
    smtp: Annotated[SmtpSettings, Meta(description="Where answers go out.")]
    user: Annotated[str, Meta(description="The login of the mailbox; none: its address.")] = ""
    password: Annotated[Secret | None, Meta(description="Its password; for most providers one made for programs.")] = (
        None
    )
    oauth2: Annotated[OAuth2Settings | None, Meta(description="Login by tokens instead of a password.")] = None
    accept: Annotated[AcceptSettings, Meta(description="Which mail is taken.")] = field(default_factory=AcceptSettings)
    after: Annotated[AfterSettings, Meta(description="What is done with a mail that has been taken.")] = AfterSettings()
    first_start: Annotated[
        Duration,
        Meta(description="At the very first start unread mail of this time is taken too; 0s: only what comes then."),
    ] = Duration(0)
    signature: Annotated[SignatureSettings, Meta(description="What stands below an answer.")] = field(
        default_factory=SignatureSettings
    )
    subject: Annotated[ShortName, Meta(description="Subject of a mail that answers none.")] = ""
    languages: Annotated[
        list[str], Meta(min_length=1, description="Languages of what Trunkline itself adds; the first one otherwise.")
    ] = field(default_factory=lambda: ["en"])
    threads: Annotated[ThreadSettings, Meta(description="How answers find back.")] = ThreadSettings()
    authserv: Annotated[
        list[str],
        Meta(
            description="Names by which our own server signs Authentication-Results; a sender counts as verified by "
            "such a header alone."
        ),
    ] = field(default_factory=list)
    sent_folder: Annotated[
        FolderName,
        Meta(
            description="A folder in which the provider keeps what was sent (Gmail, Microsoft 365): asked when the "
            "fate of a mail is unknown."
        ),
    ] = ""
    retry_for: Annotated[
        Duration, Meta(description="A mail that is put off (grey-listing, full mailbox) is given up then; 6d at most.")
    ] = Duration(4 * 86_400_000)
    limits: Annotated[MailLimits, Meta(description="What strangers and machines may cause.")] = MailLimits()

    def __post_init__(self) -> None:
        problems = [*self._address_faults(), *self._login_faults()]
        if not 0 < self.retry_for <= LONGEST_PATIENCE:
            problems.append(SettingError("must be above 0s and at most 6d", key="retry_for"))
        if _is_same_folder(self.after.move_to, self.imap.folder):
            fault = "is the folder that is read, where each mail would be found again: name another one"
            problems.append(SettingError(fault, key="after.move_to"))
        if problems:
            raise ExceptionGroup("email", problems)

    @property
    def login(self) -> str:
        """The user of the mailbox."""
        return self.user or self.address

    def _address_faults(self) -> list[SettingError]:
        named = [(("address",), self.address), *((("aliases", i), alias) for i, alias in enumerate(self.aliases))]
        faults = []
        for key, text in named:
            try:
                address("email", text)
            except AddressError as exc:
                faults.append(SettingError(str(exc), key=key))
        return faults

    def _login_faults(self) -> list[SettingError]:
        if (self.password is None) == (self.oauth2 is None):
            return [SettingError("exactly one of `password` and `oauth2` is needed to log in", key="password")]
        secrets = (("password", self.password), ("smtp.password", self.smtp.password))
        return [
            SettingError("holds a line break or another control character; check the file it comes from", key=key)
            for key, secret in secrets
            if secret is not None and not secret.reveal().isprintable()
        ]


def is_this_machine(host: str) -> bool:
    """Whether traffic to a host does not leave this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _transport_faults(host: str, tls: str, ca_file: Path | None) -> list[SettingError]:
    if tls == "none" and not is_this_machine(host):
        return [SettingError("passwords would travel in the clear: use `tls`", key="tls")]
    if ca_file is not None and not ca_file.is_file():
        return [SettingError(f"there is no file {ca_file}", key="ca_file")]
    return []


def _range(key: str, timeout: Duration) -> list[SettingError]:
    return [] if 0 < timeout <= LONGEST_ANSWER else [SettingError("must be above 0s and at most 2m", key=key)]


def _is_same_folder(one: str, other: str) -> bool:
    """Only the name INBOX is the same in any case (RFC 9051 section 5.1)."""
    return one == other or one.upper() == other.upper() == "INBOX"
