"""Methods that no expected number of false candidates sets a threshold for: what they say of it."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits

from skysift.cli.main import main
from skysift.core.errors import UsageError
from skysift.data.io import read_table
from skysift.data.sky.event_list import EventList, Pointing
from skysift.data.sky.gadf_location import HduLocation
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.gti import GoodTimeIntervals
from skysift.data.sky.tangent import separation
from skysift.models.sky.trials import TrialsTable
from skysift.serve.alerts.options import HARMLESS_FLAGS
from skysift.tasks.gamma_sky.calibration import NO_TRIALS
from skysift.tasks.gamma_sky.candidates import FLAG_WORDS, CandidateTable
from skysift.tasks.gamma_sky.observations import iter_observations
from skysift.tasks.gamma_sky.options import METHODS, UNCALIBRATED, PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pipeline import search_events, threshold_of
from skysift.tasks.gamma_sky.reference import read_response
from skysift.tasks.gamma_sky.window_methods import bin_window, method_of

POINTING = Pointing(10.0, 5.0, 20.0)
READING = ReadOptions(pixels=60, pixel_size=0.1, bands=2, emin=0.1, emax=10.0)
HESS = "gamma/hess-dl3-dr1"
DOCS = Path(__file__).parents[3] / "docs"


def field(*, at=None, n=2000):
    """A field without sources, or with a bright one somewhere."""
    rng = np.random.default_rng(4)
    ra, dec = rng.normal(10, 0.8, n), rng.normal(5, 0.8, n)
    if at is not None:
        ra, dec = (
            np.append(values, rng.normal(place, 0.03, 500))
            for values, place in ((ra, at[0]), (dec, at[1]))
        )
    time, energy = np.sort(rng.uniform(0, 100, len(ra))), rng.uniform(0.1, 3.0, len(ra))
    return EventList(
        time, ra, dec, energy, GoodTimeIntervals.of([(0.0, 100.0)]), POINTING, name="1"
    )


def candidates(method, events, trials: TrialsTable = NO_TRIALS, **options):
    asked = PredictOptions(method=method, photometry=False, **options)
    return search_events(events, None, READING, asked, trials).table


@pytest.fixture
def predicted(monkeypatch, capsys, tmp_path):
    """Search a file from the command line; return stderr and the table."""
    monkeypatch.chdir(tmp_path)
    write_events(field(at=(10.5, 5.5)), tmp_path / "run.fits")

    def call(method, *more):
        small = ("--pixels", "60", "--pixel-size", "0.1", "--bands", "2")
        command = ["skysift", "predict", "gamma-sky", "run.fits", "--out", "o.ecsv", *small]
        monkeypatch.setattr(sys, "argv", [*command, "--method", method, *more])
        try:
            main()
        except SystemExit as stop:
            assert not stop.code  # noqa: PT017 the program ends this way
        return capsys.readouterr().err, read_table(tmp_path / "o.ecsv")

    return call


@pytest.mark.parametrize("method", ["smoothed-maximum", "gammapy", "likelihood-ratio"])
def test_only_a_threshold_that_holds_is_stated(predicted, method):
    if method == "gammapy":
        pytest.importorskip("gammapy", reason="gammapy is not installed")
    said, table = predicted(method)
    stated = table.meta["provenance"]["candidates"]["false_alarms"]
    assert len(table) >= 1
    if method in UNCALIBRATED:
        assert set(table["flags"].tolist()) == {"no-threshold"}
        assert f"{method}: the number of false alarms sets no threshold" in said
        assert "flag 'no-threshold'" in said
        assert stated is None
    else:
        assert not any("no-threshold" in str(flags) for flags in table["flags"])
        assert "threshold" not in said
        assert stated == {"value": 0.01, "per": "field"}


def test_every_other_method_has_a_threshold():
    without = {name for name in METHODS if threshold_of(PredictOptions(method=name)) is None}
    assert without == set(UNCALIBRATED) == {"smoothed-maximum", "gammapy"}


def test_a_table_without_a_threshold_says_so():
    empty = CandidateTable.empty(None)
    assert repr(empty) == "<CandidateTable 0 rows, no threshold>"
    assert empty.meta()["false_alarms"] is None
    assert len(CandidateTable.concatenate([empty, empty])) == 0


def test_flags_are_told_in_words_here_and_in_the_documentation():
    page = (DOCS / "tasks" / "gamma-sky.md").read_text(encoding="utf-8")
    for flag, words in FLAG_WORDS.items():
        assert f"| `{flag}` | {words}" in page
    assert "no-threshold" not in HARMLESS_FLAGS  # no alert is sent of them
    assert "pointing-moves" in HARMLESS_FLAGS


# --- the search radius --------------------------------------------------------------------------


def test_the_highest_pixel_is_looked_for_within_the_search_radius():
    events = field(at=(11.5, 6.0))  # 1.8 deg from the pointing
    far = candidates("smoothed-maximum", events)
    assert separation(far["ra"][0], far["dec"][0], 11.5, 6.0) < 0.2
    near = candidates("smoothed-maximum", events, search_radius=1.0)
    assert separation(near["ra"][0], near["dec"][0], 10.0, 5.0) <= 1.0
    inside = candidates("smoothed-maximum", field(at=(10.3, 5.2)), search_radius=1.0)
    whole = candidates("smoothed-maximum", field(at=(10.3, 5.2)))
    assert inside["ra"] == whole["ra"]  # what is within is the same to the bit
    assert inside["dec"] == whole["dec"]


def test_a_radius_without_a_pixel_is_refused():
    with pytest.raises(UsageError, match="within the search radius"):
        candidates("smoothed-maximum", field(), search_radius=1e-3)


# --- gammapy's response -------------------------------------------------------------------------


def test_gammapy_reads_the_parts_that_an_index_names(tmp_path):
    irf = pytest.importorskip("gammapy.irf", reason="gammapy is not installed")
    maps = importlib.import_module("gammapy.maps")
    energy = maps.MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", 2, name="energy")
    true = maps.MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", 2, name="energy_true")
    offset = maps.MapAxis.from_edges([0.0, 1.0, 2.0], unit="deg", name="offset")
    hdus = [fits.PrimaryHDU()]
    for number in (1, 2):
        of = (
            ("AEFF", irf.EffectiveAreaTable2D(
                [true, offset], data=np.full((2, 2), float(number)), unit=u.m**2)),
            ("BKG", irf.Background2D(
                [energy, offset], data=np.full((2, 2), float(number)), unit="s-1 MeV-1 sr-1")),
        )  # fmt: skip
        for name, part in of:
            hdu = part.to_table_hdu()
            hdu.name = f"{name}_{number}"
            hdus.append(hdu)
    path = tmp_path / "both.fits"
    fits.HDUList(hdus).writeto(path)
    for number in (1, 2):
        parts = [
            HduLocation(path, f"AEFF_{number}", "aeff", "aeff_2d"),
            HduLocation(path, f"BKG_{number}", "bkg", "bkg_2d"),
        ]
        found = read_response(path, parts=parts)
        assert found["bkg"].data.max() == found["aeff"].data.max() == number


@pytest.mark.mirror
def test_gammapy_searches_each_observation_of_a_file_with_its_own_response(mirror, tmp_path):
    pytest.importorskip("gammapy", reason="gammapy is not installed")
    kinds = {"EVENTS": "events", "GTI": "gti", "AEFF": "aeff", "EDISP": "edisp", "PSF": "psf",
             "BKG": "bkg"}  # fmt: skip
    classes = {"aeff": "aeff_2d", "edisp": "edisp_2d", "psf": "psf_table", "bkg": "bkg_3d"}
    hdus, rows = [fits.PrimaryHDU()], []
    runs = {number: mirror / HESS / f"data/hess_dl3_dr1_obs_id_0{number}.fits.gz"
            for number in (23559, 33787)}  # fmt: skip
    for number, path in runs.items():
        with fits.open(path) as single:
            for name, kind in kinds.items():
                hdu = fits.BinTableHDU(single[name].data, single[name].header.copy())
                hdu.name = f"{name}_{number}"
                hdus.append(hdu)
                rows.append((number, kind, classes.get(kind, kind), hdu.name))
    fits.HDUList(hdus).writeto(tmp_path / "all.fits")
    numbers, types, of, names = (list(column) for column in zip(*rows, strict=True))
    columns = [
        fits.Column("OBS_ID", "K", array=numbers),
        fits.Column("HDU_TYPE", "10A", array=types),
        fits.Column("HDU_CLASS", "10A", array=of),
        fits.Column("FILE_DIR", "10A", array=["./"] * len(rows)),
        fits.Column("FILE_NAME", "20A", array=["all.fits"] * len(rows)),
        fits.Column("HDU_NAME", "20A", array=names),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "hdu-index.fits")
    reading = ReadOptions(emin=0.4)
    options = PredictOptions(method="gammapy")
    expected = []
    for number, path in runs.items():
        asked = reading.model_copy(update={"obs_id": (number,)})
        counts = []
        for given in ([tmp_path], [path]):
            (item,) = iter_observations(given, asked)
            binned = bin_window(item.events, reading)
            method = method_of(binned, item.response, options, NO_TRIALS, 0.01)
            counts.append(float(method._reduced.background.data.sum()))
        assert counts[0] == counts[1] > 0
        expected.append(counts[0])
    assert expected[0] != pytest.approx(expected[1], rel=0.01)
