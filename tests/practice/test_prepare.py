"""What the article does to a host, by the runbook that prepares one: with what it costs, and rehearsed."""

import json
import re
from pathlib import Path

import pytest

import kvmkit as kk
from tests.practice.kernels import URI

ARTICLE = {
    "repository": "ftp://192.168.0.200/rhel6.4",
    "repository_suite": "./",
    "repository_gpgcheck": False,
    "keep_others": False,
    "vnc_listen": "0.0.0.0",  # noqa: S104 - nothing here listens
}


def said(notebook: Path, cell_id: str) -> str:
    cells = {cell["id"]: cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]}
    texts = [out.get("text") or out["data"].get("text/plain", "") for out in cells[cell_id]["outputs"]]
    return "\n".join("".join(text) for text in texts)


def test_the_articles_wishes_are_planned_with_what_they_cost() -> None:
    run = kk.run_runbook("20-prepare-host", URI, **ARTICLE)

    repository, qemu_conf = said(run.notebook, "repository"), said(run.notebook, "qemu-conf")
    assert "write /etc/apt/sources.list.d/local.sources" in repository
    assert "WARNING: packages of local are installed unsigned" in repository
    assert "no updates come but from this one" in repository
    assert "WARNING: whoever can reach 0.0.0.0 sees and uses the screens of VMs" in qemu_conf
    for cell_id in ("repository-gate", "packages-gate", "qemu-conf-gate"):
        assert re.search(
            r"^SKIP  .*: rehearsed: the practice host", said(run.notebook, cell_id), re.MULTILINE
        )
    # What was rehearsed does not pass, and is not in the journal.
    assert re.search(r"^packages +SKIP +SKIP +rehearsed", said(run.notebook, "verify"), re.MULTILINE)
    plans = kk.history(kk.connect(URI)).query("plan == @run.plans[0]")
    assert len(run.plans) == 1
    assert list(plans["what"]) == ["the default pool and network"]


def test_a_wish_that_the_host_cannot_grant_stops_the_run_and_says_why() -> None:
    with pytest.raises(kk.RunFailed, match="has no SELinux; its kernel confines VMs by AppArmor"):
        kk.run_runbook("20-prepare-host", URI, selinux="permissive")
