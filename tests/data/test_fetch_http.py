"""Downloads from a server that misbehaves in every way that servers do."""

import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from skysift.core.errors import DataUnavailableError
from skysift.data import fetch_http
from skysift.data.fetch import FetchResult, Patience, cache_folder, fetch
from skysift.data.registry import DatasetInfo

Entry = Callable[..., DatasetInfo]
# Long enough for a busy machine; a test of a silent server has its own.
NO_PAUSE = Patience(connect=10.0, read=10.0, attempts=3, pause=0.0)
PATH = "events.dat"


def get(info: DatasetInfo, patience: Patience = NO_PAUSE) -> FetchResult:
    return fetch(info, patience=patience)


def at(url: str) -> dict[str, str]:
    return {"kind": "url", "url": url}


def kept() -> list[str]:
    """What the fetch has left in the cache, apart from its lock."""
    files = (path for path in cache_folder().rglob("*") if path.is_file())
    return [path.name for path in files if path.suffix != ".lock"]


@pytest.fixture
def sky(entry: Entry, server: Any, payload: bytes, cache: Path) -> DatasetInfo:
    return entry(payload, at(server.url(PATH)))


def test_a_good_server_is_asked_once(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes
) -> None:
    url = server.answers(PATH, flaky.whole(payload))
    result = get(sky)
    assert result["events.dat"].read_bytes() == payload
    assert (result.files[0].kind, result.files[0].source) == ("url", url)
    assert server.ranges(PATH) == [None]
    assert kept() == ["events.dat"]


@pytest.mark.parametrize("drop_after", [70_000, 200_000, 300_000])
def test_after_a_broken_connection_only_the_rest_is_asked_for(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes, drop_after: int
) -> None:
    server.answers(PATH, flaky.whole(payload, drop_after=drop_after), flaky.whole(payload))
    assert get(sky)["events.dat"].read_bytes() == payload
    first, second = server.ranges(PATH)
    assert first is None
    start = int(second.removeprefix("bytes=").removesuffix("-"))
    # Up to one block of 64 kB may be lost with the connection.
    assert drop_after - (1 << 16) < start <= drop_after
    assert start > 0


def test_a_later_fetch_goes_on_from_where_an_earlier_one_gave_up(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes
) -> None:
    server.answers(PATH, flaky.whole(payload, drop_after=200_000))
    with pytest.raises(DataUnavailableError, match=r"broke the connection off \(1 attempts\)"):
        get(sky, Patience(attempts=1))
    server.answers(PATH, flaky.whole(payload))
    assert get(sky)["events.dat"].read_bytes() == payload
    assert server.ranges(PATH)[-1] not in {None, "bytes=0-"}


def test_a_server_without_ranges_is_read_from_the_start(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes
) -> None:
    broken_off = flaky.whole(payload, drop_after=150_000)
    server.answers(PATH, broken_off, flaky.rangeless(payload))
    assert get(sky)["events.dat"].read_bytes() == payload
    assert len(server.ranges(PATH)) == 2


@pytest.mark.parametrize("by", [-5, 5])
def test_an_answer_with_another_range_is_not_glued_on(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes, by: int
) -> None:
    broken_off = flaky.whole(payload, drop_after=150_000)
    server.answers(PATH, broken_off, flaky.shifted(payload, by), flaky.whole(payload))
    assert get(sky)["events.dat"].read_bytes() == payload
    assert server.ranges(PATH)[-1] is None


def test_a_range_of_a_file_of_another_size_is_refused(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes
) -> None:
    broken_off = flaky.whole(payload, drop_after=150_000)
    server.answers(PATH, broken_off, flaky.whole(payload + b"more"))
    with pytest.raises(DataUnavailableError, match="offers 300,005 bytes, not 300,001"):
        get(sky)


def test_a_file_shorter_than_the_part_is_asked_for_anew(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes
) -> None:
    broken_off = flaky.whole(payload, drop_after=150_000)
    server.answers(PATH, broken_off, flaky.status(416), flaky.whole(payload))
    assert get(sky)["events.dat"].read_bytes() == payload
    assert server.ranges(PATH)[-1] is None


def test_a_body_shorter_than_its_length_is_not_accepted(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes
) -> None:
    server.answers(PATH, flaky.claiming(payload[:-10], len(payload)))
    with pytest.raises(DataUnavailableError, match=r"broke the connection off \(3 attempts\)"):
        get(sky)


@pytest.mark.parametrize("length", [300_000, 300_002, 10**12])
def test_a_wrong_length_is_refused_before_the_body_is_read(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes, length: int
) -> None:
    server.answers(PATH, flaky.claiming(payload, length))
    with pytest.raises(DataUnavailableError, match=f"offers {length:,} bytes, not 300,001"):
        get(sky)
    assert server.ranges(PATH) == [None]
    assert kept() == []


def test_an_endless_body_is_cut_off(sky: DatasetInfo, server: Any, flaky: ModuleType) -> None:
    sent: list[int] = []
    server.answers(PATH, flaky.endless(sent))
    with pytest.raises(DataUnavailableError, match="sent more than the 300,001 bytes allowed"):
        get(sky)
    assert sum(sent) < 50_000_000  # what the buffers of the system may hold
    assert kept() == []


def test_corrupt_bytes_are_deleted_and_the_next_mirror_is_tried(
    entry: Entry, server: Any, flaky: ModuleType, payload: bytes, cache: Path
) -> None:
    corrupt = bytearray(payload)
    corrupt[1234] ^= 1
    bad = server.answers("bad", flaky.whole(bytes(corrupt)))
    good = server.answers("good", flaky.whole(payload))
    result = get(entry(payload, at(bad), at(good)))
    assert result["events.dat"].read_bytes() == payload
    (file,) = result.files
    assert file.source == good
    (note,) = file.notes
    assert note.startswith(f"{bad}: the file is not the registered one: its SHA-256 is ")
    assert kept() == ["events.dat"]


def test_a_corrupt_part_does_not_outlive_its_fetch(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes
) -> None:
    server.answers(PATH, flaky.whole(bytes(len(payload))))
    with pytest.raises(DataUnavailableError):
        get(sky)
    assert kept() == []


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_lasting_refusal_is_not_retried(
    sky: DatasetInfo, server: Any, flaky: ModuleType, code: int
) -> None:
    server.answers(PATH, flaky.status(code))
    with pytest.raises(DataUnavailableError, match=f"HTTP {code} "):
        get(sky)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_a_passing_refusal_is_retried(
    sky: DatasetInfo, server: Any, flaky: ModuleType, payload: bytes, code: int
) -> None:
    server.answers(PATH, flaky.status(code), flaky.whole(payload))
    assert get(sky)["events.dat"].read_bytes() == payload
    assert len(server.requests) == 2


def test_retries_end(sky: DatasetInfo, server: Any, flaky: ModuleType) -> None:
    server.answers(PATH, flaky.status(500))
    with pytest.raises(DataUnavailableError, match=r"HTTP 500 .* \(3 attempts\)"):
        get(sky)
    assert len(server.requests) == 3


def test_waits_double_with_jitter_and_honour_retry_after(
    sky: DatasetInfo,
    server: Any,
    flaky: ModuleType,
    payload: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(fetch_http.time, "sleep", waits.append)
    refusals = [flaky.status(503)] * 3 + [flaky.status(503, Retry_After=15)]
    refusals += [flaky.status(503, Retry_After=86_400)]
    server.answers(PATH, *refusals, flaky.whole(payload))
    get(sky, Patience(attempts=6, pause=0.5))
    for wait, mean in zip(waits[:3], (0.5, 1.0, 2.0), strict=True):
        assert 0.5 * mean <= wait <= 1.5 * mean
    assert waits[3:] == [15.0, 20.0]


def test_a_silent_server_is_given_up(sky: DatasetInfo, server: Any, flaky: ModuleType) -> None:
    server.answers(PATH, flaky.silent())
    with pytest.raises(DataUnavailableError, match=r"sent nothing for 0.3 s \(2 attempts\)"):
        get(sky, Patience(read=0.3, attempts=2, pause=0.0))


def test_a_host_that_cannot_be_reached_is_tried_once(
    entry: Entry, server: Any, payload: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/events.dat"
        waits: list[float] = []
        monkeypatch.setattr(fetch_http.time, "sleep", waits.append)
        with pytest.raises(DataUnavailableError, match=r"cannot connect to 127\.0\.0\.1"):
            get(entry(payload, at(url)))
    assert waits == []


def test_a_packed_body_that_was_not_asked_for_is_refused(
    sky: DatasetInfo, server: Any, flaky: ModuleType
) -> None:
    server.answers(PATH, flaky.status(200, Content_Encoding="gzip"))
    with pytest.raises(DataUnavailableError, match="encoded body"):
        get(sky)
