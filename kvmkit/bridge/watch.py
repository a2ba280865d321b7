"""watch: how long does the network pause?  The host pings its gateway while something changes."""

from __future__ import annotations

import re
import uuid
import weakref
from dataclasses import dataclass
from functools import partial

import pandas as pd
from markupsafe import Markup

from kvmkit.bridge.read import read_network
from kvmkit.drawing import as_image, bar, drawn, text
from kvmkit.host import Host
from kvmkit.prepare.root import Root, as_root
from kvmkit.safe import html, one_line, page

__all__ = ["Pause", "Watch", "watch"]

EVERY = 0.05
"""Seconds between two packets."""
# Detached, as the way to the host may be cut; bounded, as it may stay cut.
START = """
mkdir -p -m 700 /run/kvmkit && mkdir -m 700 "$1" && cd "$1" || exit
shift
exec </dev/null >/dev/null 2>&1
setsid -f sh -c 'echo $$ >pid; exec ping -n -i "$1" -w "$2" "$3" >pings 2>&1' sh "$@"
"""
STOP = """
cd "$1" || exit
number=$(cat pid)
# One that has ended by itself may have left its number to another process, which is not in this folder.
pings() { [ "/proc/$number/cwd" -ef . ]; }
pings && kill -INT "$number"
# It writes what it still holds when it ends.
tries=0
while pings && [ "$tries" -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.05
done
cat pings
rm -rf "$1"
rmdir /run/kvmkit 2>/dev/null || :
"""


@dataclass(frozen=True)
class Pause:
    """What came of watching.

    Attributes
    ----------
    address
        Who was pinged.
    answered
        Packet by packet, one each :data:`EVERY` seconds, whether it was answered.
    """

    address: str
    answered: tuple[bool, ...]

    @property
    def seconds(self) -> float:
        """How long no answer came, all in all; packets are 0.05 s apart, so that is how exact it is."""
        return EVERY * self.answered.count(False)

    @property
    def frame(self) -> pd.DataFrame:
        """RangeIndex; columns ``second`` (since the watch began), ``answered``."""
        times = [round(EVERY * number, 2) for number in range(len(self.answered))]
        return pd.DataFrame({"second": times, "answered": list(self.answered)})

    def __repr__(self) -> str:
        address = one_line(self.address)
        if not self.answered:
            return f"{address} did not answer at all"
        if all(self.answered):
            return f"{address} answered the host all the time"
        return f"{address} did not answer the host for {self.seconds:.2f} s"

    def _repr_html_(self) -> Markup:
        told = repr(self)
        return page(html("<p>{}</p>{}", told, as_image(self._picture(), told, differs=True)))

    def _picture(self) -> str:
        """Draw a bar that is whole while answers came; one colour and gaps are told apart by everybody."""
        width = max(len(self.answered), 1)
        bars = [
            bar(10 + 600 * start // width, 10, 600 * length // width, 12)
            for start, length in _runs(self.answered)
        ]
        end = text(610, 40, f"{EVERY * len(self.answered):.0f} s", anchor="end")
        return drawn(620, 50, [*bars, text(10, 40, "0 s"), end])


def _runs(answered: tuple[bool, ...]) -> list[tuple[int, int]]:
    """Find where answers come without a gap: the first of each run, and how many.

    >>> _runs((True, True, False, True))
    [(0, 2), (3, 1)]
    """
    text = "".join("+-"[not one] for one in answered)
    return [(found.start(), len(found[0])) for found in re.finditer(r"\++", text)]


class Watch:
    """What :func:`watch` gives; it ends with it, or with the process.

    Attributes
    ----------
    address
        Who is pinged.
    """

    def __init__(self, root: Root, address: str, seconds: int) -> None:
        self.address = address
        self._pause: Pause | None = None
        folder = f"/run/kvmkit/watch-{uuid.uuid4().hex[:8]}"
        root.run(["sh", "-c", START, "sh", folder, str(EVERY), str(seconds), address])
        self._end = partial(root.run, ["sh", "-c", STOP, "sh", folder])
        # Nobody may ask what came of it, as in a runbook that has stopped at its gate.
        self._unasked = weakref.finalize(self, self._end)

    def stop(self) -> Pause:
        """End it, and say what came of it; nothing of it is left on the host.

        Returns
        -------
        Pause
            Shows itself, as a picture in a notebook.
        """
        if self._pause is None:
            said = self._end().stdout
            self._unasked.detach()
            # 64 bytes from 192.168.0.1: icmp_seq=12 ttl=64 time=0.052 ms
            numbers = {int(found) for found in re.findall(r"icmp_seq=(\d+) ttl=", said)}
            # What was on its way at the end is not lost.
            last = max(numbers, default=0)
            self._pause = Pause(self.address, tuple(number in numbers for number in range(1, last + 1)))
        return self._pause


def watch(host: Host, *, seconds: int = 600) -> Watch:
    """Have the host ping its gateway twenty times a second, to see how long its network pauses.

    Parameters
    ----------
    host
        The host; on the practice host its sandbox. One without a gateway pings itself.
    seconds
        After which it ends by itself.

    Returns
    -------
    Watch
        Its ``stop()`` says what came of it.

    Raises
    ------
    Unsupported
        No rights; or this machine allows the practice host no network.

    Examples
    --------
    >>> import kvmkit as kk
    >>> host = kk.connect("test:///default")
    >>> watch = kk.watch(host)
    >>> report = kk.apply(kk.plan_bridge(host, kk.BridgeSpec(nic="eth0")))
    >>> watch.stop()
    192.168.0.1 answered the host all the time
    """
    routes = read_network(host).routes
    gateways = [route.gateway for route in routes if route.destination == "default" and route.gateway]
    return Watch(as_root(host.networked()), next(iter(gateways), "127.0.0.1"), seconds)
