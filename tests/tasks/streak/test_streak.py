"""streak: what is written is what was simulated, on the sky and in the file."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from skysift.cli.main import build_app
from skysift.core.errors import BundleError, ContractError, InputError, ReadError, UsageError
from skysift.core.progress import silent
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder
from skysift.data.images.facts import PIXEL_MATRIX
from skysift.data.io import open_writer, read_table
from skysift.data.table import FeatureTable
from skysift.evaluate.probability import expected_calibration_error
from skysift.models.images.streaks.injection import Survey
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.trail import Trail, trail_image
from skysift.tasks.streak import jobs
from skysift.tasks.streak.evaluation import confusion, evaluate_scores, score, turn
from skysift.tasks.streak.made_up import as_stamps, write_stamps
from skysift.tasks.streak.model import load_bundle, tempered
from skysift.tasks.streak.options import (
    CompareOptions,
    PredictOptions,
    ReadOptions,
    SimulateOptions,
    TrainOptions,
)
from skysift.tasks.streak.real_checks import check_real
from skysift.tasks.streak.simulation import Made, Sky, made_up_skies, real_skies, stamp_on
from skysift.tasks.streak.stamps import CLASSES, read_stamps
from skysift.tasks.streak.task import Streak

TASK = Streak()
SCALE = 0.8  # arcsec per pixel, so that arcsec and pixels cannot be mixed up


def turned(degrees, flipped):
    """East and north per pixel [deg] of a camera turned by an angle, seen in a mirror or not."""
    step, angle = SCALE / 3600, math.radians(degrees)
    parity = 1.0 if flipped else -1.0
    return (
        parity * step * math.cos(angle), step * math.sin(angle),
        -parity * step * math.sin(angle), step * math.cos(angle),
    )  # fmt: skip


def trailed(matrix, *, length=9.0, angle=30.0, side=31, name="trail"):
    """A bright trail in the middle of a stamp."""
    middle = (side - 1) / 2
    seeing = PointSpread.moffat(2.2)
    image = trail_image(Trail(middle, middle, 4000.0, length, angle), (side, side), seeing)
    image += np.random.default_rng(4).normal(0.0, 3.0, image.shape)
    facts = {"pixel_scale": SCALE, "seeing": 2.2, "ra": 40.0, "dec": 20.0, "object": name}
    if matrix is not None:
        facts |= dict(zip(PIXEL_MATRIX, matrix, strict=True))
    return Made(image.astype(np.float32), "asteroid", name, name, facts)


@pytest.fixture(scope="module")
def sample():
    return TASK.synth(90, np.random.default_rng(1))


@pytest.fixture(scope="module")
def model(sample):
    options = TrainOptions(folds=2)
    return TASK.fit(sample, options, np.random.default_rng(2), seed=2, command="c")


def predict(paths, out, model):
    return TASK.predict_files(
        paths, out, model, ReadOptions(), PredictOptions(batch=7),
        provenance=Provenance.start("skysift predict", inputs=paths),
    )  # fmt: skip


@pytest.mark.parametrize("flipped", [False, True])
@pytest.mark.parametrize("degrees", [0.0, 77.0, 200.0])
def test_length_and_position_angle_are_those_of_astropy(model, tmp_path, degrees, flipped):
    made = [trailed(turned(degrees, flipped))]
    path = write_stamps(as_stamps(made, "one"), tmp_path / "s.parquet")
    stored = read_table(path)["cutout"][0]
    (tmp_path / "one.fits").write_bytes(stored)
    wcs = WCS(fits.getheader(tmp_path / "one.fits"))
    dx, dy = 4.5 * math.cos(math.radians(30.0)), 4.5 * math.sin(math.radians(30.0))
    ends = wcs.pixel_to_world([15 - dx, 15 + dx], [15 - dy, 15 + dy])
    expected_angle = ends[0].position_angle(ends[1]).deg % 180.0
    predict([tmp_path / "one.fits"], tmp_path / "out.parquet", model)
    found = read_table(tmp_path / "out.parquet")
    assert found["angle_err"][0] < 2.0
    assert abs(turn(found["angle"] - expected_angle)[0]) < 4 * found["angle_err"][0]
    assert abs(found["length"][0] - ends[0].separation(ends[1]).arcsec) < 0.6
    assert abs(turn(found["angle_pixel"] - 30.0)[0]) < 4 * found["angle_err"][0]
    assert found["class"][0] == "asteroid"
    assert found.unit("length") == "arcsec"


def test_a_matrix_without_a_projection_is_an_orientation(model, tmp_path):
    """Stamps of Rubin have PCi_j and CRVALi, but no CTYPEi."""
    made = trailed(turned(77.0, flipped=False))
    path = write_stamps(as_stamps([made], "one"), tmp_path / "s.parquet")
    (tmp_path / "one.fits").write_bytes(read_table(path)["cutout"][0])
    with fits.open(tmp_path / "one.fits", mode="update") as opened:
        header = opened[0].header
        for i, j in ((1, 1), (1, 2), (2, 1), (2, 2)):
            header[f"PC{i}_{j}"] = header.pop(f"CD{i}_{j}")
        del header["CTYPE1"], header["CTYPE2"]
    predict([path], tmp_path / "with.parquet", model)
    predict([tmp_path / "one.fits"], tmp_path / "without.parquet", model)
    one, other = (read_table(tmp_path / f"{name}.parquet") for name in ("with", "without"))
    assert other["angle"][0] == pytest.approx(one["angle"][0], abs=1e-6)
    assert "no-wcs" not in other["flags"][0]


def test_without_coordinates_the_angle_on_the_sky_is_unknown(model, tmp_path):
    path = write_stamps(as_stamps([trailed(None)], "one"), tmp_path / "s.parquet")
    predict([path], tmp_path / "out.parquet", model)
    found = read_table(tmp_path / "out.parquet")
    assert np.isnan(found["angle"][0])
    assert "no-wcs" in found["flags"][0]
    assert abs(found["length"][0] - 9.0 * SCALE) < 0.6
    assert abs(turn(found["angle_pixel"] - 30.0)[0]) < 5


def test_a_seeing_is_unknown_only_where_nothing_tells_it(model, tmp_path):
    """Alerts of ZTF tell the width of the difference image, which the fit takes."""
    path = write_stamps(
        as_stamps([trailed(turned(0.0, flipped=False))], "s"), tmp_path / "s.parquet"
    )
    files = [tmp_path / f"{name}.fits" for name in ("own", "difference", "nothing")]
    for file, keyword in zip(files, ("SEEING", "DIFFFWHM", "COMMENT"), strict=True):
        file.write_bytes(read_table(path)["cutout"][0])
        with fits.open(file, mode="update") as opened:
            opened[0].header[keyword] = opened[0].header.pop("SEEING")
    predict(files, tmp_path / "out.parquet", model)
    found = read_table(tmp_path / "out.parquet")
    assert ["no-seeing" in flags for flags in found["flags"]] == [False, False, True]
    assert found["length"][1] == pytest.approx(found["length"][0])


def test_a_line_that_leaves_and_a_point_are_flagged(model, tmp_path):
    matrix = turned(0.0, flipped=False)
    made = [
        trailed(matrix, length=200.0, name="line"),
        trailed(matrix, length=0.0, name="point"),
    ]
    path = write_stamps(as_stamps(made, "two"), tmp_path / "s.parquet")
    predict([path], tmp_path / "out.parquet", model)
    line, point = read_table(tmp_path / "out.parquet")["flags"]
    assert "leaves-stamp" in line
    assert "unresolved" not in line
    assert "unresolved" in point


def test_what_cannot_be_read_has_a_row_with_its_reason(sample, model, tmp_path):
    folder = tmp_path / "stamps"
    folder.mkdir()
    source = read_table(TASK.write_synth(sample, tmp_path))
    for row in range(9):
        (folder / f"{row}.fits").write_bytes(source["cutout"][row])
    (folder / "broken.fits").write_bytes(b"SIMPLE  = but not for long")
    (folder / "flat.fits").write_bytes(b"")
    counts = predict([folder], tmp_path / "out.ecsv", model)
    table = read_table(tmp_path / "out.ecsv")
    assert counts == {"accepted": 9, "repaired": 0, "rejected": 2}
    assert len(table) == 11
    row = {str(name): place for place, name in enumerate(table["id"])}
    for bad in ("broken", "flat"):
        assert np.isnan(table["p_asteroid"][row[bad]])
        assert table["class"][row[bad]] in {"", None}
        assert table["flags"][row[bad]]
    good = [place for name, place in row.items() if name not in {"broken", "flat"}]
    total = sum(table[f"p_{name}"] for name in CLASSES)
    np.testing.assert_allclose(np.asarray(total)[good], 1.0, atol=1e-9)


def test_real_skies_are_corners_away_from_the_source():
    base = as_stamps([trailed(None, side=63, name="host")], "base").images
    marked = np.array(base.pixels)
    marked[0, 25:38, 25:38] = 1e6  # the source
    skies = list(real_skies(replace(base, pixels=marked), 4, np.random.default_rng(1)))
    assert len(skies) == 4
    assert {sky.group for sky in skies} == {"host"}
    for sky in skies:
        assert sky.pixels.shape == (31, 31)
        bright = np.argwhere(sky.pixels > 1e5)
        assert len(bright) == 36  # a corner of the source in a corner of the sky
    with pytest.raises(InputError, match="62 pixels"):
        list(real_skies(as_stamps([trailed(None)], "b").images, 4, np.random.default_rng(1)))


def test_no_object_is_in_both_files(tmp_path):
    run = TASK.simulate(
        tmp_path / "s", SimulateOptions(stamps=60), seed=5, command="skysift simulate streak"
    )
    train, test = (read_stamps([tmp_path / "s" / f"{n}.parquet"], ReadOptions()) for n in
                   ("train", "test"))  # fmt: skip
    assert len(train) + len(test) == 60
    assert len(test) == 18
    assert not set(train.group) & set(test.group)
    assert any("SIMULATED" in note for note in run.notes)
    assert any("MADE UP" in note for note in run.notes)
    again = tmp_path / "again"
    TASK.simulate(again, SimulateOptions(stamps=60), seed=5, command="c")
    first, second = (read_table(f / "test.parquet") for f in (tmp_path / "s", again))
    assert first["cutout"].tolist() == second["cutout"].tolist()
    assert json.loads((again / "provenance.json").read_text())["seeds"] == {"seed": 5}


def test_the_truth_of_an_asteroid_is_what_was_drawn():
    rng = np.random.default_rng(8)
    sky = next(made_up_skies(1, rng, scale=2.0))
    kinds = [stamp_on(sky, Survey.ztf(), rng) for _ in range(60)]
    asteroids = [one for one in kinds if one.label == "asteroid"]
    assert len(asteroids) > 5
    low, high = (Survey.ztf().trail_length(rate) * 2.0 for rate in Survey.ztf().rates)
    assert all(low <= one.truth["true_length"] <= high for one in asteroids)
    others = [one for one in kinds if one.label != "asteroid"]
    assert all(math.isnan(one.truth["true_length"]) for one in others)
    assert {one.label for one in kinds} == set(CLASSES)
    untold = [one for one in kinds if "seeing" not in one.facts]
    assert 5 < len(untold) < 40
    assert not any(one.label == "galaxy" for one in untold)  # nothing tells them from stars


def test_confusion_counts_rows_by_their_truth():
    scores = FeatureTable.from_columns(
        {
            "label": ["star", "star", "asteroid", "galaxy"],
            "class": ["star", "galaxy", "asteroid", ""],
        }
    )
    counts = confusion(scores)
    assert counts[0].tolist() == [1, 1, 0, 0, 0]
    assert counts[2, 2] == 1
    assert counts.sum() == 3  # what was not measured is not counted


def test_metrics_of_a_perfect_and_of_a_blind_model(sample):
    truth = (sample.label[:, None] == np.array(CLASSES)).astype(float)
    perfect, blind = (
        evaluate_scores(score(sample, probability), rng=np.random.default_rng(1), model="m",
                        data="d", split="s")
        for probability in (truth, np.full(truth.shape, 0.2))
    )  # fmt: skip
    assert perfect["accuracy"].value == 1.0
    assert perfect["accuracy"].low < 1.0
    assert perfect["log_loss"].value < 1e-6
    assert blind["log_loss"].value == pytest.approx(math.log(5))
    assert blind["accuracy"].value == pytest.approx((sample.label == "star").mean())
    assert perfect["ece@star"].low == 0.0
    for name in CLASSES:
        error = expected_calibration_error(
            sample.label == name, np.full(len(truth), 0.2), n_bins=10
        )
        found = blind[f"ece@{name}"]
        assert found.value == pytest.approx(error)
        assert found.low <= error <= found.high
        assert found.low < found.high
    assert perfect["angle_error"].value < 10.0
    assert 0.2 < perfect["length_coverage"].value <= 1.0


def test_trained_on_some_skies_it_works_on_others(model):
    fresh = TASK.synth(40, np.random.default_rng(77))
    found = TASK.evaluate(fresh, model, np.random.default_rng(1), split="fresh")
    assert found["accuracy"].value > 0.6
    assert found["moving"].value > 0.75


def test_a_temperature_keeps_the_order_and_softens():
    probability = np.random.default_rng(1).dirichlet(np.ones(5), 50)
    soft = tempered(probability, 3.0)
    np.testing.assert_array_equal(soft.argmax(axis=1), probability.argmax(axis=1))
    assert np.all(soft.max(axis=1) <= probability.max(axis=1) + 1e-12)
    np.testing.assert_allclose(tempered(probability, 1.0), probability, atol=1e-6)


def test_a_prediction_names_its_bundle(model, tmp_path):
    loaded = TASK.load(TASK.save(model, tmp_path / "b"))
    path = write_stamps(as_stamps([trailed(None)], "one"), tmp_path / "s.parquet")
    predict([path], tmp_path / "out.parquet", loaded)
    assert read_table(tmp_path / "out.parquet")["bundle"].tolist() == [loaded.bundle.hash]


def test_a_bundle_with_another_order_of_classes_is_refused(model, tmp_path):
    folder = TASK.save(model, tmp_path / "b")
    described = json.loads((folder / "bundle.json").read_text())
    described["classes"] = described["classes"][::-1]
    (folder / "bundle.json").write_text(json.dumps(described))
    with pytest.raises(BundleError, match="does not say what this version needs"):
        load_bundle(folder)


def test_labels_are_asked_for_and_checked(sample, tmp_path):
    with pytest.raises(InputError, match="skysift simulate streak"):
        TASK.read([], ReadOptions())
    whole = read_table(TASK.write_synth(sample, tmp_path))
    for name, columns, said in (
        ("no.parquet", ["identifier", "cutout"], "no column label"),
        ("wrong.parquet", None, "none of star, galaxy"),
    ):
        table = whole.select(columns) if columns else whole.with_columns(
            {"label": np.full(len(whole), "comet")}
        )  # fmt: skip
        with open_writer(tmp_path / name) as writer:
            writer.write(table)
        with pytest.raises(ContractError, match=said):
            TASK.read([tmp_path / name], ReadOptions())


def test_reports_are_written_and_drawn_again(sample, model, tmp_path, monkeypatch):
    few = sample.take(np.arange(20), "some")
    path = write_stamps(few, tmp_path / "few.parquet")
    line = np.random.default_rng(3).normal(100.0, 5.0, (200, 200))
    line += trail_image(Trail(100, 100, 2e5, 400.0, 25.0), line.shape, PointSpread.moffat(3.0))
    fits.PrimaryHDU(line.astype(np.float32)).writeto(tmp_path / "line.fits")
    run = TASK.evaluate_files(
        [path], ReadOptions(real=(str(tmp_path / "line.fits"),)), model, tmp_path / "e",
        np.random.default_rng(1), command="skysift evaluate streak",
    )  # fmt: skip
    page = run.page.read_text()
    for told in (page, " ".join(run.notes)):  # on the page, and where the command is typed
        assert "SIMULATED" in told
        assert "MADE UP" in told
    (told,) = [note for note in run.notes if note.startswith("One long streak")]
    assert "satellite" in told
    options = CompareOptions(models=("cuts", "logistic-regression"), folds=2)
    compared = jobs._compare(  # what has been measured is not measured again
        sample, options, tmp_path / "c", seed=1,
        provenance=Provenance.start("skysift compare streak"), progress=silent,
    )  # fmt: skip
    assert {row["model"] for row in compared.rows} == {"cuts", "logistic regression"}
    explored = TASK.explore(
        [path], ReadOptions(), tmp_path / "x", np.random.default_rng(1), command="c"
    )
    assert sum(row["stamps"] for row in explored.rows) == 20
    for folder in ("e", "c", "x"):
        before = (tmp_path / folder / "report.html").read_bytes()
        TASK.render(tmp_path / folder)
        assert (tmp_path / folder / "report.html").read_bytes() == before


def test_a_prediction_is_checked_against_nothing(model, tmp_path):
    with pytest.raises(UsageError, match="skysift evaluate streak"):
        TASK.predict_files(
            [], tmp_path / "o.csv", model, ReadOptions(real=("a.parquet",)), PredictOptions(),
            provenance=Provenance.start("c"), progress=silent,
        )  # fmt: skip


def test_labelled_stamps_of_the_sky_are_not_called_simulated(sample, model, tmp_path):
    few = sample.take(np.arange(20), "some")
    own = read_table(write_stamps(few, tmp_path / "few.parquet"))
    with open_writer(tmp_path / "own.parquet") as writer:
        writer.write(own.select(["identifier", "cutout", "label"]))
    run = TASK.evaluate_files(
        [tmp_path / "own.parquet"], ReadOptions(), model, tmp_path / "e",
        np.random.default_rng(1), command="skysift evaluate streak",
    )  # fmt: skip
    assert "SIMULATED" not in run.page.read_text() + " ".join(run.notes)


def test_a_table_that_says_nothing_of_streaks_is_no_check(sample, model, tmp_path):
    path = TASK.write_synth(sample.take(np.arange(5), "few"), tmp_path)
    with pytest.raises(ReadError, match="no table of alerts"):
        check_real([path], model, 2.0)


def test_the_options_of_the_simulation_are_offered():
    app = build_app(["simulate", "streak", "--help"])
    (simulate,) = [c for c in app.registered_commands if c.name == "simulate"]
    assert "most_sources" in simulate.callback.__signature__.parameters


def test_an_unused_sky_says_so():
    flat = Sky(np.zeros((31, 31)), "flat", {"pixel_scale": 1.0})
    with pytest.raises((InputError, UsageError)):
        stamp_on(flat, Survey.ztf(), np.random.default_rng(1))


@pytest.mark.mirror
def test_angles_of_real_trails_agree_with_rubin(mirror):
    shipped = TASK.load(bundle_folder("streak"))
    (rubin,) = check_real([mirror / "rubin_alerts" / "rubin_alerts.parquet"], shipped, 2.0)
    assert len(rubin["rows"]) == 10
    off = np.abs([row["angle difference"] for row in rubin["rows"]])
    assert np.median(off) < 6.0
    (line,) = check_real([mirror / "streaks" / "astride_long.fits.gz"], shipped, 2.0)
    assert "satellite" in line["text"]


def test_bad_subtractions_are_simulated_only_where_they_are_asked_for(rng):
    skies = list(made_up_skies(120, rng, scale=1.0))
    leftovers = {"dipole", "ring", "edge"}

    def kinds(share, seed):
        draw = np.random.default_rng(seed)
        made = [stamp_on(sky, Survey.ztf(), draw, bad_subtractions=share) for sky in skies]
        bad = [
            one for one in made if one.kind.split(",")[0].removeprefix("simulated ") in leftovers
        ]
        assert all(one.label == "artefact" and math.isnan(one.truth["true_length"]) for one in bad)
        return len(bad)

    assert kinds(0.0, 1) == 0
    assert 40 <= kinds(0.5, 1) <= 80
