"""Where a file is looked for, in which order, and what is said when it cannot be had."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from skysift.core.errors import DataUnavailableError, OutputError, UnknownNameError
from skysift.data import fetch_lock
from skysift.data.fetch import Patience, cache_folder, fetch
from skysift.data.fetch_progress import progress_bar
from skysift.data.registry import DatasetInfo

Entry = Callable[..., DatasetInfo]
QUICK = Patience(read=5.0, attempts=2, pause=0.0)
PATH = "events.dat"


@pytest.fixture
def sky(entry: Entry, server: Any, flaky: ModuleType, payload: bytes, cache: Path) -> DatasetInfo:
    """A data set that a good server serves."""
    url = server.answers(PATH, flaky.whole(payload))
    return entry(payload, {"kind": "url", "url": url})


@pytest.fixture
def local(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the file in a local mirror; `cache` has cleared the variable before."""
    path = tmp_path / "mirror" / "sky" / "events.dat"
    path.parent.mkdir(parents=True)
    monkeypatch.setenv("SKYSIFT_MIRROR", str(tmp_path / "mirror"))
    return path


def test_the_local_mirror_comes_first_and_is_used_in_place(
    sky: DatasetInfo, server: Any, local: Path, payload: bytes, cache: Path
) -> None:
    local.write_bytes(payload)
    (file,) = fetch(sky).files
    assert (file.path, file.kind) == (local, "mirror")
    assert server.requests == []
    assert not cache.exists()


def test_a_local_file_with_a_wrong_hash_is_not_used(
    sky: DatasetInfo, local: Path, payload: bytes, cache: Path
) -> None:
    local.write_bytes(bytes(len(payload)))
    (file,) = fetch(sky, patience=QUICK).files
    assert file.kind == "url"
    assert file.path.read_bytes() == payload
    (note,) = file.notes
    assert note.startswith(f"SKYSIFT_MIRROR, {local}: not used, its SHA-256 is ")
    assert local.read_bytes() == bytes(len(payload))  # the user's own file is left alone


def test_the_error_says_that_the_local_file_is_wrong(
    sky: DatasetInfo, server: Any, flaky: ModuleType, local: Path
) -> None:
    local.write_bytes(b"short")
    server.answers(PATH, flaky.status(404))
    with pytest.raises(DataUnavailableError, match="not used, it has 5 bytes, not 300,001"):
        fetch(sky, patience=QUICK)


def test_what_is_in_the_cache_is_not_fetched_again(sky: DatasetInfo, server: Any) -> None:
    first, second = fetch(sky), fetch(sky)
    assert first.paths == second.paths
    assert second.files[0].kind == "cache"
    assert len(server.requests) == 1


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_a_damaged_cached_file_is_reported_and_fetched_anew(
    sky: DatasetInfo, server: Any, payload: bytes, damage: bytes | None
) -> None:
    path = fetch(sky)["events.dat"]
    path.write_bytes(bytes(len(payload)) if damage is None else damage)
    (file,) = fetch(sky).files
    assert file.path.read_bytes() == payload
    assert file.kind == "url"
    (note,) = file.notes
    assert note.startswith(f"the cached {path}: not used, it")
    assert len(server.requests) == 2


def test_mirrors_are_tried_in_order_and_the_error_lists_them_all(
    entry: Entry, server: Any, flaky: ModuleType, payload: bytes, cache: Path
) -> None:
    one = server.answers("one", flaky.status(404))
    two = server.answers("two", flaky.status(500))
    info = entry(payload, {"kind": "url", "url": one}, {"kind": "url", "url": two})
    with pytest.raises(DataUnavailableError) as caught:
        fetch(info, patience=QUICK)
    lines = caught.value.problem.splitlines()
    assert lines == [
        "The file 'events.dat' of the data set 'sky' could not be had:",
        f"  - {one}: HTTP 404 Not Found",
        f"  - {two}: HTTP 500 Internal Server Error (2 attempts)",
    ]
    remedy = caught.value.remedy
    target = cache / "sky" / "events.dat"
    for part in ("SKYSIFT_MIRROR", "sky/events.dat", info.homepage, str(target)):
        assert part in remedy
    assert info.files[0].sha256 in remedy
    # The remedy works: a file put there by hand is taken.
    target.write_bytes(payload)
    assert fetch(info).files[0].kind == "cache"


def test_offline_means_no_request_at_all(
    sky: DatasetInfo, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYSIFT_OFFLINE", "1")
    with pytest.raises(DataUnavailableError, match="the network: SKYSIFT_OFFLINE forbids it"):
        fetch(sky)
    assert server.requests == []
    monkeypatch.setenv("SKYSIFT_OFFLINE", "0")
    fetch(sky)
    monkeypatch.setenv("SKYSIFT_OFFLINE", "1")
    assert fetch(sky).files[0].kind == "cache"


def test_two_processes_that_want_one_file_download_it_once(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes, tmp_path: Path
) -> None:
    server.answers(PATH, flaky.slow(payload, 0.5))
    described = tmp_path / "sky.json"
    described.write_text(sky.model_dump_json())
    code = (
        "import sys; from pathlib import Path\n"
        "from skysift.data.fetch import fetch\n"
        "from skysift.data.registry import DatasetInfo\n"
        "info = DatasetInfo.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "print(fetch(info).files[0].kind)\n"
    )
    command = [sys.executable, "-c", code, str(described)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    kinds = [process.communicate(timeout=60)[0].strip() for process in both]
    assert sorted(kinds) == ["cache", "url"]
    assert len(server.requests) == 1


def test_without_locks_two_fetches_do_not_meet(
    sky: DatasetInfo,
    server: Any,
    flaky: ModuleType,
    payload: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetch_lock, "_lock", lambda descriptor: False)
    server.answers(PATH, flaky.slow(payload, 0.3))
    bodies: list[bytes] = []

    def work() -> None:
        bodies.append(fetch(sky, patience=QUICK)["events.dat"].read_bytes())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [payload, payload]
    kept = {path.name for path in (cache_folder() / "sky").iterdir()}
    assert kept == {"events.dat", ".events.dat.lock"}


def test_a_cache_that_cannot_be_written_has_a_remedy(sky: DatasetInfo, cache: Path) -> None:
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="set SKYSIFT_CACHE"):
        fetch(sky)


def test_only_the_files_asked_for_are_fetched(sky: DatasetInfo, server: Any) -> None:
    assert fetch(sky, files=[]).paths == {}
    assert server.requests == []
    with pytest.raises(UnknownNameError, match=r"Did you mean 'events.dat'"):
        fetch(sky, files=["event.dat"])
    with pytest.raises(UnknownNameError, match="Did you mean 'magic'"):
        fetch("magick")


def test_the_result_is_ready_for_json_and_names_what_to_cite(sky: DatasetInfo) -> None:
    result = fetch(sky)
    told = json.loads(json.dumps(result.to_dict()))
    assert (told["licence"], told["doi"]) == ("CC0-1.0", "10.1234/sky")
    assert told["citation"] == "Nobody (2026)"
    assert told["files"][0]["sha256"] == sky.files[0].sha256
    assert told["files"][0]["source"] == result.files[0].source


def test_the_cache_is_the_argument_then_the_variable_then_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYSIFT_CACHE", str(tmp_path / "variable"))
    assert cache_folder(tmp_path / "argument") == tmp_path / "argument"
    assert cache_folder() == tmp_path / "variable"
    monkeypatch.delenv("SKYSIFT_CACHE")
    assert cache_folder().name == "skysift"


def test_a_bar_is_shown_on_request_and_never_where_nobody_watches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress_bar("events.dat", 100_000_000, show=True) as report:
        report(50_000_000)
    assert capsys.readouterr() == ("", "")  # no terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("events.dat", 100) as report:
        report(50)
    with progress_bar("events.dat", 100_000_000, show=False) as report:
        report(50_000_000)
    assert capsys.readouterr() == ("", "")  # too small to watch, and not wanted
    with progress_bar("events.dat", 100, show=True) as report:
        report(100)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "events.dat" in captured.err


@pytest.mark.mirror
def test_the_real_data_sets_are_taken_from_the_local_mirror(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYSIFT_OFFLINE", "1")
    monkeypatch.setenv("SKYSIFT_MIRROR", str(mirror))
    for name in ("magic", "fact"):
        result = fetch(name, cache=tmp_path)
        assert {file.kind for file in result.files} == {"mirror"}
