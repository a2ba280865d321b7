"""What a guest's screen shows, as far as a test can tell."""

from PIL import Image


def shows_text(screen: Image.Image) -> bool:
    """Whether there is more than one colour on it."""
    return len(screen.getcolors(maxcolors=2**24) or ()) > 1


def shows_a_menu(screen: Image.Image) -> bool:
    """Whether a bright line crosses the screen, as the frame of GRUB's menu does and no text of a BIOS."""
    bright = screen.convert("L").point(lambda value: 255 if value > 100 else 0)
    rows = bright.resize((1, screen.height), Image.Resampling.BOX)
    return max(rows.tobytes()) > 0.9 * 255
