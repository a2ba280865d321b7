"""vm_form: the verbs that act on a VM at once, as buttons."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import ipywidgets as widgets

from kvmkit.errors import NotFound
from kvmkit.forms.shown import RED, Shown, message
from kvmkit.host import Host
from kvmkit.safe import html, one_line
from kvmkit.vm.facts import domain, vms
from kvmkit.vm.lifecycle import destroy, reboot, resume, shutdown, start, suspend

__all__ = ["VMForm", "vm_form"]

VERBS: dict[str, Callable[[Host, str], None]] = {
    verb.__name__: verb for verb in (start, shutdown, reboot, suspend, resume, destroy)
}


def vm_form(host: Host, name: str = "") -> VMForm:
    """Show a VM's state and a button for each verb; ``destroy``, the power cut, asks first.

    Parameters
    ----------
    host
        Where.
    name
        Which VM at first; empty: the host's first. Another one can be chosen in the form.

    Returns
    -------
    VMForm
        Each click shows the call that it stands for, and what came of it.

    Raises
    ------
    NotFound
        The host has no such VM, or none to begin with.
    HostUnavailable, LibvirtFailed
        If the host cannot be asked.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.vm_form(kk.connect("test:///default"), "demo")
    VM demo on test:///default: running
    """
    return VMForm(host, name)


class VMForm(Shown):
    """The widget that :func:`vm_form` makes.

    Attributes
    ----------
    chosen
        The field in which the VM is chosen.
    buttons : dict
        Verb to its button; ``"really"`` is the one that destroy asks with.
    """

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self._error: Exception | None = None
        if name:
            with host.reading(f"find VM {name}") as connection:
                domain(host, connection, name)
        names = list(vms(host).index)
        if not names:
            raise NotFound(f"no VM is on {host.uri}: kk.plan_vm makes one")
        options = [(one_line(known), known) for known in names]
        self.chosen = widgets.Dropdown(description="VM", options=options, value=name or names[0])
        self.chosen.add_class("kvmkit-vm-name").observe(self._seen(self._choose), names="value")
        self._head = widgets.HTML().add_class("kvmkit-vm-state")
        self._said = widgets.HTML().add_class("kvmkit-vm-said")
        self.buttons = {verb: self._button(verb) for verb in VERBS}
        self.buttons["really"] = self._button("destroy", "Yes, cut its power")
        acts: dict[str, Callable[..., None]] = {verb: partial(self._act, verb) for verb in VERBS}
        acts |= {"destroy": self._ask, "really": acts["destroy"]}
        for key, button in self.buttons.items():
            button.on_click(self._seen(acts[key]))
        verbs = widgets.HBox([*self.buttons.values()], layout={"flex_flow": "row wrap"})
        super().__init__([self.chosen, self._head, verbs, self._said])
        self._choose()

    @property
    def name(self) -> str:
        """The VM that is chosen."""
        return str(self.chosen.value)

    def _button(self, verb: str, text: str = "") -> widgets.Button:
        button = widgets.Button(description=text or verb.capitalize(), layout={"width": "auto"})
        button.tooltip = (VERBS[verb].__doc__ or "").partition("\n")[0]
        button.button_style = "danger" if text else ""
        return button.add_class(f"kvmkit-vm-{'really' if text else verb}")

    def wait(self) -> None:
        """Wait until what was clicked last is done, and raise what it raised.

        Raises
        ------
        NotFound, WrongState, ShutdownTimeout, LibvirtFailed
            As the verb.
        """
        with self._busy:
            if self._error:
                raise self._error

    def _choose(self, _change: object = None) -> None:
        self._ask_for("none")
        self._said.value = ""
        self._look()

    def _ask(self, _button: object) -> None:
        self._ask_for("")
        self._said.value = message(f"What {self.name} has not written to its disks would be lost.", RED)

    def _ask_for(self, display: str) -> None:
        self.buttons["really"].layout.display = display

    def _act(self, verb: str, _button: object) -> None:
        self._in_background(partial(self._run, verb, self.name))

    def _run(self, verb: str, name: str) -> None:
        call = html("<code>kk.{}(host, {})</code>", verb, repr(name))
        self._ask_for("none")
        self._said.value = html("{} …", call)
        try:
            self._error = None
            VERBS[verb](self.host, name)
            self._said.value = html("{} done", call)
        except Exception as error:  # noqa: BLE001 - wait() raises it again; here it would be lost
            self._error = error
            self._said.value = message(f"{type(error).__name__}: {error}", RED)
        self._look()

    def _look(self) -> None:
        self._head.value = html("<b>{}</b>", repr(self))

    def __repr__(self) -> str:
        states = vms(self.host)["state"]
        return one_line(f"VM {self.name} on {self.host.uri}: {states.get(self.name, 'is not there')}")
