"""Features mean what they say; cuts and trees tell the classes apart on skies of plain noise."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skysift.core.errors import InputError
from skysift.models.images.streaks.classifier import (
    STREAK_CLASSES,
    boosted_streaks,
    class_of,
    streaks_by_cuts,
)
from skysift.models.images.streaks.features import STREAK_FEATURES, streak_features, streak_table
from skysift.models.images.streaks.injection import Optics, StreakKind, Survey, inject
from skysift.models.images.streaks.point_spread import PointSpread
from skysift.models.images.streaks.trail import Trail, trail_image
from skysift.models.persist import save_model
from skysift.models.persist.skops_format import load_skops

SEEING = PointSpread.gaussian(2.2)
BRIGHT = Survey(Optics(1.2, 1.012), 30.0, rates=(5.0, 12.0), snr=(25.0, 60.0), tumbling=0.0)
SHAPE = (25, 25)


def feature(row: np.ndarray, name: str) -> float:
    return float(row[STREAK_FEATURES.index(name)])


def sky(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0.0, 1.0, SHAPE)


def star(rng: np.random.Generator) -> np.ndarray:
    x, y = rng.uniform(11.0, 13.0, 2)
    return sky(rng) + trail_image(Trail(x, y, rng.uniform(100, 400), 0, 0), SHAPE, SEEING)


@pytest.fixture(scope="module")
def sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    stamps, labels = [], []
    for kind in ("asteroid", "satellite", "cosmic-ray"):
        for _ in range(12):
            stamps.append(inject(sky(rng), kind, SEEING, BRIGHT, rng=rng)[0])
            labels.append(class_of(kind))
    stamps += [star(rng) for _ in range(12)]
    labels += ["source"] * 12
    return streak_table(stamps, SEEING, reach=4.5), np.array(labels)


def test_cuts_and_trees_tell_bright_streaks_apart(sample: tuple[np.ndarray, np.ndarray]):
    table, labels = sample
    assert np.mean(streaks_by_cuts(table) == labels) > 0.8
    odd = np.arange(len(labels)) % 2 == 1
    learned = boosted_streaks().fit(table[~odd], labels[~odd]).predict(table[odd])
    assert np.mean(learned == labels[odd]) > 0.8


def test_the_same_rows_give_the_same_model(sample: tuple[np.ndarray, np.ndarray]):
    first, second = (boosted_streaks().fit(*sample).predict_proba(sample[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_saved_model_gives_the_same_probabilities(sample: tuple[np.ndarray, np.ndarray]):
    model = boosted_streaks().set_params(max_iter=10).fit(*sample)
    kind, members = save_model(model)
    assert kind == "skops"
    again = load_skops(members["model.skops"])
    np.testing.assert_array_equal(again.predict_proba(sample[0]), model.predict_proba(sample[0]))


@pytest.mark.mirror
def test_a_real_streak_that_crosses_is_a_satellites(mirror: Path):
    """Its origin is not recorded; that it leaves each of these stamps is plain to see."""
    with fits.open(mirror / "streaks" / "astride_long.fits.gz") as units:
        pixels = np.asarray(units[0].data, dtype=float)
    start, end = (40, 338), (320, 312)
    stamps = []
    for share in np.linspace(0.0, 1.0, 8):
        x = round(start[0] + share * (end[0] - start[0]))
        y = round(start[1] + share * (end[1] - start[1]))
        stamps.append(pixels[y - 15 : y + 16, x - 15 : x + 16])
    labels = streaks_by_cuts(streak_table(stamps, PointSpread.moffat(3.0), reach=6.0))
    assert np.sum(labels == "satellite") >= 6


def test_features_do_not_depend_on_the_unit_of_the_image(rng: np.random.Generator):
    image = inject(sky(rng), "asteroid", SEEING, BRIGHT, rng=rng)[0]
    np.testing.assert_allclose(
        streak_features(image, SEEING),
        streak_features(1000.0 * image + 77.0, SEEING),
        rtol=0.02,
        atol=0.02,
    )


def test_features_of_plain_cases(rng: np.random.Generator):
    line = sky(rng) + trail_image(Trail(12.0, 12.0, 6000.0, 200.0, 90.0), SHAPE, SEEING)
    row = streak_features(line, SEEING)
    assert feature(row, "ends_inside") == 0
    assert feature(row, "coverage") == 1.0
    assert feature(row, "axis_alignment") > 0.95
    pixel = sky(rng)
    pixel[12, 12] += 80.0
    assert feature(streak_features(pixel, SEEING), "sharpness") > 0.25
    dipole = sky(rng)
    for x, flux in ((11.0, 300.0), (14.0, -300.0)):
        dipole += trail_image(Trail(x, 12.0, flux, 0, 0), SHAPE, SEEING)
    assert feature(streak_features(dipole, SEEING), "negative_share") == pytest.approx(
        0.48, abs=0.06
    )
    assert streaks_by_cuts([streak_features(dipole, SEEING)])[0] == "artefact"


def test_a_stamp_that_cannot_be_measured_is_an_artefact_and_stops_nothing(
    rng: np.random.Generator,
):
    table = streak_table([np.full(SHAPE, np.nan), star(rng)], SEEING)
    assert np.isnan(table[0]).all()
    assert np.isfinite(table[1]).all()
    assert streaks_by_cuts(table).tolist()[0] == "artefact"


def test_every_kind_has_a_class_and_every_table_its_columns():
    assert {class_of(kind) for kind in StreakKind} == set(STREAK_CLASSES) - {"source"}
    with pytest.raises(InputError, match="columns"):
        streaks_by_cuts(np.zeros((3, 4)))
