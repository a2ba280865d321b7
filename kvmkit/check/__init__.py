"""Whether a host is ready to run VMs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvmkit.check.cpu import judge_cpu
from kvmkit.check.defaults import judge_defaults
from kvmkit.check.facts import Facts, read_facts
from kvmkit.check.kernel import judge_kernel
from kvmkit.check.network import judge_network
from kvmkit.check.packages import judge_packages
from kvmkit.check.security import judge_security
from kvmkit.check.services import judge_answer, judge_services
from kvmkit.check.storage import judge_storage
from kvmkit.check.system import judge_system
from kvmkit.report import Check, Report

if TYPE_CHECKING:
    from kvmkit.host import Host

__all__ = ["check_host"]


def check_host(host: Host) -> Report:
    """Judge whether a host is ready to run VMs.  It only reads.

    Parameters
    ----------
    host
        Also one without libvirt: then the report says what is missing.

    Returns
    -------
    Report
        One row for each thing judged, in the same order on every host.  ``.ok`` is
        whether nothing failed; ``.frame`` has the columns check, status, found,
        expected, why, fix and runbook.  SKIP: it could not be told, and why; on the
        practice host also what is only rehearsed there.

    Raises
    ------
    HostUnavailable, CommandFailed, CommandTimeout
        If the host itself cannot be asked.

    Examples
    --------
    >>> import kvmkit as kk
    >>> report = kk.check_host(kk.connect("test:///default"))
    >>> report.ok
    True
    >>> report.frame.loc[report.frame.check == "/dev/kvm", ["status", "found"]].values.tolist()
    [['PASS', 'the processor shows svm and libvirt-qemu can use /dev/kvm']]
    """
    facts = read_facts(host)
    return Report("check", host.uri, [judge_answer(host, facts), *judge_facts(facts, local=host.ssh is None)])


def judge_facts(facts: Facts, *, local: bool = True) -> list[Check]:
    """Judge all that the probe saw; `local`: whether runbooks run on the host itself."""
    return [
        judge_system(facts.os),
        judge_packages(facts, local=local),
        *judge_cpu(facts),
        *judge_kernel(facts),
        *judge_services(facts),
        *judge_security(facts),
        *judge_network(facts),
        judge_storage(facts),
        judge_defaults(facts),
    ]
