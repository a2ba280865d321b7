"""The command ``kvmkit``: open the runbooks, run one without a person, check a host."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

# Lazily: `kvmkit --help` waits for no libvirt and no pandas.
import kvmkit as kk
from kvmkit.errors import KvmkitError
from kvmkit.safe import indented

__all__ = ["main"]

PRACTICE = "test:///default"
FOLDER = "~/kvmkit-runbooks"


class OneLine(click.Group):
    """Commands whose errors are one line each: a user's mistake deserves no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KvmkitError as error:
            raise click.ClickException(indented(f"{type(error).__name__}: {error}")) from None


@click.group(cls=OneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kvmkit")
def main() -> None:
    """Check a host, make it ready for KVM and run virtual machines on it.

    A URI names the host: test:///default (to practise on), qemu:///system (this machine),
    qemu+ssh://root@kvm1/system (the machine kvm1, over SSH).
    """


@main.command(context_settings={"ignore_unknown_options": True})
@click.option("--folder", default=FOLDER, show_default=True, help="Where your copies of the runbooks are.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[JUPYTERLAB OPTIONS]")
def lab(folder: str, options: tuple[str, ...]) -> None:
    """Copy the runbooks to a folder of yours and open them in JupyterLab.

    A runbook that you have changed is left as it is. Options that are not listed here are
    JupyterLab's, for example --no-browser or --port=8890.
    """
    from kvmkit.lab import copy_runbooks, lab_app, serve  # noqa: PLC0415 - --help waits for none of it

    app = lab_app()
    kk.connect(PRACTICE)  # contacts nobody, and says at once what libvirt-python is missing here
    place = Path(folder).expanduser()
    if kept := copy_runbooks(place):
        click.echo(
            f"left as you changed them: {', '.join(kept)}. To have one as it came with kvmkit, "
            f"rename yours in {place} and repeat this command."
        )
    serve(app, place, options)


def _parameter(word: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign:
        raise click.BadParameter(f"{word!r} is not of the form PARAMETER=VALUE")
    return name, value


@main.command()
@click.argument("name")
@click.argument("parameters", nargs=-1, type=_parameter, metavar="[PARAMETER=VALUE]...")
@click.option("--uri", default=PRACTICE, show_default=True, help="The host.")
def run(name: str, parameters: tuple[tuple[str, str], ...], uri: str) -> None:
    """Run the runbook NAME without a person, and keep the executed notebook.

    A plan is applied only if the parameter confirm is its id, as in
    `kvmkit run 40-create-vm vm_name=web2 confirm=p33bb0cd24`; a run without it names the id.
    """
    click.echo(repr(kk.run_runbook(name, uri, **dict(parameters))))


@main.command()
@click.argument("uri")
def check(uri: str) -> None:
    """Say whether the host URI is ready to run VMs, why not, and what to do.

    It only reads. The exit code is 1 if a row says FAIL.
    """
    report = kk.check_host(kk.connect(uri))
    click.echo(repr(report))
    sys.exit(0 if report.ok else 1)
