"""A bundle is named by its folder, or as TASK/NAME of one that ships."""

import shutil

import pytest

from skysift.cli.bundle_argument import named_bundle
from skysift.core.errors import UnknownNameError, UsageError
from skysift.core.registry import bundle_folder


def test_a_folder_of_the_same_name_is_not_the_one_that_ships(tmp_path, monkeypatch):
    shipped = bundle_folder("flare")
    shutil.copytree(shipped, tmp_path / "default")
    monkeypatch.chdir(tmp_path)
    assert named_bundle("flare/default") == ("flare", shipped)
    task, folder = named_bundle("default")
    assert (task, folder.resolve()) == ("flare", tmp_path / "default")


def test_a_folder_that_is_called_like_a_shipped_one_is_taken_as_it_is_written(
    tmp_path, monkeypatch
):
    shutil.copytree(bundle_folder("flare"), tmp_path / "flare" / "default")
    monkeypatch.chdir(tmp_path)
    assert named_bundle("flare/default")[1].resolve() == tmp_path / "flare" / "default"


def test_names_that_nobody_ships_are_refused():
    with pytest.raises(UnknownNameError):
        named_bundle("flare/defualt")
    with pytest.raises(UsageError, match="'nothing' is no bundle"):
        named_bundle("nothing")
