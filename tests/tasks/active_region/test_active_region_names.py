"""active-region: images of one name keep their rows apart, and folders without images are told."""

import shutil

import numpy as np
import pytest

from skysift.core.errors import InputError, UsageError
from skysift.core.progress import silent
from skysift.core.provenance import Provenance
from skysift.core.registry import shipped_bundles
from skysift.data.io import read_table
from skysift.tasks.active_region import prediction
from skysift.tasks.active_region.made_up import made_up_disks, write_disks
from skysift.tasks.active_region.model import load_bundle
from skysift.tasks.active_region.options import PredictOptions, ReadOptions

CALLED = ["d1/latest.png", "d2/latest.png"]


@pytest.fixture
def folders(tmp_path):
    """Two folders with an image of the same name in each."""
    made = made_up_disks(2, np.random.default_rng(7))
    write_disks(made, tmp_path / "made")
    for name, image in zip(CALLED, sorted((tmp_path / "made").glob("*.png")), strict=True):
        (tmp_path / name).parent.mkdir()
        shutil.copy(image, tmp_path / name)
    return [tmp_path / "d1", tmp_path / "d2"]


def predicted(paths, out, **options):
    prediction.predict_files(
        paths,
        out,
        load_bundle(shipped_bundles("active-region")[0]),
        ReadOptions(),
        PredictOptions(**options),
        provenance=Provenance.start("skysift predict", inputs=[]),
        progress=silent,
    )
    return read_table(out)


def test_files_of_one_name_are_told_apart(folders, tmp_path):
    table = predicted(folders, tmp_path / "out.csv")
    assert list(dict.fromkeys(table["file"].tolist())) == CALLED
    assert set(predicted(folders[:1], tmp_path / "one.csv")["file"].tolist()) == {"latest.png"}


def test_patches_are_of_the_image_that_is_named(folders, tmp_path):
    positions = tmp_path / "positions.csv"
    rows = [f"{name},200,200" for name in CALLED]
    positions.write_text("\n".join(["file,x,y", *rows]) + "\n")
    table = predicted(folders, tmp_path / "out.csv", positions=str(positions))
    assert np.isfinite(table["probability"]).all()
    assert table["probability"][0] != table["probability"][1]
    positions.write_text("file,x,y\nlatest.png,200,200\n")
    with pytest.raises(InputError, match="several images are called so"):
        predicted(folders, tmp_path / "again.csv", positions=str(positions))


def test_files_of_one_name_are_not_read_each_by_itself(folders):
    with pytest.raises(UsageError, match="same name"):
        prediction.pieces(folders, PredictOptions())
    assert len(prediction.pieces(folders[:1], PredictOptions())) == 1


def test_a_folder_of_folders_has_no_image(folders, tmp_path):
    del folders
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    with pytest.raises(InputError, match="no image in the folder"):
        predicted([tmp_path / "outer"], tmp_path / "out.csv")


def test_positions_with_names_in_capitals_are_the_same(folders, tmp_path):
    found = []
    for header in ("file,x,y", "FILE,X,Y"):
        positions = tmp_path / "positions.csv"
        positions.write_text(f"{header}\nlatest.png,200,200\n")
        found.append(predicted(folders[:1], tmp_path / "out.csv", positions=str(positions)))
        (tmp_path / "out.csv").unlink()
    assert found[0].columns == found[1].columns
    np.testing.assert_array_equal(found[0]["probability"], found[1]["probability"])
    assert np.isfinite(found[0]["probability"]).all()
