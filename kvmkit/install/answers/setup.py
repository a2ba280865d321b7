"""The shell script that does in a new system what the installer's own language has no words for."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

__all__ = ["allow_keys", "allow_sudo"]


def allow_keys(account: str, keys: Sequence[str]) -> str:
    """Give the commands that let an account in by SSH keys."""
    who = quote(account)
    return (
        f"set -e\nhome=$(getent passwd {who} | cut -d: -f6)\n"
        'mkdir -p "$home/.ssh"\n'
        f"printf '%s\\n' {' '.join(map(quote, keys))} >\"$home/.ssh/authorized_keys\"\n"
        'chmod 700 "$home/.ssh"\n'
        'chmod 600 "$home/.ssh/authorized_keys"\n'
        f'chown -R {who}: "$home/.ssh"\n'
        # Without its label sshd may not read it.
        'if [ -x /sbin/restorecon ]; then /sbin/restorecon -R "$home/.ssh"; fi\n'
    )


def allow_sudo(user: str, rule: str) -> str:
    """Give the commands that let a user use sudo, by a file of its own (sudoers(5))."""
    path = f"/etc/sudoers.d/{user}"
    return f"printf '%s\\n' {quote(f'{user} {rule}')} >{path}\nchmod 440 {path}\n"
