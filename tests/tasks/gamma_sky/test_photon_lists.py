"""Which photon lists of files and folders are searched, and what is said of the others."""

import shutil

import numpy as np
import pytest
from astropy.io import fits

from skysift.core.errors import InputError, ReadError, UnknownNameError
from skysift.data.io import read_table
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.tasks.gamma_sky.jobs import audit
from skysift.tasks.gamma_sky.live.records import RecordReader
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.photon_lists import asked_of, files_of, input_files, left_out
from skysift.tasks.gamma_sky.prediction import pieces


def photons(path, number):
    rng = np.random.default_rng(number)
    events = EventList(
        100.0 * number + np.sort(rng.uniform(0, 60, 50)), rng.normal(10, 0.5, 50),
        rng.normal(5, 0.5, 50), rng.uniform(0.1, 1, 50),
        GoodTimeIntervals.of([(100.0 * number, 100.0 * number + 60.0)]), Pointing(10.0, 5.0, 20.0),
        meta={"OBS_ID": number},
    )  # fmt: skip
    write_events(events, path)
    return path


def without_id(path):
    with fits.open(photons(path, 9)) as hdus:
        del hdus["EVENTS"].header["OBS_ID"]
        hdus.writeto(path, overwrite=True)
    return path


def no_photons(path):
    column = fits.Column("ra", "D", array=[1.0])
    fits.BinTableHDU.from_columns([column], name="CANDIDATES").writeto(path)
    return path


def index(folder, *numbers):
    """A folder with an index of photon lists."""
    folder.mkdir()
    names = [photons(folder / f"run{number}.fits", number).name for number in numbers]
    columns = [
        fits.Column("OBS_ID", "K", array=list(numbers)),
        fits.Column("HDU_TYPE", "10A", array=["events"] * len(numbers)),
        fits.Column("HDU_CLASS", "10A", array=["events"] * len(numbers)),
        fits.Column("FILE_DIR", "10A", array=["./"] * len(numbers)),
        fits.Column("FILE_NAME", "20A", array=names),
        fits.Column("HDU_NAME", "20A", array=["EVENTS"] * len(numbers)),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(folder / "hdu-index.fits")
    return folder


def names(paths, *asked):
    return [one.path.name for one in files_of(paths, ReadOptions(obs_id=asked))]


@pytest.fixture
def folder(tmp_path):
    """Two photon lists, in a folder without an index, of the observations 1 and 2."""
    inside = tmp_path / "fold"
    inside.mkdir()
    photons(inside / "a.fits", 1)
    photons(inside / "b.fits", 2)
    return inside


# --- observations that are asked for ------------------------------------------------------------


def test_of_files_and_folders_only_those_are_searched_that_are_asked_for(folder, tmp_path):
    files = [folder / "a.fits", folder / "b.fits"]
    for given in ([folder], files):
        assert names(given) == ["a.fits", "b.fits"]
        assert names(given, 2) == ["b.fits"]
        assert names(given, 2, 1) == ["a.fits", "b.fits"]  # in the order of the files
    indexed = index(tmp_path / "index", 3, 4)
    assert names([indexed, *files], 4, 1) == ["run4.fits", "a.fits"]


def test_an_observation_that_nothing_has_is_an_error(folder, tmp_path):
    indexed = index(tmp_path / "index", 3, 4)
    for given, known in (
        ([folder], "1, 2"),
        ([indexed], "3, 4"),
        ([folder, indexed], "1, 2, 3, 4"),
    ):
        with pytest.raises(UnknownNameError, match=f"no observation '7'.*Known: {known}"):
            files_of(given, ReadOptions(obs_id=(7,)))


def test_a_file_that_does_not_say_of_what_it_is_is_refused(folder, tmp_path):
    bare = without_id(tmp_path / "bare.fits")
    assert names([bare]) == ["bare.fits"]
    with pytest.raises(InputError, match=r"bare\.fits: The file has no OBS_ID"):
        files_of([folder, bare], ReadOptions(obs_id=(1,)))
    with pytest.raises(ReadError, match="no EVENTS table"):
        files_of([no_photons(tmp_path / "no.fits")], ReadOptions(obs_id=(1,)))
    odd = photons(tmp_path / "odd.fits", 1)
    fits.setval(odd, "OBS_ID", value="run one", ext=1)
    assert names([folder, odd], 2) == ["b.fits"]


def test_what_is_asked_for_is_what_is_written(skysift, folder, tmp_path):
    code, said = skysift(folder, "--obs-id", "2", "--method", "smoothed-maximum", "--out", "o.ecsv")
    assert code == 0, said
    assert read_table(tmp_path / "o.ecsv")["window"].tolist() == ["2"]
    code, said = skysift(folder / "a.fits", "--obs-id", "2", "--out", "o.ecsv")
    assert code == 2
    assert "There is no observation '2'. Known: 1." in said


def test_pieces_are_those_that_are_asked_for_each_by_itself(folder, tmp_path):
    indexed = index(tmp_path / "index", 3, 4)
    reading = ReadOptions(obs_id=(2, 4))
    found = pieces([folder, indexed], reading, PredictOptions())
    assert [(one.path.name, dict(one.read)) for one in found] == [
        ("b.fits", {"obs_id": []}),
        ("index", {"obs_id": [4]}),
    ]
    for one in found:  # alone, none lacks what another has
        alone = reading.model_copy(update={name: tuple(ids) for name, ids in one.read.items()})
        assert len(files_of([one.path], alone)) == 1
    assert dict(pieces([folder], ReadOptions(), PredictOptions())[0].read) == {}


def test_a_stream_takes_what_is_asked_for_and_refuses_the_rest(folder):
    reader = RecordReader(ReadOptions(obs_id=(2, 7)))
    (record,) = reader.read(folder / "b.fits")
    assert record.events.name == "2"
    with pytest.raises(InputError, match="not of observation 2, 7"):
        list(reader.read(folder / "a.fits"))


def test_an_audit_looks_at_what_is_asked_for(folder, tmp_path, rng):
    indexed = index(tmp_path / "index", 3, 4)
    given = [folder / "a.fits", folder / "b.fits", indexed]
    run = audit(given, ReadOptions(obs_id=(2, 4)), rng, progress=lambda *_: None)
    assert "Audit of 2 observations" in run.title
    with pytest.raises(UnknownNameError, match="'7'"):
        audit(given, ReadOptions(obs_id=(2, 7)), rng, progress=lambda *_: None)
    assert asked_of(given[0], ReadOptions(obs_id=(2, 4))) is None


# --- files of folders ---------------------------------------------------------------------------


def test_capitals_and_compression_are_no_reason_to_skip_a_file(folder):
    for name in ("A2.FITS", "c.Fit", "d.fit.gz", "e.FTS.GZ", "f.fts"):
        photons(folder / name, 3)
    (folder / "notes.fits.txt").touch()
    assert names([folder]) == [
        "A2.FITS", "a.fits", "b.fits", "c.Fit", "d.fit.gz", "e.FTS.GZ", "f.fts",
    ]  # fmt: skip


@pytest.mark.parametrize("windows", [(), ("--windows", "30s", "--lateness", "1h")])
def test_own_outputs_in_a_folder_do_not_stop_the_next_run(skysift, folder, windows):
    for _ in range(2):  # and are replaced by it
        code, said = skysift("fold", "--out", "fold/cand.fits", *windows)
        assert code == 0, said
    left = [
        "fold/cand.fits",
        *(f"fold/cand-{name}.fits" for name in ("bins", "windows") if windows),
    ]
    code, said = skysift("fold", "--out", "again.ecsv", *windows)
    assert code == 0, said
    assert f"{len(left)} FITS file" in said
    assert "without an EVENTS table" in said
    assert all(name in said for name in left)
    code, said = skysift("fold/a.fits", "fold/cand.fits", "--out", "again.ecsv", *windows)
    assert code == 2  # what is named is meant
    assert "The file has no EVENTS table" in said


def test_what_is_left_out_is_told_once_and_counted(skysift, folder):
    for number in range(7):
        no_photons(folder / f"z{number}.fits")
    code, said = skysift("fold", "--out", "o.ecsv")
    assert code == 0, said
    assert said.count("EVENTS") == 1
    assert "7 FITS files without an EVENTS table are left out: fold/z0.fits," in said
    assert "fold/z4.fits and 2 more." in said
    assert len(left_out([folder])) == 7
    assert folder / "z0.fits" not in input_files([folder], ReadOptions())


def test_a_damaged_file_of_a_folder_is_still_an_error(skysift, folder):
    (folder / "c.fits").write_bytes((folder / "a.fits").read_bytes()[:4000])
    (folder / "d.fits").write_bytes(b"no FITS file at all")
    assert left_out([folder]) == []
    code, said = skysift("fold", "--out", "o.ecsv")
    assert code == 2
    assert "fold/c.fits" in said


def test_a_folder_of_no_photon_lists_says_so(tmp_path):
    no_photons(tmp_path / "a.fits")
    with pytest.raises(ReadError, match="no photon list: 1 FITS file "):
        files_of([tmp_path], ReadOptions())


def test_a_file_that_changes_is_looked_at_again(folder, tmp_path):
    no_photons(folder / "c.fits")
    assert names([folder]) == ["a.fits", "b.fits"]
    shutil.copy(folder / "a.fits", folder / "c.fits")
    assert names([folder]) == ["a.fits", "b.fits", "c.fits"]
