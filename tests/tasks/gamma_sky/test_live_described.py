"""What is measured of the records of a stream, for the comparison with other nights."""

import numpy as np
import pytest

from skysift.core.errors import InputError
from skysift.core.registry import bundle_folder
from skysift.core.stream import DescribingPredictor
from skysift.data.sky.gadf_write import write_events
from skysift.tasks.gamma_sky.live.night import Night, night_events
from skysift.tasks.gamma_sky.live.predictor import LivePredictor
from skysift.tasks.gamma_sky.model import load_bundle
from skysift.tasks.gamma_sky.options import PredictOptions, ReadOptions

QUIET = Night(steady=(), flares=(), step=None, dead=None, unreadable=())


def test_rate_and_energies_of_each_record_are_told_once(tmp_path):
    chunks = list(night_events(np.random.default_rng(1), seconds=3, night=QUIET))
    reading = ReadOptions(pixels=72, pixel_size=0.05, bands=2)
    options = PredictOptions(windows="2s", search_radius=1.6, photometry=False)
    trials = load_bundle(bundle_folder("gamma-sky")).trials
    predict = LivePredictor(trials, reading, options)
    assert isinstance(predict, DescribingPredictor)
    assert predict.described() == {}
    for number, chunk in enumerate(chunks):
        write_events(chunk, tmp_path / f"{number}.fits")
        list(predict(tmp_path / f"{number}.fits"))
    (tmp_path / "broken.fits").write_bytes(b"SIMPLE  =                    T")
    with pytest.raises(InputError):
        list(predict(tmp_path / "broken.fits"))
    described = predict.described()
    rates = [len(chunk) / chunk.livetime for chunk in chunks]
    assert described["rate"] == pytest.approx(rates, rel=0.05)  # photons out of range are left out
    assert len(described["log10_energy"]) == pytest.approx(sum(map(len, chunks)), rel=0.05)
    assert np.isfinite(described["log10_energy"]).all()
    assert predict.described() == {}
