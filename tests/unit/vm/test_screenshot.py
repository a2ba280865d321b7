"""A picture of a screen is read in libvirt's formats alone, and in bounds."""

import io

import pytest
from PIL import Image

import kvmkit as kk
from kvmkit.vm.console import opened


def written(form: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 4)).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize("form", ["PPM", "PNG"])
def test_the_formats_of_libvirt(form: str) -> None:
    assert opened(written(form), "web1").size == (8, 4)


@pytest.mark.parametrize("form", ["EPS", "GIF", "JPEG", "TIFF", "BMP", "WEBP", "ICO", "PDF"])
def test_no_other_format_is_opened(form: str) -> None:
    with pytest.raises(kk.LibvirtFailed, match="picture of VM web1 is in no format that libvirt has"):
        opened(written(form), "web1")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"P3\n1 1\n255\n1 1 1",
        b"P6",
        b"P6\n8 4\n255\nx",
        b"P6\n90000 90000\n255\n",
        b"P6\n9999 9999\n255\n",
        written("PNG")[:44],
        written("PNG")[:20],
        b"P6\n-1 4\n255\n",
        b"P6\n" + b"9" * 10000,
    ],
)
def test_what_is_broken_or_too_large_is_said_to_be(data: bytes) -> None:
    with pytest.raises(kk.LibvirtFailed, match="the picture of VM web1"):
        opened(data, "web1")
