"""A session runs where it is asked to, and gives back what its largest run took."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest

from skysift.core.errors import UnknownNameError, UsageError
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


class Gpu:
    """A stand-in for an ONNX Runtime that is made for GPUs."""

    def __init__(self, monkeypatch):
        self.asked, self.last, self.fault, self.opens_on = [], [], "", None
        names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
        monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_numpy", self.allocate)
        monkeypatch.setattr(onnx_session, "_Session", self)
        onnx_session._fault_of_gpu.cache_clear()

    def allocate(self, array, device, number):
        assert (device, number) == ("cuda", 0)
        if self.fault:
            raise RuntimeError(self.fault)

    def __call__(self, data, options, providers):
        self.asked.append(providers)
        self.last = [name for name, _ in providers]
        return self

    def get_providers(self):
        return self.opens_on or self.last


@pytest.fixture
def gpu(monkeypatch):
    yield Gpu(monkeypatch)
    onnx_session._fault_of_gpu.cache_clear()


def test_a_gpu_is_taken_where_the_runtime_can_use_one(gpu):
    assert [onnx_session.find_device(asked) for asked in ("auto", "cpu", "cuda")] == [
        "cuda", "cpu", "cuda",
    ]  # fmt: skip
    onnx_session.open_session(b"", device="cuda")
    onnx_session.open_session(b"", device="cpu")
    # In full precision: with tensor cores the answers would be others than on a processor.
    assert gpu.asked[0] == [("CUDAExecutionProvider", {"use_tf32": "0"})]
    assert [one[0][0] for one in gpu.asked] == ["CUDAExecutionProvider", "CPUExecutionProvider"]


def test_a_session_that_goes_over_to_the_processor_is_refused(gpu):
    gpu.opens_on = ["CPUExecutionProvider"]
    with pytest.raises(UsageError, match="went over to the processor"):
        onnx_session.open_session(b"", device="cuda")


def test_a_gpu_that_does_not_answer_is_none(gpu):
    gpu.fault = "libcudnn.so.9: cannot open shared object file"
    assert onnx_session.find_device("auto") == "cpu"
    with pytest.raises(UsageError, match=r"libcudnn.*nvidia-smi"):
        onnx_session.find_device("cuda")


def test_without_a_runtime_for_gpus_it_says_what_to_install(monkeypatch):
    names = ["CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    assert onnx_session.find_device("auto") == "cpu"
    with pytest.raises(UsageError, match="pip install onnxruntime-gpu"):
        onnx_session.find_device("cuda")
    with pytest.raises(UnknownNameError, match="auto"):
        onnx_session.find_device("gpu")
