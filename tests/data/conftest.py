"""Fixtures of the data stage: a misbehaving server, and registry entries made to measure."""

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from skysift.data.registry import DatasetInfo


@pytest.fixture(scope="session")
def flaky() -> ModuleType:
    """The module of the misbehaving server; tests are no packages, so it is loaded by path."""
    spec = importlib.util.spec_from_file_location(
        "skysift_flaky_server", Path(__file__).with_name("flaky_server.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def server(flaky: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with flaky.running() as running:
        yield running


@pytest.fixture(scope="session")
def payload() -> bytes:
    """Some 300 kB that do not compress, so that a cut shows."""
    return np.random.default_rng(7).bytes(300_001)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own, and none of the user's settings."""
    for name in ("SKYSIFT_MIRROR", "SKYSIFT_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "cache"
    monkeypatch.setenv("SKYSIFT_CACHE", str(folder))
    return folder


@pytest.fixture
def entry() -> Callable[..., DatasetInfo]:
    """Make a registry entry of one file from its bytes and its mirrors."""

    def make(body: bytes, *mirrors: dict[str, Any]) -> DatasetInfo:
        file = {
            "name": "events.dat",
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "mirror_path": "sky/events.dat",
            "mirrors": mirrors,
        }
        return DatasetInfo.model_validate(
            {
                "name": "sky",
                "title": "Events made for a test",
                "tasks": ["gamma-hadron"],
                "licence": "CC0-1.0",
                "doi": "10.1234/sky",
                "citation": "Nobody (2026)",
                "homepage": "https://example.org/sky",
                "files": [file],
            }
        )

    return make
