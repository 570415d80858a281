"""What the large providers want, for the sentences that tell people what to do."""

from collections.abc import Mapping

_APP_PASSWORD = "needs a password made for this program (an app password), and IMAP must be allowed in its settings"  # noqa: S105  # a sentence
_MICROSOFT = (
    "Microsoft 365 takes no passwords for IMAP and SMTP any more: use `oauth2` with the scopes "
    "https://outlook.office.com/IMAP.AccessAsUser.All, https://outlook.office.com/SMTP.Send and offline_access, and "
    "let an administrator allow authenticated SMTP for the mailbox"
)
_GOOGLE = (
    f"Gmail {_APP_PASSWORD} (myaccount.google.com/apppasswords, after two-step verification is on), or use `oauth2` "
    "with the scope https://mail.google.com/"
)

LOGIN_HINTS: Mapping[str, str] = {
    "gmail.com": _GOOGLE,
    "googlemail.com": _GOOGLE,
    "office365.com": _MICROSOFT,
    "outlook.com": _MICROSOFT,
    "yahoo.com": f"Yahoo {_APP_PASSWORD}",
    "aol.com": f"AOL {_APP_PASSWORD}",
    "mail.me.com": f"iCloud {_APP_PASSWORD}",
    "yandex.ru": f"Yandex {_APP_PASSWORD}",
    "yandex.com": f"Yandex {_APP_PASSWORD}",
    "mail.ru": f"Mail.ru {_APP_PASSWORD}",
    "zoho.com": f"Zoho {_APP_PASSWORD}",
    "zoho.eu": f"Zoho {_APP_PASSWORD}",
    "fastmail.com": f"Fastmail {_APP_PASSWORD}",
    "gmx.net": "GMX wants IMAP to be switched on in the settings of the mailbox (POP3/IMAP)",
    "web.de": "WEB.DE wants IMAP to be switched on in the settings of the mailbox (POP3/IMAP)",
    "wp.pl": "Poczta WP wants IMAP to be switched on in the settings of the mailbox",
    "ukr.net": f"UKR.NET {_APP_PASSWORD}",
}
"""By the end of the server's name."""


def login_hint(host: str) -> str:
    """Say what this provider wants of a login; what holds for all where it is not known."""
    labels = host.lower().split(".")
    names = (".".join(labels[i:]) for i in range(len(labels)))
    default = "check `user` and `password`; many providers want a password made for programs, and IMAP to be allowed"
    return next((LOGIN_HINTS[name] for name in names if name in LOGIN_HINTS), default)
