"""The published networks as methods: trained by their command, stored, asked for a place."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from skysift.core.errors import BundleError, InputError, ReadError, UsageError
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder, load_task
from skysift.data.irf.analytic import AnalyticResponse
from skysift.data.sky.event_list import Pointing
from skysift.data.sky.tangent import TangentGrid
from skysift.models.sky.baseline.search import PublishedSearch, place_of_maximum
from skysift.models.sky.baseline.variants import COMPACT, CORRECTED, ORIGINAL
from skysift.models.sky.search import SearchSettings
from skysift.preprocess.folding import energy_bands
from skysift.report import Page
from skysift.report.plots.residuals import plot_residuals
from skysift.tasks.gamma_sky import studies
from skysift.tasks.gamma_sky.baseline import study
from skysift.tasks.gamma_sky.baseline.bundle import (
    main as make_bundle,
)
from skysift.tasks.gamma_sky.baseline.bundle import networks_of, save_published
from skysift.tasks.gamma_sky.baseline.costs import Answers, cost_rows
from skysift.tasks.gamma_sky.baseline.loading import load_published
from skysift.tasks.gamma_sky.baseline.maps import MapSettings, make_maps, read_maps
from skysift.tasks.gamma_sky.baseline.table import put_into
from skysift.tasks.gamma_sky.baseline.training import Budget, budget_of, train_all
from skysift.tasks.gamma_sky.calibration import NO_TRIALS
from skysift.tasks.gamma_sky.evaluation.study import Observed, place_source
from skysift.tasks.gamma_sky.field_setup import FieldSetup
from skysift.tasks.gamma_sky.methods import make_method
from skysift.tasks.gamma_sky.options import CompareOptions, PredictOptions, ReadOptions
from skysift.tasks.gamma_sky.pages.published import add_published
from skysift.tasks.gamma_sky.prediction import predict_files
from skysift.tasks.gamma_sky.simulation.field import Field
from skysift.tasks.gamma_sky.simulation.photons import simulate_events

PIXELS = 96
TINY = Budget(
    maps=16, validation_maps=4, cleaner_epochs=1, regressor_epochs=1, batch_size=8, pixels=PIXELS
)
POINTING = Pointing(83.6, 22.0, 20.0)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    train_all(folder, TINY, variants=(ORIGINAL, COMPACT))
    return folder


@dataclass(frozen=True)
class Perfect:
    """Networks that clean nothing away and see the place of the source."""

    place: tuple[float, float]
    variant: object = CORRECTED
    shape: tuple[int, int] = (200, 200)
    pixel_size: float = 0.025
    energies: tuple[float, float] = (0.04, 1.0)
    radius: float = 2.5
    exposure: float = 100.0

    def clean(self, noisy):
        return noisy

    def locate(self, cleaned):
        return np.array([self.place])


def observed_field(rng, flux, setup):
    source = place_source(POINTING, 0.7, 30.0, flux, setup)
    field = Field(POINTING, setup.livetime, (source,) if flux > 0 else ())
    events = simulate_events(field, AnalyticResponse(), rng, energy_range=(0.04, 1.0))
    observed = Observed.of(field, events, setup)
    return observed, observed.grid.to_pixel(source.ra, source.dec)


def field_setup():
    grid = TangentGrid(POINTING.ra, POINTING.dec)
    return FieldSetup(grid, POINTING, energy_bands(), 100.0)


@pytest.mark.parametrize("place", ["regressor", "cleaner"])
def test_a_place_becomes_a_candidate_with_the_counts_of_the_likelihood(rng, place):
    setup = field_setup()
    classical = setup.folded().search(NO_TRIALS, SearchSettings())
    excess, expected = [], []
    for _ in range(8):
        observed, pixel = observed_field(rng, 1.0, setup)
        search = PublishedSearch(classical, Perfect(pixel), place=place)
        (candidate,) = search(observed.counts, observed.photons).candidates
        xi, eta = setup.grid.pixel_to_plane(*pixel)
        assert np.hypot(candidate.xi - xi, candidate.eta - eta) < 0.08
        assert np.isnan(candidate.covariance).all()
        assert candidate.ts > 100
        (best,) = classical(observed.counts, observed.photons).candidates
        excess.append(candidate.excess)
        expected.append(best.excess)
    assert np.mean(excess) == pytest.approx(np.mean(expected), rel=0.1)


def test_a_network_that_points_at_nothing_finds_nothing(rng):
    setup = field_setup()
    classical = setup.folded().search(NO_TRIALS, SearchSettings())
    for place in ((60.0, 130.0), (150.0, 40.0), (1.0, 1.0)):
        observed, _ = observed_field(rng, 0.0, setup)
        found = PublishedSearch(classical, Perfect(place), place="regressor")(observed.counts)
        assert found.candidates == ()
        assert found.level > 4


def test_networks_are_held_to_their_grid_and_energies():
    setup = field_setup()
    search = setup.folded().search(NO_TRIALS, SearchSettings())
    with pytest.raises(UsageError, match="96 x 96"):
        PublishedSearch(search, Perfect((0, 0), shape=(96, 96)), place="regressor")
    with pytest.raises(UsageError, match="photons of 5 to 9 TeV"):
        PublishedSearch(search, Perfect((0, 0), energies=(5.0, 9.0)), place="regressor")


def test_on_the_published_grid_the_map_is_made_of_right_ascension(rng):
    setup = field_setup()
    classical = setup.folded().search(NO_TRIALS, SearchSettings())
    observed, pixel = observed_field(rng, 1.0, setup)
    fixed = PublishedSearch(classical, Perfect(pixel), place="regressor")
    edges = PublishedSearch(classical, Perfect(pixel, variant=ORIGINAL), place="regressor")
    maps = [one.network_map(observed.counts, observed.photons) for one in (fixed, edges)]
    assert maps[0].sum() == pytest.approx(maps[1].sum(), rel=0.01)  # the rim cuts pixels
    assert maps[1].sum(axis=0)[0] > 0  # its first and last column hold the extremes
    assert maps[1].sum(axis=0)[-1] > 0
    place = [one.locate(image[None]) for one, image in zip((fixed, edges), maps, strict=True)]
    np.testing.assert_allclose(place[0], place[1], atol=2e-3)  # the same pixel, another projection


def test_trained_networks_are_kept_and_run_as_they_were(networks, tmp_path):
    assert budget_of(networks) == TINY
    before = {path: path.stat().st_mtime_ns for path in networks.glob("cnn-*/weights.safetensors")}
    assert len(before) == 4
    train_all(networks, TINY, variants=(ORIGINAL, COMPACT))
    assert before == {path: path.stat().st_mtime_ns for path in before}
    make_bundle([str(networks), str(tmp_path / "cnn"), "--variant", "corrected, small"])
    loaded = load_published(tmp_path / "cnn")
    assert loaded.networks.variant == COMPACT
    assert loaded.networks.pixel_size == pytest.approx(5 / PIXELS)
    maps = read_maps(networks / "maps", "validation", "fixed").noisy
    direct = networks_of(networks, COMPACT)
    cleaned = direct.clean(maps)
    np.testing.assert_array_equal(loaded.networks.clean(maps), cleaned)
    np.testing.assert_array_equal(loaded.networks.locate(cleaned), direct.locate(cleaned))


def test_a_smaller_data_set_is_the_start_of_a_larger_one(tmp_path, networks):
    kept = MapSettings(part="train", maps=3, pixels=PIXELS)
    make_maps(kept, tmp_path)
    for grid in ("fixed", "data-edges"):
        few, many = read_maps(tmp_path, "train", grid), read_maps(networks / "maps", "train", grid)
        np.testing.assert_array_equal(few.noisy, many.noisy[:3])
    make_maps(kept.model_copy(update={"maps": 2}), tmp_path)
    assert len(read_maps(tmp_path, "train", "fixed").noisy) == 3
    with pytest.raises(ReadError, match="not 4"):
        read_maps(tmp_path, "train", "fixed", 4)


def test_predict_with_a_bundle_of_networks(networks, tmp_path, rng):
    save_published(networks, ORIGINAL, tmp_path / "original")
    task = load_task("gamma-sky")
    model = task.load(tmp_path / "original")
    assert model.networks == tmp_path / "original"
    photons = tmp_path / "photons"
    photons.mkdir()
    source = task.write_synth(task.synth(1, rng), photons)

    def predict(method, **reading):
        return predict_files(
            [source],
            tmp_path / f"{method}.ecsv",
            model,
            ReadOptions(**reading),
            PredictOptions(method=method),
            provenance=Provenance.start("test"),
            progress=lambda *_: None,
        )

    for method in ("cnn-regressor", "cnn-cleaner"):
        counts = predict(method, pixels=PIXELS, pixel_size=5 / PIXELS)
        assert counts["windows"] == 1
        assert counts["candidates"] <= 1
    with pytest.raises(UsageError, match="96 x 96"):
        predict("cnn-regressor")
    with pytest.raises(UsageError, match="Use --method cnn-cleaner or cnn-regressor"):
        predict("likelihood-ratio")


def test_another_bundle_is_refused_with_the_command_that_makes_one():
    with pytest.raises(BundleError, match=r"baseline\.training NETWORKS"):
        load_published(bundle_folder("gamma-sky"))


def test_nothing_was_trained(tmp_path):
    with pytest.raises(ReadError, match=r"python -m .*training"):
        study.fault_costs(tmp_path, 2, command="")


def test_the_study_names_every_method_on_the_same_maps(networks, tmp_path):
    asked = ["--maps", "12", "--seed", "2", "--keep", str(tmp_path / "answers")]
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- results -->\nold\n<!-- end of results -->\nafter\n")
    study.main([str(networks), str(tmp_path / "costs.json"), *asked, "--docs", str(page)])
    assert "| refined likelihood, IRF-free | 0.0" in page.read_text()
    assert page.read_text().startswith("before\n<!-- results -->")
    assert "old" not in page.read_text()
    with pytest.raises(UsageError, match="no place for results"):
        put_into(tmp_path / "costs.json", "")
    study.main([str(networks), str(tmp_path / "again.json"), *asked])  # nothing is asked again
    assert (tmp_path / "again.json").read_text() == (tmp_path / "costs.json").read_text()
    facts = json.loads((tmp_path / "costs.json").read_text())
    rows = {row["method"]: row for row in facts["rows"]}
    assert {"original", "corrected, small", "smoothed maximum"} < rows.keys()
    assert facts["budget"]["maps"] == 16
    assert rows["original"]["ratio"]["value"] == pytest.approx(1)
    likelihood = rows["refined likelihood, IRF-free"]
    assert likelihood["error68"]["value"] < 0.1 < rows["original"]["error68"]["value"]
    assert likelihood["kept"]["value"] == pytest.approx(1, abs=0.25)
    assert rows["smoothed maximum"]["kept"] is None
    assert sum(one["error68"]["n"] for one in likelihood["by_zenith"]) == 12


def made_up(across, along, counts=None, clean=None):
    n = len(across)
    return Answers(
        np.asarray(across),
        np.asarray(along),
        np.full(n, np.nan) if counts is None else counts,
        np.full(n, np.nan),
        np.full(n, 50.0) if clean is None else clean,
    )


def test_costs_of_known_answers(rng):
    n, sigma = 3000, 0.02
    sharp = made_up(*sigma * rng.standard_normal((2, n)), counts=np.full(n, 45.0))
    coarse = made_up(*2 * sigma * rng.standard_normal((2, n)))
    two = made_up(
        0.06 * rng.choice([-1, 1], n) + sigma * rng.standard_normal(n),
        sigma * rng.standard_normal(n),
    )
    silent = made_up(np.where(rng.random(n) < 0.25, np.nan, 0.0), np.zeros(n))
    zenith = rng.uniform(20, 60, n)
    table = cost_rows(
        {"sharp": sharp, "coarse": coarse, "two": two, "silent": silent},
        zenith,
        rng,
        reference="sharp",
    )
    rows = {row["method"]: row for row in table}
    radius = sigma * np.sqrt(-2 * np.log(0.32))
    error = rows["sharp"]["error68"]
    assert error["low"] < radius < error["high"]
    assert error["high"] - error["low"] < 0.1 * radius
    ratio = rows["coarse"]["ratio"]
    assert ratio["low"] < 2 < ratio["high"]
    assert rows["sharp"]["kept"]["value"] == pytest.approx(0.9)
    assert rows["sharp"]["spread"] == {"mean": pytest.approx(-5), "deviation": pytest.approx(0)}
    assert rows["silent"]["outliers"]["value"] == pytest.approx(0.25, abs=0.04)
    assert rows["two"]["residuals"]["across_centre_over_peak"] < 0.3
    assert rows["two"]["residuals"]["along_centre_over_peak"] > 0.9


def test_the_top_of_a_cleaned_map():
    image = np.zeros((40, 50), np.float32)
    image[11, 23] = 5.0
    image[30, 40] = 6.0
    image[30:33, 10:13] = 2.0  # less in a pixel, more in all
    assert place_of_maximum(image) == (11.0, 31.0)


def test_the_page_tells_the_study(networks, tmp_path):
    facts = study.fault_costs(networks, 10, command="python -m study", seed=4)
    page = Page(title="Networks", subtitle="", provenance={})
    add_published(page, facts)
    text = page.write(tmp_path / "page.html").read_text(encoding="utf-8")
    for words in ("What the published networks cost", "corrected, small", "python -m study"):
        assert words in text
    assert text.count("<svg") >= 3


def test_residuals_of_a_method_are_drawn_where_they_are():
    axes = plot_residuals({"shifted": [0, 1, 5, 0]}, [-2, -1, 0, 1, 2], label="Residual [deg]")
    outline = axes.patches[-1].get_data()
    np.testing.assert_array_equal(outline.values, [0, 1, 5, 0])
    np.testing.assert_array_equal(outline.edges, [-2, -1, 0, 1, 2])
    with pytest.raises(InputError):
        plot_residuals({}, [0, 1], label="Residual [deg]")


def test_the_networks_that_ship_find_a_bright_source_and_no_other(rng):
    loaded = load_published(bundle_folder("gamma-sky", "cnn"))
    assert loaded.networks.variant == COMPACT
    assert sum(one.bytes for one in loaded.bundle.manifest.files.values()) < 1.5e6
    setup = replace(field_setup(), response=None)
    # The regressor names the neighbourhood.
    for name, typical in (("cnn-regressor", 0.15), ("cnn-cleaner", 0.04)):
        method = make_method(name, setup, NO_TRIALS)
        errors = []
        for _ in range(12):
            observed, pixel = observed_field(rng, 1.0, setup)
            xi, eta = setup.grid.pixel_to_plane(*pixel)
            found = method(observed.counts, observed.photons).candidates
            errors += [np.hypot(one.xi - xi, one.eta - eta) for one in found]
        assert len(errors) >= 9
        assert np.median(errors) < typical
        silent = [method(observed_field(rng, 0.0, setup)[0].counts).candidates for _ in range(6)]
        assert sum(map(len, silent)) == 0


def test_the_bundles_of_the_task_stay_small():
    folders = bundle_folder("gamma-sky").parent
    assert sum(path.stat().st_size for path in folders.rglob("*") if path.is_file()) < 5e6


def test_a_field_folds_its_response_once():
    setup = field_setup()
    assert setup.folded() is setup.folded()
    assert replace(setup, livetime=50.0).folded() is not setup.folded()


def test_compare_takes_the_networks_alone(tmp_path):
    options = CompareOptions(methods=("cnn-cleaner", "cnn-regressor"), maps=10, empty_maps=100)
    run = studies.compare(
        options, tmp_path / "run", seed=3, command="test", progress=lambda *_: None
    )
    assert {row["method"] for row in run.rows} == {"cnn-cleaner", "cnn-regressor"}
    assert run.page.is_file()
