"""E-mail: a team mailbox, read over IMAP and answered over SMTP. Needs the extra `email` (docs/licences.md)."""

from adapters.email.adapter import Email

__all__ = ["Email"]
