"""A repository's file in each manager's format, what is refused, and a real apt asking a real folder."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvmkit as kk
from kvmkit.prepare import repository
from kvmkit.prepare.repository import _ask, _plan, _read, described
from kvmkit.prepare.root import Root

ARTICLE = "ftp://192.168.0.200/rhel6.4"


def spec(**fields: Any) -> kk.RepositorySpec:
    return kk.RepositorySpec(**({"name": "yum", "baseurl": ARTICLE} | fields))


@pytest.mark.parametrize("manager", ["dnf", "zypper"])
def test_the_articles_repository(manager: str) -> None:
    path, text = described(spec(gpgcheck=False), manager)

    assert path in ("/etc/yum.repos.d/yum.repo", "/etc/zypp/repos.d/yum.repo")
    assert text == f"[yum]\nname=yum\nbaseurl={ARTICLE}\nenabled=1\ngpgcheck=0\n"


def test_a_key_for_dnf() -> None:
    key = "https://repo.example/KEY"

    assert described(spec(gpgkey=key), "dnf")[1].endswith(f"gpgcheck=1\ngpgkey={key}\n")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"suite": "bookworm"}, "Suites: bookworm\nComponents: main\n"),
        ({"suite": "x/y", "components": "main  contrib"}, "Suites: x/y\nComponents: main contrib\n"),
        ({"suite": "./"}, "Suites: ./\n"),
        ({"suite": "./", "gpgkey": "/usr/share/k.gpg"}, "Suites: ./\nSigned-By: /usr/share/k.gpg\n"),
        ({"suite": "./", "gpgcheck": False}, "Suites: ./\nTrusted: yes\n"),
    ],
)
def test_sources_for_apt(fields: dict[str, Any], text: str) -> None:
    path, found = described(spec(**fields), "apt-get")

    assert path == "/etc/apt/sources.list.d/yum.sources"
    assert found == f"Types: deb\nURIs: {ARTICLE}\n{text}"


@pytest.mark.parametrize(
    ("manager", "fields", "message"),
    [
        ("apt-get", {}, "suite: .*apt needs one"),
        ("apt-get", {"suite": "bookworm", "components": " "}, "components: .*needs some"),
        ("apt-get", {"suite": "./", "gpgkey": "https://repo.example/KEY"}, "gpgkey: .*path of a keyring"),
        ("dnf", {"gpgkey": "/etc/pki/KEY"}, "gpgkey: .*file:///etc/pki/KEY"),
        ("dnf", {"name": "main"}, "name: 'main'"),
    ],
)
def test_what_does_not_fit_the_manager_is_refused(manager: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(kk.InvalidSpec, match=message):
        described(spec(**fields), manager)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", name) for name in ("", "a b", "../x", ".x", "a/b", "a]", "x\n", "n" * 65)),
        *(
            ("baseurl", url)
            for url in ("", "x", "gopher://x/", "/srv", "http://", "http://a b/", "http://a/\nx")
        ),
        *(("baseurl", url) for url in ("https://me:secret@repo.example/", "http://[::1/", "http://x/\u200b")),
        *(("gpgkey", key) for key in ("KEY", "/a b", "/a\nTrusted: yes", "http://a/\nx")),
        *(("suite", suite) for suite in ("a b", "x\nTrusted: yes", "a;b")),
        ("components", "main\nTrusted: yes"),
        *(("gpgcheck", "yes"), ("keep_others", 1)),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any) -> None:
    with pytest.raises(kk.InvalidSpec) as caught:
        spec(**{field: value})

    assert list(caught.value.errors) == [field]


FIELDS = ["name", "baseurl", "gpgkey", "suite", "components"]


@pytest.mark.parametrize("manager", ["apt-get", "dnf", "zypper"])
@given(values=st.fixed_dictionaries({}, optional={name: st.text("a/:.\n[]= ;h\ttp@é") for name in FIELDS}))
def test_no_field_gets_a_line_of_its_own(manager: str, values: dict[str, str]) -> None:
    good = {"suite": "./"} | values
    try:
        text = described(spec(**good), manager)[1]
    except kk.InvalidSpec:
        return
    keys = [line.partition("=")[0].partition(":")[0] for line in text.splitlines()]

    assert len(keys) == len(set(keys))
    assert set(keys[1:]) <= {
        *("name", "baseurl", "enabled", "gpgcheck", "gpgkey"),
        "URIs",
        "Suites",
        "Components",
    } | {"Signed-By"}


def test_others_are_moved_aside_each_by_a_step_of_its_own() -> None:
    found = {"/r/a.repo": b"a", "/r/yum.repo": b"old", "/r/b.repo": None, "/r/c.repo": b"password=hunter2"}
    plan = _plan("kvm1", spec(keep_others=False), "/r/yum.repo", "new\n", found)

    assert [step.title for step in plan.steps] == [
        "replace /r/yum.repo",
        "move /r/a.repo aside",
        "move /r/c.repo aside",
    ]
    assert "-old\n" in plan.shown["/r/yum.repo"] + "\n"
    assert "hunter2" not in plan.model_dump_json()


def test_what_is_there_already_is_not_written_again() -> None:
    assert _plan("kvm1", spec(), "/r/yum.repo", "same", {"/r/yum.repo": b"same", "/r/a.repo": b"a"}).empty


def test_unsigned_packages_are_warned_of() -> None:
    assert _plan("kvm1", spec(), "/r/yum.repo", "new", {}).notes == ()
    assert _plan("kvm1", spec(gpgcheck=False), "/r/yum.repo", "new", {}).notes[0].startswith("WARNING: ")


def test_the_files_of_all_repositories_are_found(
    here: kk.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.repo", "b.repo", "c.repo.bak", ".d.repo.kvmkit"):
        (tmp_path / name).write_text(name)
    monkeypatch.setitem(repository.FOLDERS, "dnf", str(tmp_path))

    assert _read(Root(here), "dnf", f"{tmp_path}/yum.repo") == {
        f"{tmp_path}/a.repo": b"a.repo",
        f"{tmp_path}/b.repo": b"b.repo",
        f"{tmp_path}/yum.repo": None,
    }


def test_a_link_matters_where_it_would_be_touched(
    here: kk.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "redhat.repo").symlink_to("/run/of-somebody.repo")
    monkeypatch.setitem(repository.FOLDERS, "dnf", str(tmp_path))
    path = f"{tmp_path}/yum.repo"
    assert _read(Root(here), "dnf", path, others=False) == {path: None}
    with pytest.raises(kk.Conflict, match=r"redhat.repo on .* is a symbolic link"):
        _read(Root(here), "dnf", path)
    (tmp_path / "yum.repo").symlink_to("/run/of-somebody.repo")
    with pytest.raises(kk.Conflict, match=r"yum.repo on .* is a symbolic link"):
        _read(Root(here), "dnf", path, others=False)


@pytest.mark.skipif(not shutil.which("apt-get"), reason="asking needs a real apt")
class TestARealApt:
    """It asks a repository in a folder, and one that is not there, beside this machine's own."""

    REFUSED = r"baseurl: .*does not serve qemu:///system: .*Nothing was changed"

    @pytest.fixture
    def folder(self) -> Iterator[str]:
        """Give a repository without packages, which apt's own user can read."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            Path(folder, "Packages").write_text("")
            yield folder

    def ask(self, host: kk.Host, asked: kk.RepositorySpec) -> None:
        _ask(Root(host), asked, "apt-get", *described(asked, "apt-get"))

    def test_one_that_answers_is_accepted(self, here: kk.Host, folder: str) -> None:
        self.ask(here, spec(baseurl=f"file://{folder}", suite="./", gpgcheck=False))

        assert [path.name for path in Path(folder).iterdir()] == ["Packages"]

    def test_one_without_signatures_is_refused_unless_asked_for(self, here: kk.Host, folder: str) -> None:
        with pytest.raises(kk.InvalidSpec, match=self.REFUSED) as caught:
            self.ask(here, spec(baseurl=f"file://{folder}", suite="./"))

        assert "Release" in str(caught.value)

    @pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "file:///nowhere/at/all"])
    def test_one_that_is_not_there_is_refused(self, here: kk.Host, url: str) -> None:
        with pytest.raises(kk.InvalidSpec, match=self.REFUSED):
            self.ask(here, spec(baseurl=url, suite="./", gpgcheck=False))


def test_on_the_practice_host_it_is_planned_and_rehearsed() -> None:
    plan = kk.plan_repository(kk.connect("test:///default"), spec(suite="bookworm"))

    assert plan.steps[0].args["path"] == "/etc/apt/sources.list.d/yum.sources"
    assert kk.apply(plan).frame["status"].tolist() == ["SKIP"]
