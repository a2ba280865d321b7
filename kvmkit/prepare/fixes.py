"""fixes: which plans mend what a report found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kvmkit.host import Host
from kvmkit.plan import Plan
from kvmkit.prepare.defaults import plan_defaults
from kvmkit.prepare.group import plan_libvirt_group
from kvmkit.prepare.packages import plan_packages
from kvmkit.prepare.qemu_conf import QemuConfSpec, plan_qemu_conf
from kvmkit.prepare.selinux import SELinuxSpec, plan_selinux
from kvmkit.prepare.service import plan_service
from kvmkit.report import Report
from kvmkit.safe import one_line

__all__ = ["Fix", "fixes"]

Words = Sequence[str]
# In the order in which a new host needs them: without packages there is no service, and so on.
PLANS: dict[str, Callable[[Host, Words], Plan]] = {
    "plan_packages": plan_packages,
    "plan_service": lambda host, _: plan_service(host),
    "plan_libvirt_group": lambda host, words: plan_libvirt_group(host, *words),
    "plan_defaults": lambda host, _: plan_defaults(host),
    "plan_selinux": lambda host, _: plan_selinux(host, SELinuxSpec()),
    "plan_qemu_conf": lambda host, words: plan_qemu_conf(host, QemuConfSpec(unset=" ".join(words))),
}
ARGUMENTS: dict[str, Callable[[Words], str]] = {
    "plan_packages": lambda words: repr(list(words)) if words else "",
    "plan_libvirt_group": lambda words: repr(*words),
    "plan_selinux": lambda _: "kk.SELinuxSpec()",
    "plan_qemu_conf": lambda words: f"kk.QemuConfSpec(unset={' '.join(words)!r})",
}


@dataclass(frozen=True)
class Fix:
    """A plan that mends rows of a report.

    Attributes
    ----------
    function
        The name of the function that plans it.
    words
        What that is told: packages, the account, or the settings to take out of qemu.conf.
    checks
        The rows that it mends.
    """

    function: str
    words: tuple[str, ...]
    checks: tuple[str, ...]

    def plan(self, host: Host) -> Plan:
        """Plan it, on the host as it stands now.

        Raises
        ------
        KvmkitError
            As the function.
        """
        return PLANS[self.function](host, self.words)

    def __str__(self) -> str:
        arguments = ARGUMENTS[self.function](self.words) if self.function in ARGUMENTS else ""
        call = ", ".join(filter(None, ["host", arguments]))
        return one_line(f"kk.{self.function}({call})  # {', '.join(self.checks)}")


def fixes(report: Report) -> dict[str, Fix]:
    r"""Choose the plans that mend what a report found; it looks at the report alone.

    Parameters
    ----------
    report
        From :func:`check_host`.

    Returns
    -------
    dict of str to Fix
        By the name of the function that plans it, in the order in which a host needs them.
        Each mends rows with FAIL or WARN; on the practice host also those that are rehearsed.
        What kvmkit cannot mend (the firmware, the clock, …) is not among them: the report
        says how to. After one has been applied others may be needed, or possible: check again.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> print(*kk.fixes(kk.check_host(host)).values(), sep="\n")  # doctest: +ELLIPSIS
    kk.plan_packages(host, ['qemu-system-x86', ...])  # packages
    kk.plan_service(host)  # libvirt at boot
    kk.plan_defaults(host)  # default pool and network
    """
    found: dict[str, Fix] = {}
    for function in PLANS:
        rows = [check for check in report.checks if check.mended_by[:1] == (function,)]
        if rows:
            words = dict.fromkeys(word for check in rows for word in check.mended_by[1:])
            found[function] = Fix(function, tuple(words), tuple(check.check for check in rows))
    return found
