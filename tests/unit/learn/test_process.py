"""A QEMU seen by ps, from what was recorded of one."""

import kvmkit as kk
from kvmkit import learn
from kvmkit.learn.process import _read


def test_on_the_practice_host_a_recorded_qemu_is_shown_and_says_so() -> None:
    seen = learn.qemu_process(kk.connect("test:///default"))

    assert seen.recorded == "a VM of the practice host is no process"
    assert repr(seen).startswith("VM web1, RECORDED on Debian 12")
    assert "RECORDED" in seen._repr_html_()
    assert [name for name in seen.threads["name"] if "KVM" in name] == ["CPU 0/KVM", "CPU 1/KVM"]
    assert seen.files == ("/dev/kvm", "anon_inode:kvm-vcpu:0", "anon_inode:kvm-vcpu:1", "anon_inode:kvm-vm")
    assert seen.command.startswith("/usr/bin/qemu-system-x86_64 -name guest=web1")
    assert "-accel kvm" in seen.command


def test_files_that_only_root_may_see_are_said_to_be_so() -> None:
    seen = _read(
        "a", "/usr/bin/qemu-system-x86_64 -name guest=a\n---\n 7 0 Sl 00:00:01 CPU 0/TCG\n---\n", "here"
    )

    assert "only root may see them" in repr(seen)
    assert "only root may see them" in seen._repr_html_()
    assert seen.threads.loc["7", "name"] == "CPU 0/TCG"
