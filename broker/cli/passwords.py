"""``trunkline hash-password``: a password hash for the operators' part of the file."""

import sys
from getpass import getpass

from argon2 import PasswordHasher

from broker.cli.terminal import fail, say

SHORTEST = 8


def hash_password() -> None:
    """Ask for a password (or read one line of standard input) and print its argon2 hash for `password_hash:`."""
    password = _ask() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if len(password) < SHORTEST:
        fail(f"a password needs at least {SHORTEST} characters; nothing was hashed")
    try:
        hashed = PasswordHasher().hash(password)
    except UnicodeEncodeError:
        fail("the password is not text in UTF-8; nothing was hashed")
    say(hashed)


def _ask() -> str:
    password = getpass("Password: ")
    if getpass("Again: ") != password:
        fail("the two passwords differ; nothing was hashed")
    return password
