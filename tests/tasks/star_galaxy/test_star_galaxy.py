"""star-galaxy: what it says is right, survives storage, and keeps a catalogue's columns."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from skysift.core.errors import ContractError, InputError, MissingExtraError, ReadError
from skysift.core.provenance import Provenance
from skysift.data.io import open_writer, read_table
from skysift.data.table import FeatureTable
from skysift.evaluate.probability import log_loss
from skysift.report.run_folder import read_run
from skysift.tasks.star_galaxy.comparison import cross_validate
from skysift.tasks.star_galaxy.evaluation import abstention, evaluate
from skysift.tasks.star_galaxy.options import (
    MODELS,
    CompareOptions,
    PredictOptions,
    ReadOptions,
    TrainOptions,
)
from skysift.tasks.star_galaxy.prediction import predict_images
from skysift.tasks.star_galaxy.reader import read_cutouts
from skysift.tasks.star_galaxy.representations import REPRESENTATIONS
from skysift.tasks.star_galaxy.scoring import Scored
from skysift.tasks.star_galaxy.synth import fits_bytes
from skysift.tasks.star_galaxy.task import StarGalaxy
from skysift.tasks.star_galaxy.training import choose_doubt, operating_points, threshold_of

TASK = StarGalaxy()
N = 160


@pytest.fixture(scope="module")
def cutouts():
    return TASK.synth(N, np.random.default_rng(1))


@pytest.fixture(scope="module")
def model(cutouts):
    options = TrainOptions(model="logistic-regression", folds=2)
    return TASK.fit(cutouts, options, np.random.default_rng(2), seed=2, command="c")


def stamps_of(cutouts):
    rows = cutouts.images.facts.arrow.to_pylist()
    names = cutouts.images.identifiers
    return [
        fits_bytes(p, row, str(n))
        for p, row, n in zip(cutouts.images.pixels, rows, names, strict=True)
    ]


def predict(paths, out, model, **reading):
    return TASK.predict_files(
        paths,
        out,
        model,
        ReadOptions(**reading),
        PredictOptions(batch=50),
        provenance=Provenance.start("skysift predict", inputs=paths),
    )


def test_a_star_turned_is_the_same_star_in_profile(cutouts):
    images = cutouts.images.take(np.arange(20))
    turned = type(images)(
        **{
            name: getattr(images, name)
            for name in ("identifiers", "sources", "facts", "flags", "sizes", "centers")
        },
        pixels=np.rot90(images.pixels, axes=(1, 2)).copy(),
    )
    profile = REPRESENTATIONS["profile"].matrix
    np.testing.assert_allclose(profile(turned), profile(images), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_a_representation_sees_each_cutout_by_itself(cutouts, name):
    representation = REPRESENTATIONS[name]
    whole = representation.matrix(cutouts.images.take(np.arange(12)))
    assert whole.shape == (12, len(representation.names))
    alone = representation.matrix(cutouts.images.take([7]))
    np.testing.assert_allclose(alone[0], whole[7], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("pixel", [3e38, -3e38, 0.0, 1e-30])
def test_absurd_pixels_are_numbers_that_the_network_can_take(cutouts, pixel):
    few = cutouts.images.take(np.arange(3))
    pixels = few.pixels.copy()
    pixels[0, 9, 9] = pixel
    pixels[1] = pixel
    seen = REPRESENTATIONS["stamp"].matrix(replace(few, pixels=pixels))
    single = seen.astype(np.float32)  # raises where a number does not fit: warnings are errors
    np.testing.assert_allclose(single[2], REPRESENTATIONS["stamp"].matrix(few)[2], rtol=1e-6)
    assert not np.isinf(single).any()


def test_shapes_tell_synthetic_stars_from_galaxies(cutouts, model):
    fresh = TASK.synth(N, np.random.default_rng(9))
    probability, error = model.probability(fresh.images)
    assert np.mean((probability > 0.5) == fresh.is_galaxy) > 0.93
    assert np.all(error >= 0)


@pytest.mark.parametrize("name", ["blend", "cnn", "gp-shapes", "gp-norm-2", "fwhm-cut"])
def test_every_kind_of_predictor_comes_back_from_its_bundle(cutouts, name, tmp_path):
    options = TrainOptions(model=name, folds=2)
    few = cutouts.take(np.arange(60), "some")
    trained = TASK.fit(few, options, np.random.default_rng(3), seed=3, command="c")
    loaded = TASK.load(TASK.save(trained, tmp_path / "bundle"))
    for first, second in zip(
        trained.probability(cutouts.images), loaded.probability(cutouts.images), strict=True
    ):
        np.testing.assert_array_equal(first, second)
    assert loaded.doubt == trained.doubt


def test_labels_come_from_file_names_where_nothing_else_tells(cutouts, tmp_path):
    for number, stamp in enumerate(stamps_of(cutouts)[:8]):
        word = "galaxy" if cutouts.is_galaxy[number] else "star"
        (tmp_path / f"{word}_{number}.fits").write_bytes(stamp)
    read = read_cutouts([tmp_path], ReadOptions())
    by_name = [str(name).startswith("galaxy") for name in read.images.identifiers]
    assert read.is_galaxy.tolist() == by_name


def test_a_catalogue_labels_cutouts_and_keeps_its_columns(cutouts, model, tmp_path):
    folder = tmp_path / "cutouts"
    folder.mkdir()
    for number, stamp in enumerate(stamps_of(cutouts)[:10]):
        (folder / f"{number}.fits").write_bytes(stamp)
    (folder / "broken.fits").write_bytes(b"not a FITS file")
    names = [f"{number}.fits" for number in range(9)]
    catalogue = tmp_path / "catalogue.ecsv"
    with open_writer(catalogue) as writer:
        writer.write(FeatureTable.from_columns({"file": names, "parallax": np.arange(9.0)}))
    counts = predict([folder], tmp_path / "out.parquet", model, catalog=str(catalogue))
    table = read_table(tmp_path / "out.parquet")
    unknown = {"not in the catalogue": 2}  # the tenth cutout, and the file that is none
    assert counts == {"accepted": 10, "repaired": 0, "rejected": 1} | unknown
    row = {name: place for place, name in enumerate(table["file"])}
    assert table["parallax"][row["4"]] == 4.0
    assert np.isnan(table["parallax"][row["9"]])
    assert np.isnan(table["p_galaxy"][row["broken"]])
    assert table["ambiguous"][row["broken"]]
    assert table["flags"][row["broken"]]
    assert np.all((table["p_galaxy"][:9] >= 0) & (table["p_galaxy"][:9] <= 1))


@pytest.mark.parametrize("ending", ["", ".fits"])  # objects may be called as files are
def test_a_catalogue_knows_the_cutouts_that_were_made_of_it(cutouts, model, tmp_path, ending):
    folder = tmp_path / "cutouts"
    folder.mkdir()
    for number, stamp in enumerate(stamps_of(cutouts)[:3]):
        (folder / f"o{number}{ending}@image_1.fits").write_bytes(stamp)
    with open_writer(tmp_path / "c.csv") as writer:
        columns = {
            "id": [f"o0{ending}", f"o1{ending}"],
            "ra": [10.5, 11.5],
            "dec": [1.0, 2.0],
            "parallax": [3.0, 4.0],
        }
        writer.write(FeatureTable.from_columns(columns))
    predict([folder], tmp_path / "out.parquet", model, catalog=str(tmp_path / "c.csv"))
    table = read_table(tmp_path / "out.parquet")
    assert table["parallax"][:2].tolist() == [3.0, 4.0]
    assert table["ra"][:2].tolist() == [10.5, 11.5]
    assert np.isnan(table["parallax"][2])
    header = cutouts.images.facts["ra"][2]
    assert table["ra"][2] == pytest.approx(
        header
    )  # that of the cutout, where nothing else is known


@pytest.mark.parametrize("key", ["ID", "source_id", "objectId", "ls_id"])
def test_names_are_found_in_the_columns_that_cutouts_are_named_by(cutouts, model, tmp_path, key):
    for number, stamp in enumerate(stamps_of(cutouts)[:2]):
        (tmp_path / f"{number + 7}@image_1.fits").write_bytes(stamp)
    columns = {key: [7.0, 8.0], "parallax": [3.0, 4.0]}  # whole, as a file with gaps gives them
    with open_writer(tmp_path / "objects.parquet") as writer:
        writer.write(FeatureTable.from_columns(columns))
    options = {"catalog": str(tmp_path / "objects.parquet")}
    predict(sorted(tmp_path.glob("*@*.fits")), tmp_path / "out.parquet", model, **options)
    assert read_table(tmp_path / "out.parquet")["parallax"].tolist() == [3.0, 4.0]


def test_cutouts_are_their_own_catalogue_in_any_format(cutouts, model, tmp_path):
    source = TASK.write_synth(cutouts, tmp_path)
    predict([source], tmp_path / "out.vot", model, catalog=str(source))
    table = read_table(tmp_path / "out.vot")
    assert {"label", "p_galaxy"} <= set(table.columns)
    assert "cutout" not in table.columns


@pytest.mark.parametrize("suffix", [".ecsv", ".vot"])
def test_the_answer_is_written_for_astronomers(cutouts, model, tmp_path, suffix):
    source = TASK.write_synth(cutouts, tmp_path)
    out = tmp_path / f"out{suffix}"
    predict([source], out, model)
    table = read_table(out)
    assert len(table) == N
    assert {"file", "p_galaxy", "p_galaxy_err", "ambiguous", "flags"} <= set(table.columns)


def test_a_target_without_a_pixel_is_left_open(cutouts, model):
    pixels = np.repeat(cutouts.images.pixels[:1], 3, axis=0)
    pixels[1, 5:15, 5:15] = np.nan
    pixels[2, 10, 10] = np.nan
    images = replace(cutouts.images.take([0, 0, 0]), pixels=pixels)
    answer = predict_images(images, model, PredictOptions(prior=0.999))
    assert answer["ambiguous"].tolist() == [False, True, False]


def test_a_missing_label_and_a_single_class_are_refused(cutouts, tmp_path):
    (tmp_path / "one.fits").write_bytes(stamps_of(cutouts)[0])
    with pytest.raises(ReadError, match="no label"):
        read_cutouts([tmp_path / "one.fits"], ReadOptions())
    (tmp_path / "star_1.fits").write_bytes(stamps_of(cutouts)[0])
    with pytest.raises(InputError, match="one class"):
        read_cutouts([tmp_path / "star_1.fits"], ReadOptions())


def test_a_table_of_labels_alone_is_told_from_no_file(tmp_path):
    (tmp_path / "labels.csv").write_text("file,label\nstar_1.fits,star\n")
    with pytest.raises(InputError, match="without the cutouts"):
        read_cutouts([tmp_path / "labels.csv"], ReadOptions())


def test_columns_of_a_catalogue_are_kept_beside_ours_of_the_same_name(
    cutouts, model, tmp_path, capsys
):
    (tmp_path / "0.fits").write_bytes(stamps_of(cutouts)[0])
    columns = {"file": ["0"], "flags": [7], "p_galaxy": [0.25], "catalogue_flags": [9]}
    with open_writer(tmp_path / "c.fits") as writer:
        writer.write(FeatureTable.from_columns(columns))
    predict([tmp_path / "0.fits"], tmp_path / "o.csv", model, catalog=str(tmp_path / "c.fits"))
    table = read_table(tmp_path / "o.csv")
    assert table["catalogue_catalogue_flags"].tolist() == [7]
    assert table["catalogue_flags"].tolist() == [9]
    assert table["catalogue_p_galaxy"].tolist() == [0.25]
    assert 0 <= table["p_galaxy"][0] <= 1
    assert table["p_galaxy"][0] != 0.25
    assert "'flags' is written as 'catalogue_catalogue_flags'" in capsys.readouterr().err


def test_positions_of_a_catalogue_are_converted_to_degrees(cutouts, model, tmp_path):
    (tmp_path / "0.fits").write_bytes(stamps_of(cutouts)[0])
    table = FeatureTable.from_columns(
        {"file": ["0"], "ra": [0.5], "dec": [0.1]}, units={"ra": "hourangle", "dec": "rad"}
    )
    with open_writer(tmp_path / "c.ecsv") as writer:
        writer.write(table)
    predict([tmp_path / "0.fits"], tmp_path / "o.ecsv", model, catalog=str(tmp_path / "c.ecsv"))
    found = read_table(tmp_path / "o.ecsv")
    assert found["ra"][0] == pytest.approx(7.5)
    assert found["dec"][0] == pytest.approx(np.degrees(0.1))
    assert found.unit("ra") == found.unit("dec") == "deg"


def test_a_position_that_is_text_is_refused_before_anything_is_read(cutouts, model, tmp_path):
    (tmp_path / "0.fits").write_bytes(stamps_of(cutouts)[0])
    (tmp_path / "c.csv").write_text("file,ra,dec\n0,00:10:20,-03:04:05\n")
    with pytest.raises(ContractError, match="00:10:20"):
        predict([tmp_path / "0.fits"], tmp_path / "o.csv", model, catalog=str(tmp_path / "c.csv"))
    assert not (tmp_path / "o.csv").exists()


def test_a_file_without_cutouts_is_told_of(cutouts, model, tmp_path):
    source = TASK.write_synth(cutouts.take(np.zeros(0, dtype=np.int64), "none"), tmp_path)
    with pytest.raises(InputError, match="no cutout"):
        predict([source], tmp_path / "o.csv", model)


def test_a_catalogue_without_names_is_refused(cutouts, model, tmp_path):
    source = TASK.write_synth(cutouts, tmp_path)
    with open_writer(tmp_path / "c.csv") as writer:
        writer.write(FeatureTable.from_columns({"parallax": [1.0]}))
    with pytest.raises(ContractError, match="no column file"):
        predict([source], tmp_path / "o.csv", model, catalog=str(tmp_path / "c.csv"))


def test_the_threshold_lets_in_no_more_galaxies_than_allowed(rng):
    is_galaxy = rng.random(2000) < 0.5
    probability = np.clip(rng.normal(np.where(is_galaxy, 0.8, 0.2), 0.2), 0, 1)
    threshold = threshold_of(is_galaxy, probability, 0.02)
    below = probability < threshold
    assert 0 < is_galaxy[below].mean() <= 0.02
    higher = probability <= np.min(probability[probability >= threshold])
    assert is_galaxy[higher].mean() > 0.02 or threshold > probability.max()
    names = [point.name for point in operating_points(is_galaxy, probability, "s")]
    assert names == ["contamination-0.005", "contamination-0.01", "contamination-0.02"]


def test_doubt_is_no_more_than_it_takes_and_never_more_than_a_twentieth(rng):
    is_galaxy = np.arange(1000) % 2 == 0
    sure = np.where(is_galaxy, 0.99, 0.01) + rng.uniform(-1e-3, 1e-3, 1000)
    assert np.sum(np.minimum(sure, 1 - sure) > choose_doubt(is_galaxy, sure)) == 0
    hopeless = rng.random(1000)
    flagged = np.minimum(hopeless, 1 - hopeless) > choose_doubt(is_galaxy, hopeless)
    assert flagged.sum() == 50


def test_star_completeness_is_that_of_a_hand_made_sample(rng):
    is_galaxy = np.array([False] * 400 + [True] * 400)
    probability = np.concatenate([np.linspace(0.0, 0.79, 400), np.linspace(0.4, 1.0, 400)])
    found = evaluate(
        is_galaxy,
        probability,
        np.zeros(800, dtype=bool),
        np.full(800, np.nan),
        np.arange(800),
        rng=rng,
        model="m",
        data="d",
        split="s",
    )
    stars_below = [np.sum(probability[:400] <= t) for t in probability[400:]]
    allowed = [s for k, s in enumerate(stars_below) if k <= 0.005 * (k + s)]
    assert found["star_completeness@0.005"].value == pytest.approx(max(allowed) / 400, abs=5e-3)
    assert found["accuracy"].value == np.mean((probability > 0.5) == is_galaxy)


def test_setting_the_doubtful_aside_helps():
    is_galaxy = np.array([True, True, False, False])
    share, accuracy = abstention(is_galaxy, np.array([0.9, 0.4, 0.1, 0.2]))
    np.testing.assert_allclose(share, [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(accuracy, [0.75, 1, 1, 1])


@pytest.mark.parametrize("by", ["object", "exposure"])
def test_cross_validation_scores_each_object_once_and_repeats_itself(cutouts, by):
    twice = cutouts.take(np.r_[np.arange(N), 0, 1], "with copies")
    models = ("fwhm-cut", "magnitude", "logistic-regression")
    options = CompareOptions(models=models, by=by, folds=3, members=2)
    first, again = (
        cross_validate(twice, options, seed=5, progress=lambda _f, _w: None) for _ in range(2)
    )
    assert len(first.is_galaxy) == N
    for name in models:
        np.testing.assert_array_equal(first.probability[name], again.probability[name])
    right = {n: np.mean((first.probability[n] > 0.5) == first.is_galaxy) for n in models}
    assert right["logistic-regression"] > right["magnitude"]


def test_a_comparison_leaves_a_report_that_can_be_drawn_again(cutouts, tmp_path):
    source = TASK.write_synth(cutouts, tmp_path)
    options = CompareOptions(models=("magnitude", "logistic-regression"), folds=2, members=2)
    folder = tmp_path / "run"
    run = TASK.compare([source], ReadOptions(), options, folder, seed=1, command="c")
    page = run.page.read_text()
    assert [row["name"] for row in run.rows] == [row["name"] for row in TASK.render(folder).rows]
    for heading in ("The comparison", "By magnitude", "Ambiguous objects", "errors"):
        assert heading in page
    assert run.page.read_text() == page
    facts = json.loads((folder / "run.json").read_text())["facts"]
    wrong = {error["file"] for error in facts["errors"]}
    assert all(error["label"] in {"star", "galaxy"} for error in facts["errors"])
    assert len(wrong) == len(facts["errors"])
    scored = Scored.from_run(read_run(folder))
    losses = {n: log_loss(scored.is_galaxy, scored.probability[n]) for n in scored.contestants}
    assert losses[facts["reference"]] == min(losses.values())  # the default is not among them
    assert "Of those compared it has the least log loss." in page


def test_explore_audit_and_evaluate_leave_reports(cutouts, model, tmp_path):
    source = TASK.write_synth(cutouts, tmp_path)
    rng = np.random.default_rng(1)
    explored = TASK.explore([source], ReadOptions(), tmp_path / "e", rng, command="c")
    assert "One feature alone" in explored.page.read_text()
    assert TASK.audit([source], ReadOptions(), rng).notes
    run = TASK.evaluate_files([source], ReadOptions(), model, tmp_path / "v", rng, command="c")
    assert run.page.is_file()
    assert {"accuracy", "auc", "log_loss", "ece"} <= {row["metric"] for row in run.rows}


def test_what_training_needs_is_looked_for_before_it_begins(cutouts, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    told = []
    for model in ("cnn", "blend"):
        with pytest.raises(MissingExtraError, match="train"):
            TASK.fit(cutouts, TrainOptions(model=model), np.random.default_rng(1))
    options = CompareOptions(models=("random-forest", "cnn"))
    with pytest.raises(MissingExtraError, match="train"):
        cross_validate(cutouts, options, seed=1, progress=lambda *now: told.append(now))
    assert not told


def test_magnitude_and_width_stand_beside_whatever_is_compared():
    assert CompareOptions(models=("svm",)).models == ("svm", "fwhm-cut", "magnitude")
    assert CompareOptions(models=("magnitude",)).models == ("magnitude", "fwhm-cut")
    assert set(CompareOptions().models) == set(MODELS)


def test_the_models_of_the_issue_are_all_there():
    wanted = {
        "blend",
        "random-forest",
        "knn",
        "svm",
        "gp-shapes",
        "gp-profile-pca",
        "cnn",
        "fwhm-cut",
    }
    assert wanted <= set(MODELS)
    assert {f"gp-norm-{k}" for k in range(1, 6)} <= set(MODELS)


@pytest.mark.mirror
def test_duplicates_among_the_real_cutouts_are_one_object(mirror):
    read = read_cutouts([mirror / "ztf" / "cutouts.tar.gz"], ReadOptions())
    assert len(read) == 1200
    assert int(read.is_galaxy.sum()) == 600
    labels = read_table(mirror / "ztf" / "labels.csv")
    pairs = int(np.sum(labels["duplicate_of"].astype(str) != ""))
    assert len(np.unique(read.groups)) >= 1200 - pairs
    assert len(np.unique(read.exposures())) == 51
