"""Fields whose photons stop within the map, searched without a response."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from skysift.core.progress import silent
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder
from skysift.data.io import read_table
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.tangent import separation
from skysift.tasks.gamma_sky.live.camera import beside_dead_parts
from skysift.tasks.gamma_sky.model import TASK, load_bundle
from skysift.tasks.gamma_sky.observations import iter_observations
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import search_events, search_observation
from skysift.tasks.gamma_sky.prediction import predict_files
from skysift.tasks.gamma_sky.simulation.field import Field, Source
from skysift.tasks.gamma_sky.simulation.photons import simulate_events
from skysift.tasks.gamma_sky.window_methods import bin_window, method_of

TRIALS = load_bundle(bundle_folder(TASK)).trials
READING, PLAIN = ReadOptions(), PredictOptions(photometry=False)
HERE = Pointing(83.6, 22.0, 20.0)
CRAB = Source(83.8, 22.3, flux=1.0)
HESS = "gamma/hess-dl3-dr1"
MAGIC = ("gamma/joint-crab/dl3/magic", "gamma/magic/rad_max/data")


def through(events, radius, width, rng, oval=1.0):
    """The photons that a camera of some radius lets through; it may be oval."""
    x = (events.ra - HERE.ra) * np.cos(np.radians(HERE.dec)) / np.sqrt(oval)
    y = (events.dec - HERE.dec) * np.sqrt(oval)
    seen = rng.random(len(events)) < 1 / (1 + np.exp((np.hypot(x, y) - radius) / width))
    return replace(
        events,
        time=events.time[seen],
        ra=events.ra[seen],
        dec=events.dec[seen],
        energy=events.energy[seen],
        event_id=None if events.event_id is None else events.event_id[seen],
    )


def events_of(seconds, *sources, seed):
    rng = np.random.default_rng(seed)
    energies = (READING.emin, READING.emax)
    field = Field(HERE, seconds, sources)
    return simulate_events(field, AnalyticResponse(), rng, energy_range=energies), rng


@pytest.mark.parametrize(
    ("radius", "width", "oval"),
    [(1.3, 0.05, 1.0), (1.6, 0.1, 1.0), (2.0, 0.1, 1.0), (1.6, 0.1, 1.3)],
)
def test_a_narrow_field_shows_its_source_and_nothing_else(radius, width, oval):
    events, rng = events_of(900.0, CRAB, seed=4)
    narrow = through(events, radius, width, rng, oval)
    table = search_events(narrow, None, READING, PLAIN, TRIALS).table
    assert len(table) == 1
    assert separation(table["ra"][0], table["dec"][0], CRAB.ra, CRAB.dec) < 0.02
    assert table["flags"][0] == ""


@pytest.mark.parametrize("radius", [1.3, 1.7, 2.1])
def test_narrow_fields_without_a_source_show_none(radius):
    for seed in range(4):
        events, rng = events_of(600.0, seed=seed)
        narrow = through(events, radius, 0.08, rng)
        assert len(search_events(narrow, None, READING, PLAIN, TRIALS).table) == 0


def test_what_lies_beyond_is_not_searched():
    events, rng = events_of(300.0, seed=3)
    narrow = bin_window(through(events, 1.5, 0.05, rng), READING)
    search = method_of(narrow, None, PLAIN, TRIALS, 0.01).search
    whole = method_of(bin_window(events, READING), None, PLAIN, TRIALS, 0.01).search
    assert search.settings.radius == pytest.approx(1.6, abs=0.11)
    assert search.area == pytest.approx(np.pi * search.settings.radius**2, rel=0.01)
    assert (whole.settings.radius, whole.background.reach) == (PLAIN.search_radius, None)
    known = method_of(narrow, AnalyticResponse(), PLAIN, TRIALS, 0.01).search
    assert known.settings.radius == PLAIN.search_radius  # an own background model is believed


def test_a_narrow_field_is_no_dead_camera():
    events, rng = events_of(300.0, seed=3)
    narrow = bin_window(through(events, 1.5, 0.05, rng), READING)
    method = method_of(narrow, None, PLAIN, TRIALS, 0.01)
    _, background = beside_dead_parts(method.search, method.counts_of(narrow.counts.counts))
    assert not background.dead.any()


@pytest.mark.mirror
@pytest.mark.parametrize("emin", [0.04, 0.4])
def test_no_run_of_hess_is_cut(mirror, emin):
    reading = ReadOptions(emin=emin)
    for run in iter_observations([mirror / HESS], reading):
        method = method_of(bin_window(run.events, reading), None, PLAIN, TRIALS, 0.01)
        assert method.search.background.reach is None


@pytest.mark.mirror
@pytest.mark.parametrize("window", [None, "300s"])
@pytest.mark.parametrize("folder", MAGIC)
def test_runs_of_magic_show_the_crab_and_nothing_else(mirror, folder, window):
    options = PredictOptions(photometry=False, window=window)
    for run in iter_observations([mirror / folder], READING):
        for found in search_observation(run, READING, options, TRIALS):
            table = found.table
            assert len(table) == 1
            assert separation(table["ra"][0], table["dec"][0], 83.6331, 22.0145) < 0.05


def test_up_to_where_a_narrow_field_was_searched_is_told(tmp_path, capsys):
    events, rng = events_of(300.0, seed=3)
    write_events(through(events, 1.5, 0.05, rng), tmp_path / "narrow.fits")
    write_events(events, tmp_path / "whole.fits")
    paths, out = sorted(tmp_path.glob("*.fits")), tmp_path / "out.ecsv"
    model = load_bundle(bundle_folder(TASK))
    predict_files(
        paths, out, model, READING, PLAIN, provenance=Provenance.start("test"), progress=silent
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert "photons stop about 1." in line
    assert '"narrowed": [{"window": "' in out.read_text().replace("\n#     ", " ")


def test_a_cleaned_map_expects_nothing_beyond_what_was_searched(tmp_path):
    events, rng = events_of(600.0, CRAB, seed=4)
    searched = search_events(through(events, 1.5, 0.05, rng), None, READING, PLAIN, TRIALS)
    cleaned = searched.cleaned()
    xi, eta = cleaned.counts.grid.pixel_centres()
    beyond = np.hypot(xi[None, :], eta[:, None]) > cleaned.reach
    assert 1.3 < cleaned.reach < 1.8
    assert not cleaned.background[:, beyond].any()
    assert not cleaned.cleaned[:, beyond].any()
    np.testing.assert_array_equal(
        cleaned.residual[:, beyond], cleaned.counts.counts[:, beyond].astype(float)
    )
    assert cleaned.background[:, ~beyond].sum() > 100
    cleaned.write(tmp_path / "clean.fits")
    assert fits.getheader(tmp_path / "clean.fits")["REACH"] == cleaned.reach


def test_windows_of_a_stream_are_flagged_where_the_field_is_narrow(tmp_path, capsys):
    events, rng = events_of(400.0, seed=3)
    write_events(through(events, 1.5, 0.05, rng), tmp_path / "narrow.fits")
    out, options = tmp_path / "out.parquet", PredictOptions(windows=(300.0,), light_curve=0.0)
    model = load_bundle(bundle_folder(TASK))
    predict_files(
        [tmp_path / "narrow.fits"],
        out,
        model,
        READING,
        options,
        provenance=Provenance.start("test"),
        progress=silent,
    )
    flags = read_table(tmp_path / "out-windows.parquet")["flags"].astype(str)
    assert len(flags)
    assert all("narrow" in one.split(",") for one in flags)
    assert f"{len(flags)} of {len(flags)} windows" in capsys.readouterr().err
