"""Networks of the captures."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kvmkit.bridge.facts import Network
from kvmkit.bridge.read import parse_network

CAPTURES = Path(__file__).parents[2] / "captures" / "bridge"


@pytest.fixture(params=["bookworm", "trixie"])
def captures(request: pytest.FixtureRequest) -> Path:
    """Give the captures of one release of Debian, and then of the other."""
    return CAPTURES / str(request.param)


@pytest.fixture
def read_capture(captures: Path) -> Callable[[str], Network]:
    """Parse a capture by its name."""
    return lambda name: parse_network((captures / f"{name}.txt").read_text())


@pytest.fixture
def edited(captures: Path) -> Callable[..., Network]:
    """Parse a capture in which sections have other lines, which makes it synthetic.

    ``edited("iproute2", zones=["work"])``; an underscore stands for a blank.
    """

    def edit(name: str, **changes: list[str]) -> Network:
        sections = {section.replace("_", " "): lines for section, lines in changes.items()}
        return parse_network(with_sections((captures / f"{name}.txt").read_text(), sections))

    return edit


def with_sections(text: str, sections: dict[str, list[str]]) -> str:
    """Replace the lines of sections, or add them."""
    head, *parts = f"\n{text}".split("\n### ")
    found = dict(part.split("\n", 1) for part in parts)
    end = found.pop("network end")
    found |= {name: "".join(f"|{line}\n" for line in lines) for name, lines in sections.items()}
    found["network end"] = end
    return head + "".join(f"\n### {name}\n{lines}" for name, lines in found.items())
