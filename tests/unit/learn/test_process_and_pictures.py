"""A QEMU seen by ps, from what was recorded of one, and the pictures."""

import pytest
from lxml import etree

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


@pytest.mark.parametrize("draw", [learn.picture_of_modes, learn.picture_of_the_loop])
def test_a_picture_is_drawn_in_the_colours_of_the_page_and_told_as_text(draw: object) -> None:
    assert callable(draw)
    picture = draw()
    svg = etree.fromstring(picture.svg)
    texts = svg.findall(".//{*}text")

    assert svg.findtext("{*}title") == picture.text == repr(picture)
    assert texts
    assert {text.get("fill") for text in texts} == {"currentColor"}
    assert "http" not in picture.svg.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("draw", [learn.picture_of_modes, learn.picture_of_the_loop])
def test_nothing_of_a_picture_is_outside_of_it(draw: object) -> None:
    assert callable(draw)
    svg = etree.fromstring(draw().svg)
    _, _, width, height = (float(number) for number in str(svg.get("viewBox")).split())
    for shape in svg.iter("{*}rect", "{*}text"):
        # 7.5 pixels are a wide letter of this size.
        right = float(shape.get("width", 0)) or 7.5 * len(shape.text or "") * (
            shape.get("text-anchor") == "start"
        )
        assert 0 <= float(shape.get("x", 0)) + right <= width
        assert float(shape.get("y", 0)) + float(shape.get("height", 0)) <= height
