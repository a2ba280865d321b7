"""The consoles of real VMs, by the Python side of what a page shows."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator

import libvirt
import pytest

import kvmkit as kk
from kvmkit.forms.console import _library
from kvmkit.vm.session import Session
from tests.lab.waiting import SECONDS, wait_until
from tests.realqemu.vm.world import ASKS, BOOT, PROMPT, READY, World

LOGIN = "echo root::0:0::/:/bin/sh > /etc/passwd; exec getty 115200 ttyS0\n"
"""Has the guest, which gives its shell to anybody, ask for a login."""

# SeaBIOS talks on the serial line and finds nothing to boot.
FIRMWARE = """<domain type='qemu'>
  <name>firmware</name><memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type><bios useserial='yes'/></os>
  <devices><serial type='pty'/></devices>
</domain>"""

# For a process that sees the lab's libvirt as its own: the same, without SSH and without a page.
ALONE = """
import re, sys, time
import kvmkit as kk
console = kk.console(kk.connect("qemu:///system"), "linux")
print(repr(console))
print(sorted(console._repr_mimebundle_()[0]))
deadline = time.monotonic() + 40
for typed, words in (("\\n", "[/~] #"), ("echo alone=$((1+1))\\n", "alone=2")):
    console.type(typed)
    while not re.search(words, console.transcript):
        assert time.monotonic() < deadline, console.transcript
        time.sleep(0.1)
console.close()
"""


@pytest.fixture(scope="module", autouse=True)
def terminal() -> None:
    """Have the terminal's JavaScript, which is not committed."""
    try:
        _library()
    except kk.Unsupported as error:
        pytest.skip(str(error))


@pytest.fixture
def linux(world: World) -> Iterator[kk.Console]:
    """Give the console of a guest that has just been started."""
    kk.apply(kk.plan_vm(world.host, world.linux(disk_gib=0)))
    opened = kk.console(world.host, "linux")
    yield opened
    opened.close()


def answer(console: kk.Console, typed: str, pattern: str) -> None:
    """Type, and wait for what the guest answers.

    Also for its prompt, before more is typed: a shell that is about to ask for a line may lose keys.
    """
    before = len(console.transcript)
    console.type(typed)
    wait_until(
        lambda: re.search(pattern, console.transcript[before:], re.DOTALL),
        f"{pattern} after {typed!r}",
        saw=lambda: console.transcript[before:][-2000:],
    )


def boot(world: World, console: kk.Console) -> None:
    """Wait until the guest's shell asks, which it may have done before anybody was attached.

    Its first prompt may reach the console only now, so a prompt alone does not tell that it has answered.
    """
    world.wait_for("linux", PROMPT)
    answer(console, "echo booted=$((1+1))\n", f"booted=2.*{ASKS}")


def wait_for(console: kk.Console, state: str) -> None:
    wait_until(lambda: console.state == state, f"{state} as the state", saw=lambda: repr(console))


def test_somebody_logs_in_and_the_vm_reboots_and_goes_off_and_comes_back(
    world: World, host: kk.Host, linux: kk.Console
) -> None:
    assert repr(linux) == "Console of VM linux on qemu+ssh://root@lab/system: attached"
    assert kk.console(host, "linux") is linux
    boot(world, linux)
    answer(linux, LOGIN, "login: ")
    answer(linux, "root\n", ASKS)
    answer(linux, "uname -a\n", f"GNU/Linux.*{ASKS}")

    # Many bytes at once come as they were, and Ctrl-C ends what would never end.
    answer(linux, "echo got=$((1+1)); cat > /pasted\n", "got=2")
    pasted = "".join(f"{line:060d}\n" for line in range(200))
    linux.type(pasted + "\x04")
    digest = hashlib.sha256(pasted.encode()).hexdigest()
    answer(linux, "sha256sum /pasted\n", f"{digest}.*{ASKS}")
    answer(linux, "yes\n", r"(y\n){1000}")
    answer(linux, "\x03", ASKS)

    # A reboot of the guest leaves the line as it is.
    before = len(linux.transcript)
    kk.reboot(host, "linux")
    again = re.compile(f"{READY}.*{ASKS}", re.DOTALL)
    wait_until(
        lambda: again.search(linux.transcript[before:]),
        "the guest is back",
        BOOT,
        saw=lambda: linux.transcript[before:][-2000:],
    )
    answer(linux, "echo back=$((1+1))\n", f"back=2.*{ASKS}")

    kk.destroy(host, "linux")
    wait_for(linux, "off")
    with pytest.raises(kk.WrongState, match=r"nothing can be typed at VM linux .* now: off"):
        linux.type("\n")
    with pytest.raises(kk.WrongState, match=r"is shut off.*kk\.start\(host, 'linux'\)"):
        Session(host, "linux").open(lambda _data: None, lambda _state, _why: None)
    kk.start(host, "linux")
    wait_for(linux, "attached")
    boot(world, linux)


def test_one_reader_at_a_time_on_ssh_and_local_hosts_alike(
    world: World, host: kk.Host, linux: kk.Console
) -> None:
    other = Session(host, "linux")
    said = bytearray()
    with pytest.raises(kk.Busy, match=r"somebody else reads the console of VM linux .* force=True"):
        other.open(said.extend, lambda _state, _why: None)
    other.open(said.extend, lambda _state, _why: None, force=True)
    wait_for(linux, "taken")
    other.close()

    # Free again, it goes to a process of this machine that has libvirt as its own, and then back.
    world.wait_for("linux", PROMPT)
    alone = world.lab.local([sys.executable, "-c", ALONE])
    done = subprocess.run(alone, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert "Console of VM linux on qemu:///system: attached" in done.stdout
    assert "['application/vnd.jupyter.widget-view+json', 'text/html', 'text/plain']" in done.stdout
    again = kk.console(host, "linux")
    assert again is not linux
    answer(again, "echo again=$((1+1))\n", f"again=2.*{ASKS}")

    # The daemon goes, and with it the connection; the guest does not.
    states: list[str] = []
    again.observe(lambda change: states.append(change["new"]), names="state")
    world.lab.restart_libvirtd()
    wait_until(
        lambda: "lost" in states and states[-1] == "attached", "the console is back", saw=lambda: states
    )
    answer(again, "echo restarted=$((1+1))\n", f"restarted=2.*{ASKS}")
    again.close()


def test_two_at_once_are_kept_apart(world: World, host: kk.Host, linux: kk.Console) -> None:
    with host.changing("start a VM without a system") as connection:
        connection.createXML(FIRMWARE, libvirt.VIR_DOMAIN_START_PAUSED)
    firmware = kk.console(host, "firmware")
    kk.resume(host, "firmware")
    wait_until(
        lambda: "SeaBIOS" in firmware.transcript, "SeaBIOS on its console", saw=lambda: firmware.transcript
    )
    boot(world, linux)
    answer(linux, "uname -a\n", f"GNU/Linux.*{ASKS}")

    assert "Linux" not in firmware.transcript
    assert "SeaBIOS" not in linux.transcript
    kk.destroy(host, "firmware")
    wait_for(firmware, "off")
    assert linux.state == "attached"
    firmware.close()
    with pytest.raises(kk.WrongState, match="is closed"):
        firmware.type("\n")


def test_a_vm_without_a_console_and_one_that_is_not_there(world: World, host: kk.Host) -> None:
    world.define("plain")
    with pytest.raises(kk.Unsupported, match=r"VM plain .* has no serial console: put <serial type='pty'/>"):
        kk.console(host, "plain")
    with pytest.raises(kk.NotFound, match=r"no VM 'nobody' .* it has: plain"):
        kk.console(host, "nobody")
