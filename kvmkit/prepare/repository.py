"""plan_repository: where packages come from, as one file; the others stay or are moved aside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictBool

from kvmkit.check.facts import read_facts
from kvmkit.commands import script
from kvmkit.errors import InvalidSpec
from kvmkit.host import Host
from kvmkit.plan import Plan, Step
from kvmkit.prepare.files import diff, look, remove_file, write_file
from kvmkit.prepare.managers import manager_of
from kvmkit.prepare.root import Root, as_root
from kvmkit.spec import Spec

__all__ = ["RepositorySpec", "plan_repository"]

SCHEMES = ("http", "https", "ftp", "file")
FOLDERS = {"apt-get": "/etc/apt/sources.list.d", "dnf": "/etc/yum.repos.d", "zypper": "/etc/zypp/repos.d"}
ENDINGS = {"apt-get": ("list", "sources"), "dnf": ("repo",), "zypper": ("repo",)}
ASK_SECONDS = 300


def _url(value: str) -> str:
    if not value.isascii() or not value.isprintable() or " " in value or len(value) > 1024:
        raise ValueError("a URL is one word of at most 1024 ASCII characters")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError("not a URL") from None
    if parts.scheme not in SCHEMES or not (parts.netloc or parts.path.startswith("/")):
        raise ValueError(f"a URL begins with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
    if "@" in parts.netloc:
        raise ValueError("no login in a URL, please: it would be shown and kept")
    return value


def _key(value: str) -> str:
    if value.startswith("/"):
        if not re.fullmatch(r"[\w./+-]{1,1024}", value, re.ASCII):
            raise ValueError("a path of letters, digits and . / + - _, please")
        return value
    return _url(value) if value else value


class RepositorySpec(Spec):
    """A repository of packages.

    Attributes
    ----------
    name : str
        Its name, and that of its file: 1 to 64 of letters, digits, ``.``, ``_``, ``-``.
    baseurl : str
        Where it is: ``http://``, ``https://``, ``ftp://`` or ``file:///``.
    gpgcheck : bool
        Whether packages must be signed with a trusted key.
    gpgkey : str
        That key: a URL for dnf and zypper, the path of a keyring on the host for apt;
        ``""``: the keys that the host trusts anyway.
    keep_others : bool
        Whether the other repositories stay; if not, their files are moved aside.
    suite : str
        For apt alone: ``bookworm``, or ``./`` for a flat repository.
    components : str
        For apt alone, separated by blanks; a flat repository has none.

    Raises
    ------
    InvalidSpec
        Naming each wrong field, its value and what was expected.

    Examples
    --------
    >>> import kvmkit as kk
    >>> kk.RepositorySpec(name="local", baseurl="gopher://192.168.0.200")
    Traceback (most recent call last):
      ...
    kvmkit.errors.InvalidSpec: baseurl: 'gopher://192.168.0.200': a URL begins with one of http://, \
https://, ftp://, file://
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    baseurl: Annotated[str, AfterValidator(_url)]
    gpgcheck: StrictBool = True
    gpgkey: Annotated[str, AfterValidator(_key)] = ""
    keep_others: StrictBool = True
    suite: Annotated[str, Field(pattern=r"^[A-Za-z0-9./_-]{0,64}$")] = ""
    components: Annotated[str, Field(pattern=r"^[A-Za-z0-9 /_-]{0,256}$")] = "main"


def plan_repository(host: Host, spec: RepositorySpec) -> Plan:
    """Plan to get packages from a repository; nothing is changed.

    The host itself asks the repository, with its own package manager and in a folder
    that is then removed: one that does not answer is refused here.

    Parameters
    ----------
    host
        The host. On the practice host nobody is asked, and applying is rehearsed.
    spec
        The repository.

    Returns
    -------
    Plan
        One file is written: a ``.repo`` for dnf (dnf.conf(5)) and zypper, a ``.sources``
        for apt (sources.list(5), deb822). Each file of another repository that is moved
        aside is a step of its own. Undo gives all back byte for byte.

    Raises
    ------
    InvalidSpec
        The repository does not answer, or a field does not fit the host.
    Conflict
        One of the files that are written or moved aside is a link.
    Unsupported
        No rights, or an unknown system.

    Examples
    --------
    >>> import kvmkit as kk
    >>> spec = kk.RepositorySpec(name="local", baseurl="http://192.168.0.200/debian", suite="bookworm")
    >>> plan = kk.plan_repository(kk.connect("test:///default"), spec)
    >>> [step.title for step in plan.steps]
    ['write /etc/apt/sources.list.d/local.sources']
    """
    manager = manager_of(read_facts(host), host.uri)
    path, text = described(spec, manager)
    if host.practice:
        return _plan(host.uri, spec, path, text, {})
    root = as_root(host)
    # What stays is nobody's business here, links included.
    found = _read(root, manager, path, others=not spec.keep_others)
    _ask(root, spec, manager, path, text)
    if manager == "dnf" and spec.gpgcheck and not spec.gpgkey:
        _see_to_a_key(root)
    return _plan(host.uri, spec, path, text, found)


def described(spec: RepositorySpec, manager: str) -> tuple[str, str]:
    """Give the file that describes a repository: its path and its text."""
    if manager == "apt-get":
        return f"{FOLDERS[manager]}/{spec.name}.sources", _deb822(spec)
    if spec.name == "main":
        raise InvalidSpec({"name": f"'main': {manager} keeps its own settings under that name"})
    if spec.gpgkey.startswith("/"):
        raise InvalidSpec({"gpgkey": f"{spec.gpgkey!r}: {manager} wants a URL: file://{spec.gpgkey}"})
    lines = [
        f"[{spec.name}]",
        f"name={spec.name}",
        f"baseurl={spec.baseurl}",
        "enabled=1",
        f"gpgcheck={int(spec.gpgcheck)}",
        *([f"gpgkey={spec.gpgkey}"] * bool(spec.gpgkey)),
    ]
    return f"{FOLDERS[manager]}/{spec.name}.repo", "\n".join([*lines, ""])


def _deb822(spec: RepositorySpec) -> str:
    if not spec.suite:
        raise InvalidSpec({"suite": "'': apt needs one, such as bookworm; ./ for a flat repository"})
    flat = spec.suite.endswith("/")
    if not flat and not spec.components.strip():
        raise InvalidSpec({"components": f"{spec.components!r}: suite {spec.suite} needs some, such as main"})
    if spec.gpgkey and not spec.gpgkey.startswith("/"):
        raise InvalidSpec({"gpgkey": f"{spec.gpgkey!r}: apt wants the path of a keyring on the host"})
    fields = {
        "Types": "deb",
        "URIs": spec.baseurl,
        "Suites": spec.suite,
        "Components": "" if flat else " ".join(spec.components.split()),
        "Signed-By": spec.gpgkey,
        "Trusted": "" if spec.gpgcheck else "yes",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def _read(root: Root, manager: str, path: str, *, others: bool = True) -> Mapping[str, bytes | None]:
    """Read the files of repositories: ours, or all."""
    if not others:
        return look(root, [path])
    folder = FOLDERS[manager]
    names = [word for ending in ENDINGS[manager] for word in ("-o", "-name", f"*.{ending}")][1:]
    found = root.run(["find", folder, "-maxdepth", "1", "(", *names, ")"], ok=False).stdout.splitlines()
    main = ["/etc/apt/sources.list"] * (manager == "apt-get")
    return look(root, sorted({path, *main, *found}))


def _ask(root: Root, spec: RepositorySpec, manager: str, path: str, text: str) -> None:
    argv = ["sh", "-c", script("prepare/repository.sh"), "sh", manager, path.rpartition("/")[2]]
    result = root.run(argv, stdin=text, timeout=ASK_SECONDS, ok=False)
    if result.exit_code:
        said = (result.stderr.strip() or "no reason was given").splitlines()[-1].strip(" .")
        raise InvalidSpec(
            {"baseurl": f"{spec.baseurl!r}: does not serve {root.host.uri}: {said}. Nothing was changed"}
        )


def _see_to_a_key(root: Root) -> None:
    if root.run(["rpm", "-q", "gpg-pubkey"], ok=False).exit_code:
        none = f"'': {root.host.uri} trusts no key yet, so dnf would install nothing, from anywhere"
        raise InvalidSpec({"gpgkey": f"{none}; give the repository's key, or turn gpgcheck off"})


def _plan(uri: str, spec: RepositorySpec, path: str, text: str, found: Mapping[str, bytes | None]) -> Plan:
    steps: list[Step] = []
    shown: dict[str, str] = {}
    before = found.get(path)
    if before != text.encode():
        steps.append(write_file(path, before, text))
        shown[path] = diff(path, before, text.encode())
    if not spec.keep_others:
        others = ((other, old) for other, old in found.items() if other != path)
        steps += [remove_file(other, old) for other, old in others if old is not None]
    notes = tuple(_notes(spec))
    return Plan(uri=uri, title=f"repository {spec.name}", steps=tuple(steps), notes=notes, shown=shown)


def _notes(spec: RepositorySpec) -> Iterator[str]:
    if not spec.gpgcheck:
        yield (
            f"WARNING: packages of {spec.name} are installed unsigned: whoever can change them at "
            f"{spec.baseurl}, or on the way, becomes root on this host"
        )
    if "://" in spec.gpgkey:
        yield "rpm keeps the key from the first package on, also when the repository is taken back"
    if not spec.keep_others:
        yield "with the other repositories moved aside, no updates come but from this one"
