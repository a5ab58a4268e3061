"""What others rely on does not change unnoticed."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def listing():
    spec = importlib.util.spec_from_file_location("public_api", ROOT / "tools" / "public_api.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_public_api_is_the_one_that_is_written_down(listing):
    now, known = set(listing.public_api()), set(listing.LIST.read_text().splitlines())
    changes = [f"- {line}" for line in sorted(known - now)]
    changes += [f"+ {line}" for line in sorted(now - known)]
    told = "\n".join(changes)
    assert not changes, f"If this is meant: python tools/public_api.py, and CHANGELOG.md\n{told}"


def test_every_task_can_be_found_by_it(listing):
    lines = listing.LIST.read_text().splitlines()
    assert "skysift.core.registry.load_task(name)" in lines
    assert any(line.startswith("skysift.models.muygps.regressor.MuyGPs") for line in lines)
    assert len(lines) > 200
