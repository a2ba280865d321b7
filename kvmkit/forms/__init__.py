"""Forms: what a runbook shows a person, and what it does without one.

The only place that imports ipywidgets and anywidget.
"""

from kvmkit.forms.console import Console, console
from kvmkit.forms.gate import ApplyForm, apply_form
from kvmkit.forms.menu import Menu, menu
from kvmkit.forms.screen import Screen, screen
from kvmkit.forms.spec_form import SpecForm, form
from kvmkit.forms.verbs import VMForm, vm_form

__all__ = [
    "ApplyForm",
    "Console",
    "Menu",
    "Screen",
    "SpecForm",
    "VMForm",
    "apply_form",
    "console",
    "form",
    "menu",
    "screen",
    "vm_form",
]
