"""Many files at once have the answers that each has alone."""

import tarfile

import numpy as np
import pyarrow as pa
import pytest

from skysift.core.errors import ReadError
from skysift.core.registry import bundle_folder, load_task
from skysift.core.stream import BatchPredictor, RecordFile
from skysift.data.images.readers import iter_images, iter_stamps
from skysift.tasks.star_galaxy.made_up import made_up_cutouts
from skysift.tasks.star_galaxy.options import PredictOptions, ReadOptions
from skysift.tasks.star_galaxy.prediction import predict_read
from skysift.tasks.star_galaxy.reader import cutout_of
from skysift.tasks.star_galaxy.synth import fits_bytes

ALERTS = "ztf_alerts/kowalski_ztf_avro.tar.gz"


@pytest.fixture(scope="module")
def predictor():
    task = load_task("star-galaxy")
    model = task.load(bundle_folder("star-galaxy", None))
    return task.stream(model, ReadOptions(), PredictOptions())


def assert_the_same(one: pa.Table, other: pa.Table):
    assert one.schema.equals(other.schema)
    for name in one.column_names:
        first, second = one[name].to_numpy(), other[name].to_numpy()
        if first.dtype.kind == "f":
            np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-6)
        else:
            assert first.tolist() == second.tolist()


def check(predictor, paths):
    assert isinstance(predictor, BatchPredictor)
    answers = predictor.many([RecordFile(path) for path in paths])
    in_memory = predictor.many(
        [RecordFile(path, path.read_bytes() if path.is_file() else None) for path in paths]
    )
    assert len(answers) == len(in_memory) == len(paths)
    for path, answer, other in zip(paths, answers, in_memory, strict=True):
        if isinstance(answer, ReadError):
            assert str(other) == str(answer)
        else:
            assert_the_same(other, answer)
        if isinstance(answer, ReadError):
            with pytest.raises(ReadError) as raised:
                list(predictor(path))
            assert str(raised.value) == str(answer)
        else:
            assert_the_same(answer, pa.concat_tables(predictor(path)))
    return answers


def test_fits_files_good_and_bad(predictor, tmp_path):
    sample = made_up_cutouts(6, np.random.default_rng(3)).images
    paths = []
    for number, (pixels, facts) in enumerate(
        zip(sample.pixels, sample.facts.arrow.to_pylist(), strict=True)
    ):
        path = tmp_path / f"{number}.fits"
        path.write_bytes(fits_bytes(pixels, facts, str(number)))
        paths.append(path)
    paths[1].write_bytes(b"no image")
    paths[2].write_bytes(b"")
    paths[3].write_bytes(paths[3].read_bytes()[:3000])
    (tmp_path / "several.tar").touch()
    with tarfile.open(tmp_path / "several.tar", "w") as archive:
        archive.add(paths[0], "in.fits")
        archive.add(paths[1], "bad.fits")
    paths += [tmp_path / "several.tar", tmp_path / "gone.fits"]
    answers = check(predictor, paths)
    refused = [number for number, answer in enumerate(answers) if isinstance(answer, ReadError)]
    assert refused == [1, 2, 3, 7]
    assert answers[6].num_rows == 2


@pytest.mark.mirror
def test_alert_packets(predictor, tmp_path, mirror):
    with tarfile.open(mirror / ALERTS) as archive:
        archive.extractall(tmp_path, filter="data")
    paths = sorted(tmp_path.rglob("*.avro"))
    paths[3].write_bytes(paths[3].read_bytes()[:20_000])
    answers = check(predictor, paths)
    assert [number for number, item in enumerate(answers) if isinstance(item, ReadError)] == [3]
    assert sum(item.num_rows for item in answers if isinstance(item, pa.Table)) == len(paths) - 1


@pytest.mark.mirror
def test_alerts_of_one_exposure_have_the_answers_of_each_alone(tmp_path, mirror):
    """Batch or stream, the seeing of a packet is what the packet tells."""
    with tarfile.open(mirror / ALERTS) as archive:
        archive.extractall(tmp_path, filter="data")
    paths = sorted(tmp_path.rglob("*.avro"))[:12]
    reading = ReadOptions(cutout="science")
    cutout = cutout_of(reading)
    names = [stamp.facts["image"].encode() for stamp in iter_stamps(paths, cutout=cutout)]
    for path, name in zip(paths, names, strict=True):  # as if all were of one exposure
        assert len(name) == len(names[0])
        path.write_bytes(path.read_bytes().replace(name, names[0]))
    assert len({stamp.facts["image"] for stamp in iter_stamps(paths, cutout=cutout)}) == 1
    task = load_task("star-galaxy")
    model = task.load(bundle_folder("star-galaxy", None))
    batches = iter_images(paths, cutout=cutout, batch=5)
    found = pa.concat_tables(
        predict_read(batch, model, PredictOptions()).arrow for batch in batches
    )
    predictor = task.stream(model, reading, PredictOptions())
    alone = pa.concat_tables(table for path in paths for table in predictor(path))
    assert_the_same(found, alone.select(found.column_names))
