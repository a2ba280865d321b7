"""A report shows the same rows as text, as HTML and as a DataFrame."""

import pandas as pd
from pandas.testing import assert_frame_equal

from kvmkit.report import Check, Report, Status

COLUMNS = ["check", "status", "found", "expected", "why", "fix", "runbook"]
FAILED = Check("bridge", Status.FAIL, "none", "br0", "VMs need one", "kk.plan_bridge", "30-bridge")


def report(*checks: Check) -> Report:
    return Report("check", "qemu:///system", list(checks))


def test_it_is_ok_unless_something_failed() -> None:
    fine = [Check("a", status, "x") for status in (Status.PASS, Status.WARN, Status.SKIP)]

    assert report(*fine).ok
    assert report().ok
    assert not report(*fine, FAILED).ok


def test_text_counts_and_advises_only_where_something_is_to_be_done() -> None:
    shown = repr(report(Check("cpu", Status.PASS, "svm", why="hidden"), FAILED))

    assert shown.splitlines() == [
        "check on qemu:///system: 1 PASS, 1 FAIL",
        "PASS  cpu: svm",
        "FAIL  bridge: none",
        "      expected: br0",
        "      why: VMs need one",
        "      fix: kk.plan_bridge",
        "      runbook: 30-bridge.ipynb",
    ]


def test_without_rows_it_says_that_there_is_nothing_to_do() -> None:
    assert repr(report()) == "check on qemu:///system: nothing to do"


def test_the_frame_has_the_same_columns_and_types_with_and_without_rows() -> None:
    full, empty = report(FAILED).frame, report().frame

    assert list(full.columns) == COLUMNS
    assert full.iloc[0].tolist() == [
        "bridge",
        "FAIL",
        "none",
        "br0",
        "VMs need one",
        "kk.plan_bridge",
        "30-bridge",
    ]
    assert_frame_equal(full.iloc[:0], empty, check_index_type=False)
    assert isinstance(empty.index, pd.RangeIndex)
    assert [str(dtype) for dtype in empty.dtypes] == ["str"] * 7


def test_html_shows_status_advice_and_no_markup_of_others() -> None:
    shown = report(FAILED, Check("<b>x", Status.WARN, "<i>y", fix="<u>z"))._repr_html_()

    for text in ("FAIL", "kk.plan_bridge", "30-bridge.ipynb", "&lt;b&gt;x", "&lt;i&gt;y", "&lt;u&gt;z"):
        assert text in shown
    assert "<u>" not in shown
