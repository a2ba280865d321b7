"""What `make bench` makes of its measurements; nothing is timed here."""

from tests.bench.imports import third_party_imports
from tests.bench.measure import Row, alternate, compare, table
from tests.netlab.lan import Interruption, interruption


def test_the_sides_take_turns_and_the_first_round_does_not_count() -> None:
    clock = iter(range(100))
    pairs = alternate(3, lambda: next(clock), lambda: next(clock))

    assert pairs == [(2, 3), (4, 5), (6, 7)]


def test_the_ratio_is_that_of_the_medians() -> None:
    row = compare("ours", "theirs", [(2.0, 1.0), (3.0, 1.5), (90.0, 2.0)], bound=1.9)

    assert row == Row("ours", "theirs", 2.0, 1.9, (3.0, 1.5))
    assert not row.holds


def test_a_figure_at_its_bound_holds_and_one_without_is_only_told() -> None:
    assert Row("ours", "theirs", 1.5, 1.5).holds
    assert Row("ours", "theirs", 99.0).holds


def test_the_table_is_markdown_with_ratios_before_times() -> None:
    rows = [
        Row("a", "beside", 1.257, 1.5, (0.0137, 2.0)),
        Row("trips", "count", 4, 3),
        Row("told", "only", 2.0, None, (1.0, 0.5)),
    ]

    assert table(rows).splitlines() == [
        "| measured | beside | ratio | at most | holds | medians          |",
        "| -------- | ------ | ----- | ------- | ----- | ---------------- |",
        "| a        | beside | 1.26  | 1.5     | yes   | 13.7 ms / 2.00 s |",
        "| trips    | count  | 4     | 3       | NO    |                  |",
        "| told     | only   | 2.00  |         |       | 1.00 s / 500 ms  |",
    ]


def test_the_dependencies_are_the_imports_of_others_modules() -> None:
    lines = third_party_imports()

    assert {"import libvirt", "import pandas as pd", "from lxml import etree"} <= set(lines)
    assert not [line for line in lines if "kvmkit" in line or "subprocess" in line or "__future__" in line]


def test_an_interruption_is_what_was_lost_or_late_and_not_what_was_never_asked() -> None:
    # Number, when it came back, how long that took.
    answers = [
        (1, 10.001, 0.001),
        (2, 10.5, 0.001),
        (3, 10.506, 0.002),
        (7, 10.526, 0.001),
        (8, 10.53, 0.001),
    ]

    found = interruption(answers)

    assert (found.sent, found.lost) == (8, 3)
    assert round(found.seconds, 3) == 0.021
    assert round(interruption([*answers, (9, 11.6, 1.05)]).seconds, 3) == 1.05


def test_a_peer_sees_nothing_shorter_than_the_time_between_two_packets() -> None:
    assert interruption([(1, 10.001, 0.001), (2, 10.006, 0.001)]) == Interruption(2, 0, 0.005)
    assert interruption([]) == Interruption(0, 0, 0)
