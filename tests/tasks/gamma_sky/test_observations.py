"""Which photon lists are read, with which responses, and what is known of them."""

import shutil

import numpy as np
import pytest

from skysift.core.errors import ReadError, UnknownNameError
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.tasks.gamma_sky.observations import files_of, iter_observations, read_observations
from skysift.tasks.gamma_sky.options import ReadOptions
from skysift.tasks.gamma_sky.synth import synthetic_observations, write_truth_table

NORTH = "gamma/cta-caldb/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz"
HESS = "gamma/hess-dl3-dr1"


def write(path, n=5, name="1"):
    rng = np.random.default_rng(n)
    events = EventList(
        np.sort(rng.uniform(0, 60, n)), rng.uniform(9, 11, n), rng.uniform(4, 6, n),
        rng.uniform(0.1, 1, n), GoodTimeIntervals.of([(0.0, 60.0)]), Pointing(10.0, 5.0, 20.0),
        name=name,
    )  # fmt: skip
    write_events(events, path)
    return path


def names(paths, **options):
    return [source.path.name for source in files_of(paths, ReadOptions(**options))]


def test_a_folder_stands_for_its_photon_lists(tmp_path):
    for name in ("events-2.fits", "events-1.fits.gz", "other.fits", "notes.txt"):
        (tmp_path / name).touch()
    assert names([tmp_path]) == ["events-1.fits.gz", "events-2.fits", "other.fits"]
    (tmp_path / "simulation.json").touch()  # what else is in there are no photon lists
    assert names([tmp_path]) == ["events-1.fits.gz", "events-2.fits"]
    (tmp_path / "events-2.fits").unlink()
    (tmp_path / "events-1.fits.gz").unlink()
    assert names([tmp_path]) == ["other.fits"]
    assert names([tmp_path / "notes.txt"]) == ["notes.txt"]


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ReadError, match="no photon list"):
        files_of([tmp_path], ReadOptions())
    assert len(read_observations([], ReadOptions())) == 0


def test_a_file_without_a_response_has_none(tmp_path):
    (item,) = iter_observations([write(tmp_path / "run.fits")], ReadOptions())
    assert item.response is None
    assert item.truth is None
    assert item.n_rows == len(item.events) == 5


def test_a_response_that_is_not_there_is_an_error(tmp_path):
    options = ReadOptions(response=str(tmp_path / "nowhere.fits"))
    with pytest.raises(ReadError, match="nowhere"):
        list(iter_observations([write(tmp_path / "run.fits")], options))


def test_a_response_of_its_own_that_cannot_be_used_is_said(tmp_path, monkeypatch):
    from skysift.tasks.gamma_sky import observations as module  # noqa: PLC0415 patched here

    def fails(path):
        raise ReadError("The table is empty.", "Make it again.", path=path)

    path = write(tmp_path / "run.fits")
    monkeypatch.setattr(module.GadfResponse, "read", fails)
    monkeypatch.setattr(module, "list_responses", lambda _: [_Part(k) for k in module._NEEDED])
    (item,) = iter_observations([path], ReadOptions())
    assert item.response is None
    assert [(f.code, f.verdict.value) for f in item.findings] == [("unusable-response", "noted")]
    assert "The table is empty" in item.findings[0].message
    (silent,) = iter_observations([path], ReadOptions(response="none"))
    assert silent.findings == ()


class _Part:
    def __init__(self, kind):
        self.hdu_type = kind


def test_simulations_bring_their_truth(tmp_path, rng):
    data = synthetic_observations(2, rng)
    for number, item in enumerate(data.items):
        write_events(item.events, tmp_path / f"events-{number:05}.fits")
    write_truth_table(data, tmp_path)
    back = read_observations([tmp_path], ReadOptions())
    assert len(back) == 2
    for one, two in zip(data.items, back.items, strict=True):
        np.testing.assert_allclose(one.truth, two.truth, atol=1e-9)
        np.testing.assert_allclose(one.events.ra, two.events.ra, atol=1e-9)
    (second,) = iter_observations([tmp_path / "events-00001.fits"], ReadOptions())
    np.testing.assert_allclose(second.truth, data.items[1].truth, atol=1e-9)


@pytest.mark.mirror
def test_an_index_gives_observations_with_their_responses(mirror):
    options = ReadOptions(obs_id=(23523, 20136), emin=0.4)
    first, second = iter_observations([mirror / HESS], options)
    assert [first.events.name, second.events.name] == ["23523", "20136"]
    assert first.response is not None
    assert second.response is not None
    assert first.response.effective_area(np.array([1.0]), 0.5)[0] > 1e4
    assert first.truth is None


@pytest.mark.mirror
def test_an_index_names_what_it_does_not_have(mirror):
    with pytest.raises(UnknownNameError, match="observation '23524'"):
        files_of([mirror / HESS], ReadOptions(obs_id=(23524,)))
    assert len(files_of([mirror / HESS], ReadOptions())) == 64


@pytest.mark.mirror
def test_responses_of_the_list_of_a_file_or_none(mirror, tmp_path):
    (path,) = (mirror / HESS).glob("data/*23523*.fits*")
    here = tmp_path / path.name
    shutil.copy(path, here)
    (own,) = iter_observations([here], ReadOptions())
    (given,) = iter_observations([here], ReadOptions(response=str(mirror / NORTH)))
    (without,) = iter_observations([here], ReadOptions(response="none"))
    assert own.response.name != given.response.name
    assert without.response is None
