"""Whatever lies in a bundle, nothing of it runs: refused by load, predict and watch alike."""

import hashlib
import io
import json
import os
import pickle  # noqa: TID251  # to make what must not be opened
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import joblib  # noqa: TID251  # as pickle
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from skysift.core.bundle import Bundle
from skysift.core.errors import BundleError
from skysift.core.registry import bundle_folder, load_task

TASK = "gamma-hadron"
PART = "model.onnx"


class Payload:
    """What is unpickled makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def of_pickle(marker):
    return pickle.dumps(Payload(marker))


def of_joblib(marker):
    out = io.BytesIO()
    joblib.dump({"model": Payload(marker)}, out)
    return out.getvalue()


def of_torch(marker):
    out = io.BytesIO()
    torch.save({"state": Payload(marker)}, out)
    return out.getvalue()


def of_npz(marker):
    out = io.BytesIO()
    np.savez(out, weights=np.array([Payload(marker)], dtype=object))
    return out.getvalue()


def of_keras(marker):
    """A model in Keras's archive whose layer is code."""
    code = f"__import__('os').mkdir({str(marker)!r})"
    layer = {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__",
             "config": {"code": code}}}}  # fmt: skip
    config = {"class_name": "Sequential", "config": {"layers": [layer]}}
    return zipped({"config.json": json.dumps(config), "metadata.json": "{}"})


def of_skops(marker):
    node = {
        "__class__": "mkdir", "__module__": "os", "__loader__": "ConstructorFromReduceNode",
        "content": {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode",
                    "content": [{"__class__": "str", "__module__": "builtins",
                                 "__loader__": "JsonNode", "content": json.dumps(str(marker)),
                                 "is_json": True}]},
        "protocol": 2,
    }  # fmt: skip
    return zipped({"schema.json": json.dumps(node)})


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return out.getvalue()


PAYLOADS = {
    "pickle": (of_pickle, "model.pkl"),
    "joblib": (of_joblib, "model.joblib"),
    "torch": (of_torch, "model.pt"),
    "npz": (of_npz, "weights.npz"),
    "keras": (of_keras, "model.keras"),
    "keras in h5": (of_keras, "model.h5"),
    "skops": (of_skops, "model.skops"),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A copy of a bundle that is small and has a graph."""
    return Path(shutil.copytree(bundle_folder(TASK, "fast"), tmp_path / "bundle"))


@pytest.fixture(autouse=True)
def marker(tmp_path):
    path = tmp_path / "ran"
    yield path
    assert not path.exists()


def described(folder, name, data, **model):
    """Put a file into a bundle, with a hash that fits."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "bundle.json").read_bytes())
    manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    manifest["model"] |= model
    (folder / "bundle.json").write_text(json.dumps(manifest))


def test_the_payloads_do_what_they_should_where_they_run(tmp_path):
    """Else the tests below would prove nothing."""
    for number, make in enumerate((of_pickle, of_joblib, of_npz, of_torch)):
        path = tmp_path / f"ran-{number}"
        data = io.BytesIO(make(path))
        if make is of_pickle:
            pickle.load(data)  # noqa: S301  # our own
        elif make is of_joblib:
            joblib.load(data)
        elif make is of_npz:
            np.load(data, allow_pickle=True)["weights"]
        else:
            torch.load(data, weights_only=False)  # noqa: TID251  # our own
        assert path.is_dir()


@pytest.mark.parametrize("kind", PAYLOADS)
def test_an_extra_file_is_refused(kind, folder, marker):
    make, name = PAYLOADS[kind]
    (folder / name).write_bytes(make(marker))
    with pytest.raises(BundleError, match="does not list"):
        Bundle.load(folder)
    with pytest.raises(BundleError):
        load_task(TASK).load(folder)


@pytest.mark.parametrize("kind", PAYLOADS)
@pytest.mark.parametrize("as_name", ["own", "model.onnx", "extra.onnx", "w.safetensors"])
def test_a_listed_file_is_refused_whatever_its_name(kind, as_name, folder, marker):
    make, name = PAYLOADS[kind]
    name = name if as_name == "own" else as_name
    described(folder, name, make(marker), file=name)
    with pytest.raises(BundleError):
        load_task(TASK).load(folder)


@pytest.mark.parametrize("kind", PAYLOADS)
def test_a_description_is_json_and_nothing_else(kind, folder, marker):
    make, _ = PAYLOADS[kind]
    (folder / "bundle.json").write_bytes(make(marker))
    with pytest.raises(BundleError, match="Not valid JSON"):
        load_task(TASK).load(folder)


def test_skops_told_to_be_skops_is_refused_for_its_types(folder, marker):
    described(folder, "model.skops", of_skops(marker), file="model.skops", format="skops")
    with pytest.raises(BundleError):
        load_task(TASK).load(folder)


def run(*command):
    return subprocess.run(
        [sys.executable, "-m", "skysift", *map(str, command)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["torch"])
def test_the_commands_refuse_it_too(kind, folder, marker, tmp_path):
    make, _ = PAYLOADS[kind]
    described(folder, PART, make(marker))
    task = load_task(TASK)
    incoming = tmp_path / "in"
    incoming.mkdir()
    table = task.write_synth(task.synth(5, np.random.default_rng(1)), incoming / "events.csv")
    out = tmp_path / "out.csv"
    done = run("predict", TASK, table, "--bundle", folder, "--out", out)
    assert (done.returncode, out.exists()) == (1, False), done.stderr
    assert "Traceback" not in done.stderr
    done = run("watch", incoming, "--task", TASK, "--bundle", folder, "--to", tmp_path / "found",
               "--once")  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("found/night=*"))


def graph(*nodes, initializers=(), opsets=(("", 18),), shape=("n", 10)):
    made = helper.make_graph(
        list(nodes), "g",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n"])],
        list(initializers),
    )  # fmt: skip
    opset_imports = [helper.make_opsetid(*one) for one in opsets]
    return helper.make_model(made, opset_imports=opset_imports, ir_version=9)


def external(tmp_path):
    """A constant whose values stand in a file outside the bundle."""
    (tmp_path / "secret").write_bytes(b"\0" * 40)
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[10])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "../secret", "offset": "0", "length": "40"}.items():
        tensor.external_data.add(key=key, value=value)
    nodes = [
        helper.make_node("Mul", ["features", "w"], ["m"]),
        helper.make_node("ReduceSum", ["m"], ["probability"], keepdims=0),
    ]
    return graph(*nodes, initializers=[tensor])


def custom(_):
    node = helper.make_node("Run", ["features"], ["probability"], domain="evil.ops")
    return graph(node, opsets=(("", 18), ("evil.ops", 1)))


def absurd(_):
    """A constant of 2^40 numbers that is not there."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**20, 2**20])
    return graph(helper.make_node("MatMul", ["features", "w"], ["probability"]),
                 initializers=[tensor])  # fmt: skip


def grown(_):
    """A few bytes that ask for 2^40 numbers."""
    shape = onnx.numpy_helper.from_array(np.array([2**20, 2**20]), "s")
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["big"]),
        helper.make_node("MatMul", ["features", "big"], ["probability"]),
    ]
    return graph(*nodes, initializers=[shape])


def narrow(_):
    return graph(helper.make_node("ReduceSum", ["features"], ["probability"], keepdims=0),
                 shape=("n", 2**31 - 1))  # fmt: skip


@pytest.mark.parametrize("make", [external, custom, absurd, grown, narrow])
def test_graphs_made_to_harm_are_refused(make, folder, tmp_path):
    described(folder, PART, make(tmp_path).SerializeToString())
    with pytest.raises(BundleError):
        load_task(TASK).load(folder)
