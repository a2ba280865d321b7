"""What a watch says of the answers that came."""

from lxml import etree

from kvmkit.bridge.watch import Pause


def test_answers_without_a_gap_are_told_in_words_alone() -> None:
    assert repr(Pause("192.168.0.1", (True,) * 40)) == "192.168.0.1 answered the host all the time"


def test_a_gap_is_told_and_drawn() -> None:
    pause = Pause("192.168.0.1", (True,) * 10 + (False,) * 20 + (True,) * 10)

    assert repr(pause) == "192.168.0.1 did not answer the host for 1.00 s"
    picture = etree.fromstring(pause._picture())
    assert [(bar.get("x"), bar.get("width")) for bar in picture.iter("{*}rect")] == [
        ("10", "150"),
        ("460", "150"),
    ]
    assert "data:image/svg+xml" in pause._repr_html_()
    assert pause.frame.loc[pause.frame["answered"], "second"].tolist()[9:11] == [0.45, 1.5]


def test_no_answer_at_all_is_told() -> None:
    assert repr(Pause("192.168.0.1", ())) == "192.168.0.1 did not answer at all"
    assert "did not answer at all" in Pause("192.168.0.1", ())._repr_html_()
