"""Alerts end to end: stars and galaxies of any seeing, alone and with other processes."""

import gzip
from copy import copy
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from skysift.core.errors import UsageError
from skysift.core.provenance import Provenance
from skysift.core.registry import load_task
from skysift.core.spread import spread_with
from skysift.data.io import read_table
from skysift.preprocess.images.moffat import BETA
from skysift.tasks.star_galaxy.options import PredictOptions, ReadOptions, TrainOptions
from skysift.tasks.star_galaxy.reader import read_cutouts

TASK = load_task("star-galaxy")
CANDID = 1105522281015015000
FWHM_OF_A = 2 * np.sqrt(2 ** (1 / BETA) - 1)


def profile(y, x, fwhm, flux, side=63):
    rows, columns = np.indices((side, side))
    a = fwhm / FWHM_OF_A
    base = 1 + ((rows - y) ** 2 + (columns - x) ** 2) / a**2
    return flux * (BETA - 1) / np.pi / a**2 * base**-BETA


def packed(pixels):
    out = BytesIO()
    fits.PrimaryHDU(pixels.astype(np.float32)).writeto(out)
    return gzip.compress(out.getvalue(), 1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The classical cut: what it answers follows from the seeing alone."""
    cutouts = TASK.synth(300, np.random.default_rng(1))
    options = TrainOptions(model="fwhm-cut", folds=2)
    trained = TASK.fit(cutouts, options, np.random.default_rng(2), seed=2, command="c")
    return TASK.load(TASK.save(trained, tmp_path_factory.mktemp("models") / "cut"))


@pytest.fixture(scope="module")
def alerts(tmp_path_factory):
    """Hosts and stars in templates of several seeings; a point source on all science stamps."""
    rng = np.random.default_rng(3)
    rows = []
    for number in range(48):
        fwhm, is_galaxy = rng.uniform(1.5, 3.0), bool(number % 2)
        template = rng.normal(0, 1, (63, 63))
        template += profile(31, 31, fwhm * (1.8 if is_galaxy else 1.0), 3e3)
        for angle in np.arange(5) * 2 * np.pi / 5:
            y, x = 31 + 20 * np.array([np.sin(angle), np.cos(angle)])
            template += profile(y + rng.uniform(-1, 1), x + rng.uniform(-1, 1), fwhm, 5e3)
        science = template + profile(31, 31, fwhm, 3e4)
        name = f"{'galaxy' if is_galaxy else 'star'}{number}"
        rows.append(
            {
                "candid": CANDID + number * 10**10, "objectId": name,
                "ra": 10.0 + number, "dec": 5.0, "jd": 2459000.0 + number, "fid": 2,
                "rfid": 1000 + number, "magzpsci": 26.0,
                "cutoutScience": packed(science), "cutoutTemplate": packed(template),
            }
        )  # fmt: skip
    path = tmp_path_factory.mktemp("alerts") / "alerts.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def predicted(path, out, model, *, batch=1024, **reading):
    TASK.predict_files(
        [path],
        out,
        model,
        ReadOptions(**reading),
        PredictOptions(batch=batch),
        provenance=Provenance.start("skysift predict", inputs=[path]),
    )
    return read_table(out)


def test_templates_tell_hosts_whatever_the_seeing(alerts, model, tmp_path) -> None:
    table = predicted(alerts, tmp_path / "template.parquet", model)
    is_galaxy = np.arange(48) % 2 == 1
    assert np.mean((table["p_galaxy"] > 0.5) == is_galaxy) > 0.95
    flags = [set(text.split(",")) for text in table["flags"]]
    assert all("seeing-estimated" in found and "no-seeing" not in found for found in flags)
    assert 20 < sum("resampled" in found for found in flags) < 48


def test_the_transient_hides_the_host_in_the_science_image(alerts, model, tmp_path) -> None:
    table = predicted(alerts, tmp_path / "science.parquet", model, cutout="science")
    is_galaxy = np.arange(48) % 2 == 1
    assert np.mean(table["p_galaxy"][is_galaxy] < 0.5) > 0.8


def test_alerts_are_labelled_by_a_catalogue_of_their_numbers(alerts, tmp_path) -> None:
    """Several packets of an object have its name in common; the table has one row for each."""
    rows = pq.read_table(alerts).slice(0, 6).to_pylist()
    packets, labels = tmp_path / "packets.parquet", tmp_path / "labels.csv"
    pq.write_table(pa.Table.from_pylist([row | {"objectId": "same"} for row in rows]), packets)
    words = ("star", "galaxy")
    lines = [f"{row['candid']},{words[number % 2]}" for number, row in enumerate(rows)]
    labels.write_text("\n".join(["file,label", *lines]))
    read = read_cutouts([packets], ReadOptions(catalog=str(labels)))
    assert read.is_galaxy.tolist() == [False, True] * 3


def elsewhere(function, parts):
    """Work on each part with the function as another process would get it."""
    return (copy(function)(part) for part in parts)  # by __reduce__, as pickle would


def test_other_processes_give_the_same_rows_in_the_same_order(alerts, model, tmp_path) -> None:
    one = predicted(alerts, tmp_path / "one.parquet", model, batch=10)
    with spread_with(elsewhere):
        two = predicted(alerts, tmp_path / "two.parquet", model, batch=10)
    assert one.arrow.equals(two.arrow)
    assert one["file"].tolist() == [str(CANDID + k * 10**10) for k in range(48)]


def test_other_processes_need_a_stored_model(alerts, tmp_path) -> None:
    cutouts = TASK.synth(120, np.random.default_rng(1))
    options = TrainOptions(model="fwhm-cut", folds=2)
    fresh = TASK.fit(cutouts, options, np.random.default_rng(2), seed=2, command="c")
    with spread_with(elsewhere), pytest.raises(UsageError, match="stored"):
        predicted(alerts, tmp_path / "a.parquet", fresh)
    assert not (tmp_path / "a.parquet").exists()
