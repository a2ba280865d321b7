"""What is read from consoles. The texts but one are synthetic: put together from sources and manuals."""

import pytest

from kvmkit.install.watch import ended_by_itself, last_words, question, stages, stays_on, trouble

BOOT = "[    0.000000] Linux version 6.1.0-18-amd64 (debian-kernel@lists) #1 SMP\n"
END = "[  301.1] reboot: Restarting system\n"
ANACONDA = BOOT + (
    "Starting installer, one moment...\n"
    "anaconda 34.25.4.9-1.el9.rocky.0.1 for Rocky Linux 9.4 started.\n"
    "Starting automated install..\n"
    "Starting package installation process\n"
    "Installing boot loader\n"
    "Installation complete\n"
)
DEBIAN = BOOT + (
    "Starting system log daemon: syslogd, klogd.\n"
    "Retrieving preconfiguration file\n"
    "Partitions formatting\n"
    "Installing the base system\n"
    "Installing GRUB boot loader\n"
    "Finishing the installation\n"
    "Sent SIGKILL to all processes\n"
)
MODULES = """Configuring d-i
---------------

No kernel modules were found. This probably is due to a mismatch between the
kernel used by this version of the installer and the kernel version available
in the archive.

Continue the install without loading kernel modules?
  1: Yes      2: No [*]
Prompt: '?' for help, default=2> """
"""Printed by the programs of Debian 12's installer on a machine with another kernel; shortened."""
ALL = [
    "the kernel runs",
    "the installer is up",
    "the answers are read",
    "the system is unpacked",
    "the boot loader is put in",
    "the installation is complete",
    "it restarts",
]


@pytest.mark.parametrize("text", [ANACONDA + END, DEBIAN + END], ids=["anaconda", "debian"])
def test_an_installer_goes_through_its_stages(text: str) -> None:
    assert [stage for stage in stages(text) if stage != "the disk is partitioned"] == ALL


def test_nothing_is_told_of_a_silent_console() -> None:
    assert stages("") == []
    assert trouble("") == question("") == ""
    assert not ended_by_itself("")


@pytest.mark.parametrize(
    "line",
    [
        "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        "You are in emergency mode. After logging in, type journalctl",
        "Pane is dead (status 1, Thu Jan  1 00:00:00 1970)",
        "The following error occurred while installing the payload. This is a fatal error",
        "An error occurred during reading the kickstart file:",
        "Warning: Could not boot.",
        "finish: subiquity/Install/install: FAIL: CalledProcessError",
    ],
)
def test_the_line_that_says_that_it_cannot_go_on_is_found(line: str) -> None:
    assert trouble(f"{BOOT}[    2.5] {line}\nmore\n") == " ".join(line.split())


@pytest.mark.parametrize("text", [ANACONDA, DEBIAN])
def test_a_good_installation_is_in_no_trouble_and_asks_nothing(text: str) -> None:
    assert trouble(text) == ""
    assert question(text) == ""


def test_a_question_counts_while_it_is_what_the_console_ends_with() -> None:
    asked = "  [!!] Choose a mirror of the Debian archive\n"

    assert question(BOOT + asked) == "[!!] Choose a mirror of the Debian archive"
    assert question(BOOT + asked + "Retrieving base-files\n" * 300) == ""


def test_the_question_is_the_last_that_debconf_writes_line_by_line() -> None:
    asked = question(BOOT + MODULES)
    assert asked == (
        "Continue the install without loading kernel modules? "
        "1: Yes 2: No [*] Prompt: '?' for help, default=2>"
    )
    assert question(f"{BOOT}{MODULES}\n") == asked  # so on a serial line
    assert question(f"{BOOT}{MODULES}2\nLoading additional components  ... 33%") == ""
    assert question("Copying [=====>") == ""


def test_only_the_end_of_a_console_is_the_end_of_a_system() -> None:
    assert ended_by_itself(BOOT + END)
    assert ended_by_itself(BOOT + "[ 9.1] reboot: Power down\n")
    assert not ended_by_itself(BOOT + END + BOOT + "line\n" * 20)


@pytest.mark.parametrize(
    "line",
    [
        "Installation complete. Press ENTER to quit:",
        "Installation complete. Press ENTER to quit",
        "Please remove the installation medium, then press ENTER:",
        "[  812.1] reboot: System halted",
    ],
)
def test_an_installer_that_is_done_may_leave_the_vm_on(line: str) -> None:
    assert stays_on(f"{BOOT}{line} \n\n") == line
    assert ended_by_itself(f"{BOOT}{line}\n")
    assert stays_on(f"{BOOT}{line}\nInstalling software 3%\n") == ""
    assert stays_on(f'{BOOT}echo "{line[:-1]}"; sleep 1\n') == ""


def test_last_words_leave_out_what_is_blank() -> None:
    assert last_words("a\n\n  \nb  \nc\n", 2) == "b\nc"
    assert last_words("\n") == "(nothing)"


def test_what_the_kernel_is_told_is_not_yet_what_it_does() -> None:
    told = "[ 0.0] Kernel command line: auto=true preseed/file=/preseed.cfg inst.ks=file:/ks.cfg\n"
    assert stages(BOOT + told) == ["the kernel runs"]
