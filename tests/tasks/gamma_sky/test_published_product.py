"""What networks leave beside a table: their maps, why they are silent, where they ran."""

import json
import re

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from skysift.core.errors import UsageError
from skysift.core.jobs import Run
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.gadf_write import write_events
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.baseline import runtime
from skysift.models.sky.baseline.edges import bin_between_extremes
from skysift.models.sky.network import runtime as network_runtime
from skysift.models.sky.placed import Unconfirmed
from skysift.tasks.gamma_sky import devices, studies, window_methods
from skysift.tasks.gamma_sky.evaluation.study import place_source
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.model import load_bundle
from skysift.tasks.gamma_sky.observations import iter_observations
from skysift.tasks.gamma_sky.options import METHODS, EvaluateOptions, PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.prediction import predict_files
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

POINTING = Pointing(83.6, 22.0, 20.0)
GRID = TangentGrid(POINTING.ra, POINTING.dec, 200, 200, 0.025)
PUBLISHED = ("cnn-cleaner", "cnn-regressor")
READING = ReadOptions(emax=1.0, bands=4)


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """A photon list of 100 s with a source of 1 Crab, and one without any."""
    folder, rng = tmp_path_factory.mktemp("lists"), np.random.default_rng(8)
    setup = FieldSetup(GRID, POINTING, np.geomspace(0.04, 1.0, 5), 100.0, AnalyticResponse())
    source = place_source(POINTING, 0.7, 30.0, 1.0, setup)
    paths = []
    for name, sources in (("source", (source,)), ("empty", ())):
        field = Field(POINTING, 100.0, sources)
        events = simulate_events(field, AnalyticResponse(), rng, energy_range=(0.04, 1.0))
        paths.append(folder / f"{name}.fits")
        write_events(events, paths[-1])
    offset = TangentGrid(POINTING.ra, POINTING.dec).to_plane(source.ra, source.dec)
    expected = setup.folded().source.rate_at(float(np.hypot(*offset))).sum() * 100.0
    return (*paths, source, float(expected))


def predict(path, out, method, reading=READING, **asked):
    return predict_files(
        [path],
        out,
        load_bundle(bundle_folder("gamma-sky")),
        reading,
        PredictOptions(method=method, **asked),
        provenance=Provenance.start("test"),
        progress=lambda *_: None,
    )


def written(out):
    """Return the record in the header of an ECSV table."""
    return json.loads(Table.read(out).meta["skysift"])


@pytest.mark.parametrize("method", PUBLISHED)
def test_the_cleaned_map_is_the_networks_own(lists, tmp_path, method):
    path, _, source, expected = lists
    predict(path, tmp_path / "found.ecsv", method, clean=str(tmp_path / "clean.fits"))
    with fits.open(tmp_path / "clean.fits", checksum=True) as file:
        assert [one.name for one in file[1:6]] == [
            "CLEANED", "COUNTS", "RESIDUAL", "EBOUNDS", "GTI",
        ]  # fmt: skip
        cleaned, counts, residual = (file[name].data for name in ("CLEANED", "COUNTS", "RESIDUAL"))
        said = " ".join(file[0].header["HISTORY"])
        edges = [file["EBOUNDS"].data[name].item() for name in ("E_MIN", "E_MAX")]
        assert edges == pytest.approx([0.04, 1.0])
        assert file[0].header["NCLEANED"] == pytest.approx(cleaned.sum())
        column, row = WCS(file["CLEANED"].header).celestial.world_to_pixel_values(
            source.ra, source.dec
        )
    assert cleaned.shape == (1, 200, 200)
    np.testing.assert_allclose(cleaned + residual, counts, atol=1e-9)
    assert counts.sum() == np.rint(counts).sum() > 2000
    assert "states no variance" in said
    # It is a map of counts, at the place of the source.
    y, x = np.mgrid[:200, :200]
    near = np.hypot(x - column, y - row) < 16
    assert 0.7 < cleaned[0][near].sum() / expected < 1.4
    assert cleaned[0][near].sum() > 0.8 * cleaned.sum()


def test_gammapy_reads_it(lists, tmp_path):
    maps = pytest.importorskip("gammapy.maps")
    predict(lists[0], tmp_path / "found.ecsv", "cnn-cleaner", clean=str(tmp_path / "clean.fits"))
    read = {
        name: maps.Map.read(tmp_path / "clean.fits", hdu=name) for name in ("CLEANED", "COUNTS")
    }
    image = fits.getdata(tmp_path / "clean.fits", "CLEANED")
    for one in read.values():
        assert one.geom.axes["energy"].edges.value.tolist() == pytest.approx([0.04, 1.0])
        assert one.geom.projection == "TAN"
    np.testing.assert_array_equal(read["CLEANED"].data, image)


def test_a_map_for_each_window_and_the_bands_that_the_network_saw(lists, tmp_path):
    counts = predict(
        lists[0],
        tmp_path / "found.ecsv",
        "cnn-cleaner",
        reading=ReadOptions(),
        window=50.0,
        clean=str(tmp_path / "clean.fits"),
    )
    assert counts["windows"] == 2
    assert sorted(path.name for path in tmp_path.glob("*.fits")) == [
        "clean-0001.fits",
        "clean.fits",
    ]
    bands = fits.getdata(tmp_path / "clean-0001.fits", "EBOUNDS")
    # Of eight bands to 10 TeV the fifth reaches beyond 1 TeV; it is said how far.
    edges = [bands[name].item() for name in ("E_MIN", "E_MAX")]
    assert edges == pytest.approx([0.04, 0.04 * 250 ** (5 / 8)])
    assert fits.getheader(tmp_path / "clean.fits")["LIVETIME"] == pytest.approx(50, rel=0.05)


def test_pixels_between_extremes_have_the_coordinates_of_their_bins(rng):
    ra, dec = rng.uniform(80, 86, 5000), rng.uniform(-40, -35, 5000)
    between = bin_between_extremes(ra, dec, 60)
    columns, rows = between.wcs().wcs_world2pix(ra, dec, 0)
    inside = (np.abs(columns % 1 - 0.5) > 1e-6) & (np.abs(rows % 1 - 0.5) > 1e-6)
    places = np.rint(columns).astype(int), np.rint(rows).astype(int)
    found = np.zeros((60, 60))
    chosen = inside & (places[0] < 60) & (places[1] < 60)
    np.add.at(found, (places[1][chosen], places[0][chosen]), 1)
    assert chosen.sum() > 4900
    assert np.abs(found - between.counts).sum() <= len(ra) - chosen.sum()


def test_a_field_without_a_source_says_why_there_is_no_candidate(lists, tmp_path, capsys):
    out = tmp_path / "found.ecsv"
    counts = predict(lists[1], out, "cnn-regressor")
    assert counts["candidates"] == 0
    told = capsys.readouterr().err
    assert re.fullmatch(
        r"\S+: no candidate\. cnn-regressor names 8\d\.\d+ \+2\d\.\d+ deg: significance -?\d\.\d, "
        r"below the threshold \d\.\d; the cleaner leaves \d+\.\d of \d,\d{3} counts\.\n",
        told,
    )
    (place,) = written(out)["unconfirmed"]
    assert place["significance"] < place["threshold"]
    assert f"{place['ra']:.4f} {place['dec']:+.4f} deg: {place['reason']}" in told


@pytest.mark.parametrize("photons", [0, 2])
def test_a_list_with_hardly_a_photon_has_no_candidate(lists, tmp_path, capsys, photons):
    (item,) = iter_observations([lists[1]], READING)
    few = item.events.take(slice(0, photons))
    write_events(few, tmp_path / "few.fits")
    for method in PUBLISHED:
        counts = predict(
            tmp_path / "few.fits", tmp_path / "found.ecsv", method, clean=str(tmp_path / "c.fits")
        )
        assert counts["candidates"] == 0
        assert f"of {photons} counts" in capsys.readouterr().err
        assert fits.getheader(tmp_path / "c.fits")["NCOUNTS"] == photons


def test_of_many_windows_a_few_are_told(lists, tmp_path, capsys):
    predict(lists[1], tmp_path / "found.ecsv", "cnn-cleaner", window=10.0)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 6
    assert "5 windows more, under 'unconfirmed' in" in told[-1]
    assert "made for 100 s, not for 10 s" in told[0]
    assert len(written(tmp_path / "found.ecsv")["unconfirmed"]) == 10


def test_a_window_with_a_candidate_and_other_methods_say_nothing(lists, tmp_path, capsys):
    for path, method in ((lists[0], "cnn-cleaner"), (lists[1], "likelihood-ratio")):
        predict(path, tmp_path / "found.ecsv", method)
        assert capsys.readouterr().err == ""
        assert written(tmp_path / "found.ecsv")["unconfirmed"] == []


def test_a_place_outside_the_search_is_told():
    place = Unconfirmed(0.0, 2.4, 9.0, 4.8, searched=False, made_for=100.0)
    assert place.reason(100.0) == "not within the search radius"


@pytest.mark.mirror
def test_a_run_of_another_array_is_outside_of_what_the_regressor_knows(mirror, tmp_path, capsys):
    path = mirror / "gamma/hess-dl3-dr1/data/hess_dl3_dr1_obs_id_023523.fits.gz"
    counts = predict(path, tmp_path / "found.ecsv", "cnn-regressor", reading=ReadOptions())
    assert counts["candidates"] == 0
    assert "below the threshold" in (told := capsys.readouterr().err)
    assert "made for 100 s, not for 1,582 s" in told
    assert predict(path, tmp_path / "top.ecsv", "cnn-cleaner", ReadOptions())["candidates"] == 1


class Sessions:
    """A stand-in for a GPU: what is opened there runs on the processor, and is written down."""

    def __init__(self, monkeypatch):
        self.opened = []
        plain = runtime.open_session

        def opened(data, *, threads=1, device="cpu"):
            self.opened.append(device)
            return plain(data, threads=threads)

        for module in (runtime, network_runtime):
            monkeypatch.setattr(module, "open_session", opened)
        window_methods._method.cache_clear()


@pytest.fixture
def sessions(monkeypatch):
    monkeypatch.setattr(
        "skysift.models.persist.onnx_session.find_device",
        lambda asked: "cpu" if asked == "cpu" else "cuda",
    )
    yield Sessions(monkeypatch)
    window_methods._method.cache_clear()


@pytest.mark.parametrize(
    ("method", "asked", "where"),
    [
        ("cnn-regressor", "auto", ["cuda", "cuda"]),
        ("cnn-cleaner", "cuda", ["cuda", "cuda"]),
        ("cnn-cleaner", "cpu", ["cpu", "cpu"]),
        ("network", "auto", ["cuda"]),
        ("network", "cpu", ["cpu"]),
        ("likelihood-ratio", "auto", []),
    ],
)
def test_networks_run_where_they_are_asked_to(lists, tmp_path, sessions, method, *, asked, where):
    predict(lists[0], tmp_path / "found.ecsv", method, device=asked)
    assert sessions.opened == where
    assert written(tmp_path / "found.ecsv")["device"] == (where or ["cpu"])[0]


def test_an_evaluation_asks_its_networks_there_too(tmp_path, sessions, monkeypatch, rng):
    asked = []

    def evaluate_sky(options, *_, extra, **__):
        asked.append((options.device, [one.name for one in extra]))
        return Run("none", [])

    monkeypatch.setattr(studies, "evaluate_sky", evaluate_sky)
    monkeypatch.setattr(studies, "_terse", lambda run, _: run)
    model = load_bundle(bundle_folder("gamma-sky", "cnn"))
    studies.evaluate(
        EvaluateOptions(), model, tmp_path, rng, command="test", progress=lambda *_: None
    )
    assert asked == [("cuda", ["cnn-cleaner", "cnn-regressor"])]
    assert sessions.opened == ["cuda"] * 4


def test_a_gpu_is_refused_where_there_is_none_or_no_use_for_it(lists, tmp_path, monkeypatch):
    out = tmp_path / "found.ecsv"
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    for method in METHODS:
        networks = method in devices.NETWORKS
        with pytest.raises(UsageError, match="onnxruntime-gpu" if networks else "No network"):
            predict(lists[0], out, method, device="cuda")
    assert not out.exists()


@pytest.mark.parametrize("method", ["likelihood-ratio-peak", "smoothed-maximum", "gammapy"])
def test_methods_without_a_cleaned_map_say_so_before_they_search(lists, tmp_path, method):
    with pytest.raises(UsageError, match=r"Clean with .*cnn-cleaner"):
        predict(lists[0], tmp_path / "found.ecsv", method, clean=str(tmp_path / "clean.fits"))
    assert list(tmp_path.iterdir()) == []
