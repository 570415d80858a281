"""E-mail: a team mailbox, read over IMAP and answered over SMTP. Needs the extra `email` (docs/licences.md)."""
