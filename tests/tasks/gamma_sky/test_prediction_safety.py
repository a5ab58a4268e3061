"""What a prediction may not overwrite, and what it has to say of its input."""

import gzip
import json
import shutil

import numpy as np
import pytest
from astropy.io import fits

from skysift.core.config import build_config
from skysift.core.errors import ConfigError
from skysift.data.io import read_table
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.tasks.gamma_sky.observations import files_of, input_files, iter_observations
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions

RUN = "gamma/hess-dl3-dr1/data/hess_dl3_dr1_obs_id_023523.fits.gz"
HESS = "gamma/hess-dl3-dr1"
WINDOWS = ("--windows", "30s", "--lateness", "1h")


def photons(path, *, number=1, good=((0.0, 60.0),), pointing=(10.0, 5.0), start=0.0):
    rng = np.random.default_rng(number)
    n = 300
    events = EventList(
        start + np.sort(rng.uniform(0, 60, n)), rng.normal(10, 0.8, n), rng.normal(5, 0.8, n),
        rng.uniform(0.1, 1, n), GoodTimeIntervals.of([(start + a, start + b) for a, b in good]),
        Pointing(*pointing, 20.0), name=str(number),
    )  # fmt: skip
    write_events(events, path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two photon lists in a folder without an index."""
    inside = tmp_path / "fold"
    inside.mkdir()
    photons(inside / "a.fits.gz", number=1)
    photons(inside / "b.fits", number=2, start=100.0)
    return inside


def without_good_time(path):
    with fits.open(photons(path)) as hdus:
        hdus["GTI"].data = hdus["GTI"].data[:0]
        hdus.writeto(path, overwrite=True)
    return path


def kept(path):
    """The metadata of answers."""
    return read_table(path).meta["provenance"]


# --- what may not be overwritten ----------------------------------------------------------------


@pytest.mark.parametrize(
    "outputs",
    [
        ("--out", "o.ecsv", "--clean", "fold/a.fits.gz"),
        ("--out", "fold/b.fits"),
        ("--out", "fold/b.fits", *WINDOWS),
        ("--out", "o.ecsv", "--clean", "fold/sources.ecsv.fits", "--regions", "fold/c.reg"),
    ],
)
def test_a_photon_list_of_a_folder_is_not_overwritten(skysift, folder, outputs):
    shutil.copy(folder / "b.fits", folder / "c.fits")
    (folder / "sources.ecsv.fits").symlink_to(folder / "c.fits")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, said = skysift(folder, *outputs)
    assert code != 0
    assert "also an input" in said
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_what_describes_a_folder_is_not_overwritten_either(skysift, folder):
    (folder / "simulation.json").write_text("{}")
    for name in ("sources.ecsv", "fields.ecsv"):
        shutil.copy(folder / "b.fits", folder / name)
        code, said = skysift(folder, "--out", f"fold/{name}")
        assert code != 0
        assert "also an input" in said


def test_the_map_of_a_further_window_does_not_replace_an_input(skysift, tmp_path):
    photons(tmp_path / "a.fits", number=1)
    second = photons(tmp_path / "c-0001.fits", number=2, start=100.0)
    before = second.read_bytes()
    code, said = skysift("a.fits", second, "--out", "o.ecsv", "--clean", "c.fits")
    assert code != 0
    assert "c-0001.fits" in said
    assert "also an input" in said
    assert second.read_bytes() == before
    assert not (tmp_path / "c.fits").exists()  # it is said before anything is searched


@pytest.mark.mirror
def test_the_index_of_a_folder_is_not_overwritten(skysift, mirror, tmp_path):
    index = tmp_path / "hd"
    (index / "data").mkdir(parents=True)
    for name in ("hdu-index.fits.gz", "obs-index.fits.gz"):
        shutil.copyfile(mirror / HESS / name, index / name)
    for path in (mirror / HESS / "data").iterdir():
        (index / "data" / path.name).symlink_to(path)
    reading = ReadOptions(obs_id=(23523,))
    files = input_files([index], reading)
    assert {"hdu-index.fits.gz", "obs-index.fits.gz"} <= {path.name for path in files}
    assert len(files) > 60  # of all observations, not only of the one that is read
    for name in ("hdu-index.fits.gz", "obs-index.fits.gz"):
        code, said = skysift("hd", "--obs-id", "23523", "--out", "o.ecsv", "--clean", f"hd/{name}")
        assert code != 0
        assert "also an input" in said
        assert (index / name).read_bytes() == (mirror / HESS / name).read_bytes()


def test_a_response_that_is_given_is_an_input(folder, tmp_path):
    response = tmp_path / "irf.fits"
    response.touch()
    assert response in input_files([folder], ReadOptions(response=str(response)))


# --- outputs among each other -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (("--out", "x.fits", "--clean", "x.fits"), "cleaned maps and the candidates"),
        (("--out", "x.fits", "--clean", "./fold/../x.fits"), "cleaned maps and the candidates"),
        (("--out", "x-0001.fits", "--clean", "x.fits"), "cleaned maps and the candidates"),
        (("--out", "x.fits", "--regions", "x.reg.gz"), "does not end with .reg"),
    ],
)
def test_outputs_do_not_replace_each_other(skysift, folder, tmp_path, outputs, said):
    code, told = skysift(folder, *outputs)
    assert code == 2
    assert said in told
    assert not list(tmp_path.glob("x*"))


def test_a_cleaned_map_that_is_named_gz_is_compressed(skysift, folder, tmp_path):
    for name in ("one", "two"):
        code, said = skysift(folder / "b.fits", "--out", "o.ecsv", "--clean", f"{name}.fits.gz")
        assert code == 0, said
    packed = (tmp_path / "one.fits.gz").read_bytes()
    assert packed[4:8] == bytes(4)  # no time of writing, so that it comes out again
    with fits.open(tmp_path / "one.fits.gz") as hdus:
        assert hdus["CLEANED"].data.ndim == 3
    assert gzip.decompress(packed)[:6] == b"SIMPLE"
    assert not list(tmp_path.glob(".one*"))


# --- which files are read -----------------------------------------------------------------------


def test_only_a_folder_of_simulations_is_read_by_the_names_of_its_files(folder):
    photons(folder / "events-3.fits", number=3)
    names = [one.path.name for one in files_of([folder], ReadOptions())]
    assert names == ["a.fits.gz", "b.fits", "events-3.fits"]
    (folder / "simulation.json").write_text("{}")
    names = [one.path.name for one in files_of([folder], ReadOptions())]
    assert names == ["events-3.fits"]


def test_what_is_given_twice_is_read_once(folder, tmp_path):
    link = tmp_path / "again.fits"
    link.symlink_to(folder / "b.fits")
    given = [folder / "b.fits", folder, link, folder / "a.fits.gz"]
    assert [one.path.name for one in files_of(given, ReadOptions())] == ["b.fits", "a.fits.gz"]


@pytest.mark.mirror
def test_an_observation_that_is_asked_for_twice_is_read_once(mirror):
    given = [mirror / HESS, mirror / RUN, mirror / HESS]
    found = files_of(given, ReadOptions(obs_id=(23523, 20136, 23523)))
    assert [one.obs_id for one in found] == [23523, 20136]


def test_a_step_needs_a_window():
    with pytest.raises(ConfigError, match="give window as well"):
        build_config(PredictOptions, {"step": "10s"})
    assert build_config(PredictOptions, {"step": "10s", "window": "20s"}).step == 10


# --- what is said of the input ------------------------------------------------------------------


@pytest.mark.parametrize("windows", [(), WINDOWS])
def test_without_good_time_all_is_rejected(skysift, tmp_path, windows):
    without_good_time(tmp_path / "bad.fits")
    code, said = skysift("bad.fits", "--out", "o.ecsv", *windows)
    assert code == 2
    assert "All of the input was rejected" in said
    assert "under 'input_contract' in its metadata" in said
    found = {one["code"]: one["message"] for one in kept(tmp_path / "o.ecsv")["input_contract"]}
    assert "Read with ignore_gti" in found["gti-empty"]
    code, said = skysift("bad.fits", "--out", "o.ecsv", "--ignore-gti", *windows)
    assert code == 0, said


def test_a_stream_counts_and_records_as_files_do(skysift, tmp_path, capsys):
    with fits.open(photons(tmp_path / "a.fits")) as hdus:
        hdus["EVENTS"].data["ENERGY"][:7] = np.nan
        hdus.writeto(tmp_path / "a.fits", overwrite=True)
    records = []
    for name, windows in (("files", ()), ("stream", WINDOWS)):
        code, said = skysift("a.fits", "--out", f"{name}.ecsv", *windows)
        assert code == 0, said
        record = kept(tmp_path / f"{name}.ecsv")
        records.append({key: record[key] for key in ("input_contract", "without_response")})
    assert records[0] == records[1]
    assert any(
        one["n"] == 7 and one["verdict"] == "rejected" for one in records[0]["input_contract"]
    )
    assert records[0]["without_response"] == ["1"]


@pytest.mark.parametrize("windows", [(), WINDOWS])
def test_a_wrong_pointing_is_told(skysift, tmp_path, windows):
    photons(tmp_path / "right.fits")
    assert skysift("right.fits", "--out", "o.ecsv", *windows) == (0, "")
    assert kept(tmp_path / "o.ecsv")["beyond_map"] == []
    for ra in (17.0, 200.0):
        photons(tmp_path / "wrong.fits", pointing=(ra, 5.0))
        code, said = skysift("wrong.fits", "--out", "o.ecsv", *windows)
        assert code == 0
        assert f"1: 300 of 300 photons are more than 2.8 deg from the pointing ({ra:.4f}" in said
        (told,) = kept(tmp_path / "o.ecsv")["beyond_map"]
        assert (told["observation"], told["beyond"]) == ("1", 300)


@pytest.mark.mirror
@pytest.mark.parametrize("part", ["AEFF", "EDISP", "PSF"])
def test_a_response_that_is_cut_off_is_told(skysift, mirror, tmp_path, part):
    whole = gzip.decompress((mirror / RUN).read_bytes())
    with fits.open(mirror / RUN) as hdus:
        end = hdus[part].fileinfo()["datLoc"] + hdus[part].fileinfo()["datSpan"] // 2
    (tmp_path / "cut.fits").write_bytes(whole[:end])
    code, said = skysift("cut.fits", "--out", "o.ecsv", "--emin", "0.4TeV")
    assert code == 0, said
    assert "23523: The instrument response is not used: " in said
    assert ("the file is cut short" in said) == (part != "PSF")  # all parts begin: they are read
    record = kept(tmp_path / "o.ecsv")
    assert record["without_response"] == ["23523"]
    assert [one["code"] for one in record["input_contract"]].count("unusable-response") == 1


@pytest.mark.mirror
def test_a_response_that_lacks_a_part_is_told(skysift, mirror, tmp_path):
    with fits.open(mirror / RUN) as hdus:
        fits.HDUList([one for one in hdus if one.name != "PSF"]).writeto(tmp_path / "part.fits")
    (item,) = iter_observations([tmp_path / "part.fits"], ReadOptions())
    assert item.response is None
    (finding,) = [one for one in item.findings if one.code == "unusable-response"]
    assert finding.message == "The instrument response is not used: it lacks psf."
    (without,) = iter_observations([tmp_path / "part.fits"], ReadOptions(response="none"))
    assert all(one.code != "unusable-response" for one in without.findings)
    (own,) = iter_observations([mirror / RUN], ReadOptions())
    assert own.response is not None


@pytest.mark.mirror
def test_which_observations_had_a_response_is_recorded(skysift, mirror, tmp_path):
    photons(tmp_path / "plain.fits")
    code, said = skysift(
        mirror / RUN, "plain.fits", "--out", "o.ecsv", "--emin", "0.4TeV", "--json"
    )
    assert code == 0, said
    assert "response" not in said  # a list without any is as it is
    assert json.loads(json.dumps(kept(tmp_path / "o.ecsv")))["without_response"] == ["1"]
