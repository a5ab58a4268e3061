"""A session gives back what its largest run took."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from skysift.core.registry import bundle_folder, load_task
from skysift.models.persist import onnx_session

LARGE = """
import json, sys
import numpy as np
import skysift.models.persist.onnx_session as onnx_session
from skysift.core.registry import bundle_folder, load_task

task = load_task("gamma-hadron")
model = task.load(bundle_folder("gamma-hadron"))
rng = np.random.default_rng(1)
few, many = task.synth(40, rng).table, task.synth(4000, rng).table


def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20


model.gammaness(few)
before = resident()
model.gammaness(many)
most = resident()
onnx_session._SHRUNK_EVERY = float(sys.argv[1])
model.gammaness(few)
print(json.dumps([most - before, resident() - before]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory as Linux tells it")
@pytest.mark.parametrize(("every", "share"), [("0", (-1.0, 0.3)), ("3600", (0.7, 1.3))])
def test_the_memory_of_a_large_batch_is_given_back(every, share):
    done = subprocess.run(
        [sys.executable, "-c", LARGE, every], check=True, capture_output=True, text=True
    )
    most, left = json.loads(done.stdout)
    assert most > 30  # MiB
    assert share[0] < left / most < share[1]


def test_it_is_given_back_now_and_then(monkeypatch):
    told, now = [], [0.0]
    plain = onnxruntime.InferenceSession.run

    def run(self, names, feed, options=None):
        told.append(options is not None)
        return plain(self, names, feed, options)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", run)
    monkeypatch.setattr(onnx_session.time, "monotonic", lambda: now[0])
    task = load_task("gamma-hadron")
    model = task.load(bundle_folder("gamma-hadron", "fast"))
    events = task.synth(40, np.random.default_rng(1)).table
    answers = []
    for now[0] in (100.0, 101.0, 109.9, 110.0, 111.0):
        answers.append(model.gammaness(events)[0])
    assert told == [True, False, False, True, False]
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])
