"""What the owner of a NIC is told, so that the NIC becomes a port of a bridge, and how that is taken back."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["TRIAL", "Owner", "Recipe"]

Owner = Literal["NetworkManager", "systemd-networkd", "netplan", "ifupdown", "iproute2"]
"""Who configures a NIC; iproute2 stands for nobody."""

TRIAL = "/run/kvmkit/trial/files"
"""A folder on the host for trial files that commands are told of; it stays until the trial has ended."""


class Recipe(BaseModel):
    """One change of a host's network, as data: made by a backend, carried out by the host itself.

    The order of a trial is ``trial_files``, ``apply``; if it is kept, ``keep_files``, then the trial's files
    are removed, then ``keep``; if not, the trial's files are removed, then ``restore``. So a ``restore`` need
    not remove trial files, but has to make the manager forget them. Those in `TRIAL` stay until the end, for
    ``restore`` and ``keep`` to use.

    Attributes
    ----------
    owner
        Who configures the NIC.
    trial_files
        Path to content; below ``/run`` only, as a reboot has to take the trial back. Nothing may be there.
    apply
        Argument lists, in order; the first that fails ends the trial, and the host puts itself back at once.
    restore
        Argument lists, in order: manager first, then kernel. All of them are run, whatever fails, each for at
        most 15 seconds; after a trial that was kept in part, too. They work from any half-applied state, may
        be run twice, and leave what was there before.
    keep_files
        Path to content, None to remove it: replaced whole when the trial is confirmed, one after the other,
        and given back from the last to the first. After a power cut in between the host has to boot into a
        network that works. Without any a bridge is lost at the next reboot. The old ones are kept on the
        host for undo.
    keep
        Argument lists at confirmation, after the files. If one fails, files and network are put back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    owner: Owner
    trial_files: dict[str, str] = {}
    apply: tuple[tuple[str, ...], ...]
    restore: tuple[tuple[str, ...], ...]
    keep_files: dict[str, str | None] = {}
    keep: tuple[tuple[str, ...], ...] = ()

    @field_validator("trial_files")
    @classmethod
    def _on_no_disk(cls, files: dict[str, str]) -> dict[str, str]:
        for path in files:
            if not path.startswith("/run/") or ".." in path.split("/"):
                raise ValueError(f"{path} is not below /run: a reboot would not take the trial back")
        return files
