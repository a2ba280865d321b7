"""A drive whose tray the guest closes while it is changed."""

import libvirt
import pytest

from kvmkit.vm import media


class Drive:
    """Fails so often before it works: a fake, as firmware closes the tray by chance alone."""

    def __init__(self, times: int, said: str) -> None:
        self.left, self.said, self.asked = times, said, 0

    def change(self) -> None:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise libvirt.libvirtError(self.said)


def test_a_tray_that_the_guest_closes_is_opened_again() -> None:
    drive = Drive(2, f"internal error: unable to execute QEMU command: {media.TRAY}")
    media._patiently(drive.change)
    assert drive.asked == 3


def test_another_error_is_told_at_once_and_a_tray_that_stays_closed_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for said, seconds in (("the drive is locked", 10), (media.TRAY, 0)):
        monkeypatch.setattr(media, "TRAY_SECONDS", seconds)
        drive = Drive(5, said)
        with pytest.raises(libvirt.libvirtError, match=said):
            media._patiently(drive.change)
        assert drive.asked <= 2
