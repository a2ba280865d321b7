"""Packages that a real apt installs over SSH, watched."""

import kvmkit as kk
from tests.lab.lab import Lab


def test_who_watches_sees_each_package_while_it_is_installed(debian: Lab, host: kk.Host) -> None:
    told: list[str] = []

    def progress(what: str) -> None:
        told.append(what)
        if what == "setting up kvmkit-slow":
            # Its configuration waits for this file: were it told at the end only, there would be no end.
            debian.run(["touch", "/run/go-on"])

    plan = kk.plan_packages(host, ["kvmkit-slow", "kvmkit-tool"])
    report = kk.apply(plan, progress=progress)
    debian.run(["rm", "/run/go-on"])

    assert report.ok
    names = ["kvmkit-base", "kvmkit-slow", "kvmkit-tool"]
    assert {f"{verb} {name}" for verb in ("downloading", "unpacking", "setting up") for name in names} < set(
        told
    )
    assert [what for what in told if what in {step.title for step in plan.steps}] == [
        step.title for step in plan.steps
    ]
    assert told.index("downloading kvmkit-tool") < told.index(plan.steps[1].title)
    assert told.index("unpacking kvmkit-slow") < told.index("setting up kvmkit-slow")
