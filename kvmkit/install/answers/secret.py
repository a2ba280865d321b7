"""Passwords become hashes, which are kept as secret as passwords are."""

from __future__ import annotations

from pydantic import SecretStr

from kvmkit.commands import Local, check
from kvmkit.errors import InvalidSpec

__all__ = ["hash_password"]

LONGEST = 256
"""Bytes that openssl reads of a password; the rest it drops."""
HERE = "this machine"


def hash_password(password: SecretStr, field: str = "password") -> SecretStr:
    """Hash a password for /etc/shadow by SHA-512 (crypt(5)), with a salt of its own each time.

    openssl reads it from standard input, so that no list of processes shows it. Python's own ``crypt``
    is gone since 3.13.

    Raises
    ------
    InvalidSpec
        It is too long; `field` is named.
    CommandFailed
        There is no openssl on this machine, or none that knows SHA-512.
    """
    plain = password.get_secret_value()
    if not plain:
        return password
    if len(plain.encode()) > LONGEST or "\n" in plain:
        raise InvalidSpec({field: f"a password is one line of at most {LONGEST} bytes"})
    argv = ["openssl", "passwd", "-6", "-stdin"]
    result = check(Local(HERE).run(argv, f"{plain}\n", timeout=60), argv, HERE)
    return SecretStr(result.stdout.strip())
