"""tools/system-packages against a package manager of our own: the real one would change this machine."""

import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from tests import written

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "system-packages"
TOOLS = ["cat", "cut", "dirname", "env", "grep", "head", "mktemp", "rm", "sed", "sh", "tail", "tr"]
CLIENT = ["cc", "ip", "make", "openssl", "ping", "pkg-config", "qemu-img", "ssh", "virt-install"]
# What it is asked to do goes to a file; it "installs" by putting the command where it is looked for.
APT_GET = """#!/bin/sh
echo "offline=$SYSTEMD_OFFLINE $*" >>"{log}"
case $1 in
-s) printf 'Suggested packages:\\n  libvirt-daemon\\nInst {installs} (9.0 stable)\\n' ;;
install) cp "{bin}/make" "{bin}/virt-install" ;;
esac
"""


class Machine:
    """A PATH with everything but virt-install, and an apt-get that writes down what it is told."""

    def __init__(self, folder: Path, *, uid: int, installs: str) -> None:
        self.bin, self.log = folder / "bin", folder / "apt.log"
        self.bin.mkdir()
        self.log.touch()
        for tool in [*TOOLS, "cp"]:
            (self.bin / tool).symlink_to(which(tool) or tool)
        self.put("python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        self.put("id", f"#!/bin/sh\necho {uid}\n")
        for tool in CLIENT:
            self.put(tool, "#!/bin/sh\n")
        (self.bin / "virt-install").unlink()
        self.put("apt-get", APT_GET.format(log=self.log, bin=self.bin, installs=installs))

    def put(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT],
            env={"PATH": str(self.bin)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def make(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Have make run it; the make that is found by the PATH does nothing."""
        return subprocess.run(
            command,
            executable=which("make"),
            cwd=SCRIPT.parents[1],
            env={"PATH": str(self.bin)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def asked(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()


def test_it_installs_only_what_is_missing_and_lets_nothing_start(tmp_path: Path) -> None:
    machine = Machine(tmp_path, uid=0, installs="virtinst")
    done = machine.run()

    assert done.returncode == 0, done.stderr
    assert "virtinst: describes virtual machines" in done.stdout
    assert machine.asked[-1] == "offline=1 install --no-install-recommends --no-upgrade -y virtinst"
    # The second time there is nothing to ask for.
    asked = machine.asked
    again = machine.run()
    assert (again.returncode, again.stdout, machine.asked) == (0, "", asked)


@pytest.mark.parametrize("daemon", ["libvirt-daemon-system", "network-manager", "dnsmasq", "openssh-server"])
def test_it_refuses_what_would_bring_a_service(tmp_path: Path, daemon: str) -> None:
    machine = Machine(tmp_path, uid=0, installs=daemon)
    done = machine.run()

    assert done.returncode == 1
    assert f"would bring a service: {daemon} " in done.stdout
    assert "apt-get install --no-install-recommends --no-upgrade -y virtinst" in done.stderr
    assert [line for line in machine.asked if " -s " not in line] == []


def test_without_root_and_sudo_it_gives_the_exact_command(tmp_path: Path) -> None:
    machine = Machine(tmp_path, uid=1000, installs="virtinst")
    done = machine.run()

    assert done.returncode == 1
    assert "not root, and there is no sudo" in done.stderr
    assert "apt-get install --no-install-recommends --no-upgrade -y virtinst" in done.stderr
    assert machine.asked == []


def test_make_system_and_make_test_system_install_by_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path, uid=0, installs="virtinst")
    install = "offline=1 install --no-install-recommends --no-upgrade -y"
    system = machine.make(written.argv("make system"))

    assert system.returncode == 0, system.stderr
    assert machine.asked[-1] == f"{install} virtinst"

    asked = machine.asked
    tests = machine.make(written.argv("make test-system"))

    assert tests.returncode == 0, tests.stderr
    installed = [
        line.removeprefix(f"{install} ") for line in machine.asked[len(asked) :] if " -s " not in line
    ]
    assert {"mmdebstrap", "cpio", "busybox", "chromium"} <= set(installed)
