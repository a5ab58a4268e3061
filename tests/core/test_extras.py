"""An optional part that is not installed is named with the command that installs it."""

import sys

import pytest

from skysift.core.errors import MissingExtraError
from skysift.core.extras import import_extra


def test_a_package_that_is_there_is_imported():
    assert import_extra("json.decoder", extra="train") is sys.modules["json.decoder"]


def test_a_package_that_misses_is_named_with_its_remedy():
    with pytest.raises(MissingExtraError, match=r"'not_there'.*skysift\[gamma\]"):
        import_extra("not_there.at_all", extra="gamma")


def test_a_package_that_lacks_a_part_of_its_own_is_another_error(monkeypatch, tmp_path):
    (tmp_path / "half_installed.py").write_text("import not_there_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        import_extra("half_installed", extra="train")
