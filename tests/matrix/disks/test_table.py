"""A disk is kept wherever another VM or image needs it, and deleted where nobody does."""

import pytest

from tests.matrix.disks.scene import NOTATIONS, PLACES, STARTS, Scene, is_kept_as_long_as_needed


@pytest.mark.parametrize("running", [False, True], ids=["off", "running"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("notation", NOTATIONS)
def test_an_image_on_the_disk(stage: Scene, notation: str, place: str, running: bool) -> None:
    if running and notation not in STARTS:
        pytest.skip("libvirt starts no VM on that, as it does not read this notation")
    if notation.startswith("in the same folder") and place == "elsewhere":
        pytest.skip("the disk is not in that folder")
    is_kept_as_long_as_needed(stage, f"{PLACES[place]}/top", NOTATIONS[notation], running=running)
