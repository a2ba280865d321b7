"""What is planned to be sent, and what of it is kept."""

import kvmkit as kk
from kvmkit.install.upload import Upload, upload_volume

SEED = Upload("default", "seed.iso", "/images/seed.iso", 6, content=b"$6$abc")


def test_a_secret_is_in_no_record_and_no_display() -> None:
    plan = kk.Plan(uri="test:///default", title="seed", steps=(upload_volume(SEED),))

    kept = plan.model_dump_json() + repr(plan) + plan._repr_html_() + repr(plan.steps) + repr(SEED)

    assert "$6$abc" not in kept
    assert "JDYkYWJj" not in kept  # the same in base64
    assert plan.steps[0].secrets["content"].get_secret_value() == "JDYkYWJj"


def test_a_secret_does_not_change_which_plan_it_is() -> None:
    first, second = (
        kk.Plan(uri="test:///default", title="boot", steps=(upload_volume(upload),))
        for upload in (SEED, Upload("default", "seed.iso", "/images/seed.iso", 6, content=b"$6$xyz"))
    )

    assert first.id == second.id


def test_it_is_rehearsed_on_the_practice_host() -> None:
    plan = kk.Plan(uri="test:///default", title="seed", steps=(upload_volume(SEED),))

    report = kk.apply(plan)

    assert [check.status for check in report.checks] == [kk.Status.SKIP]
    assert kk.pending(kk.connect("test:///default")) == []
