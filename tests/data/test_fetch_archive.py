"""One member out of archives that are damaged or hostile."""

import hashlib
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from skysift.core.errors import DataUnavailableError
from skysift.data.archive import extract_member
from skysift.data.fetch import Patience, fetch
from skysift.data.registry import DatasetInfo

Entry = Callable[..., DatasetInfo]
QUICK = Patience(read=2.0, attempts=2, pause=0.0)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def with_claimed_size(archive: bytes, true: int, claimed: int) -> bytes:
    """Rewrite the unpacked size of a one-member archive wherever it is stated."""
    old, new = struct.pack("<L", true), struct.pack("<L", claimed)
    assert archive.count(old) == 2
    return archive.replace(old, new)


def in_zip(url: str, **more: object) -> dict[str, object]:
    return {
        "kind": "zip-member",
        "url": url,
        "member": "data/events.dat",
        "archive_max_bytes": 1_000_000,
        **more,
    }


def test_only_the_member_is_kept(
    entry: Entry, server: Any, flaky: ModuleType, payload: bytes, cache: Path
) -> None:
    archive = zipped({"data/events.dat": payload, "readme": b"hello"})
    url = server.answers("a.zip", flaky.whole(archive))
    sha256 = hashlib.sha256(archive).hexdigest()
    result = fetch(entry(payload, in_zip(url, archive_sha256=sha256)), patience=QUICK)
    assert result["events.dat"].read_bytes() == payload
    assert result.files[0].kind == "zip-member"
    assert result.files[0].source == f"{url}, member data/events.dat"
    kept = {path.name for path in cache.rglob("*") if path.is_file()}
    assert kept == {"events.dat", ".events.dat.lock"}


def test_an_archive_is_resumed_too(
    entry: Entry, server: Any, flaky: ModuleType, payload: bytes, cache: Path
) -> None:
    archive = zipped({"data/events.dat": payload})
    url = server.answers("a.zip", flaky.whole(archive, drop_after=150_000), flaky.whole(archive))
    result = fetch(entry(payload, in_zip(url)), patience=QUICK)
    assert result["events.dat"].read_bytes() == payload
    assert server.ranges("a.zip") == [None, "bytes=131072-"]


def test_an_archive_of_another_hash_is_refused(
    entry: Entry, server: Any, flaky: ModuleType, payload: bytes, cache: Path
) -> None:
    url = server.answers("a.zip", flaky.whole(zipped({"data/events.dat": payload})))
    with pytest.raises(DataUnavailableError, match="the archive's SHA-256 is"):
        fetch(entry(payload, in_zip(url, archive_sha256="0" * 64)), patience=QUICK)


def test_an_archive_over_its_limit_is_not_downloaded(
    entry: Entry, server: Any, flaky: ModuleType, payload: bytes, cache: Path
) -> None:
    url = server.answers("a.zip", flaky.whole(zipped({"data/events.dat": payload})))
    with pytest.raises(DataUnavailableError, match="not 1,000 at most"):
        fetch(entry(payload, in_zip(url, archive_max_bytes=1000)), patience=QUICK)


def test_a_page_in_place_of_the_archive_is_named(
    entry: Entry, server: Any, flaky: ModuleType, payload: bytes, cache: Path
) -> None:
    url = server.answers("a.zip", flaky.whole(b"<html>please log in</html>"))
    with pytest.raises(DataUnavailableError, match="not an intact zip archive"):
        fetch(entry(payload, in_zip(url)), patience=QUICK)
    # The page must not be continued as if it were a beginning.
    with pytest.raises(DataUnavailableError):
        fetch(entry(payload, in_zip(url)), patience=QUICK)
    assert set(server.ranges("a.zip")) == {None}


def extracted(tmp_path: Path, archive: bytes, member: str, size: int) -> Path:
    source = tmp_path / "archive.zip"
    source.write_bytes(archive)
    target = tmp_path / "out" / "member"
    target.parent.mkdir()
    try:
        extract_member(source, member, target, size=size)
    except DataUnavailableError:
        assert not target.exists()
        raise
    return target


def test_a_bomb_that_tells_its_size_is_not_unpacked(tmp_path: Path) -> None:
    bomb = zipped({"bomb": bytes(50_000_000)})
    with pytest.raises(DataUnavailableError, match="has 50,000,000 bytes, not 1,000"):
        extracted(tmp_path, bomb, "bomb", 1000)


def test_a_bomb_that_lies_about_its_size_is_stopped(tmp_path: Path) -> None:
    bomb = with_claimed_size(zipped({"bomb": bytes(50_000_000)}), 50_000_000, 1000)
    with pytest.raises(DataUnavailableError, match="not an intact zip archive"):
        extracted(tmp_path, bomb, "bomb", 1000)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_whose_output_cannot_be_bounded_are_refused(tmp_path: Path, method: int) -> None:
    with pytest.raises(DataUnavailableError, match="is not accepted"):
        extracted(tmp_path, zipped({"a": bytes(1000)}, method), "a", 1000)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "C:\\evil", "..\\evil"])  # noqa: S108 - a name, never a path
def test_a_member_name_never_becomes_a_path(tmp_path: Path, name: str) -> None:
    archive = zipped({name: b"evil", "good": b"good"})
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        stored = opened.namelist()[0]
    target = extracted(tmp_path, archive, stored, 4)
    assert target.read_bytes() == b"evil"
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "archive.zip",
        "member",
    }


def test_a_missing_member_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"Did you mean 'magic04\.data'"):
        extracted(tmp_path, zipped({"magic04.data": b"1"}), "magic4.data", 1)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    archive = bytearray(zipped({"a": b"1"}))
    archive[archive.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataUnavailableError, match="encrypted"):
        extracted(tmp_path, bytes(archive), "a", 1)


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_truncated_archive_is_refused(tmp_path: Path, payload: bytes, cut: int) -> None:
    with pytest.raises(DataUnavailableError, match="not an intact zip archive"):
        extracted(tmp_path, zipped({"a": payload})[:-cut], "a", len(payload))


def test_damage_inside_the_member_is_found(tmp_path: Path) -> None:
    archive = bytearray(zipped({"a": b"gamma" * 1000}, zipfile.ZIP_STORED))
    archive[500] ^= 1
    with pytest.raises(DataUnavailableError, match="not an intact zip archive"):
        extracted(tmp_path, bytes(archive), "a", 5000)
