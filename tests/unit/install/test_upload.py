"""What is planned to be sent, and what becomes of it where nothing can be."""

import kvmkit as kk
from kvmkit.install.upload import Upload, _alike, upload_volume

IMAGE = Upload("default", "a.img", "/images/a.img", 3 * 2**20, "/home/me/a.img")


def test_a_step_says_what_is_sent_and_how_much() -> None:
    step = upload_volume(IMAGE)

    assert step.title == "upload volume a.img to pool default: 3 MiB"
    assert step.args["capacity"] == 3 * 2**20


def test_it_is_rehearsed_on_the_practice_host() -> None:
    plan = kk.Plan(uri="test:///default", title="an image", steps=(upload_volume(IMAGE),))

    report = kk.apply(plan)

    assert [check.status for check in report.checks] == [kk.Status.SKIP]
    assert kk.pending(kk.connect("test:///default")) == []


def test_a_volume_that_is_still_being_written_is_known_for_ours() -> None:
    # Who reads while another writes sees a hole where the writer has overtaken.
    assert _alike(b"QFI\0\0\0gh", b"QFIdefgh")
    assert _alike(b"\0\0", b"ab")
    assert not _alike(b"QFIx", b"QFId")
