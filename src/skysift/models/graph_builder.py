"""Build ONNX graphs node by node; only the method that collects them imports onnx."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import BundleError
from skysift.core.extras import import_extra

__all__ = ["GraphBuilder"]

_OPSET = 18
_OPSET_TREES = 3
_LARGE = 4096
_BEFORE = "p_"


class GraphBuilder:
    """Collects nodes and constants; a call adds a node and returns the name of its output.

    Parameters
    ----------
    onto : bytes, optional
        A model that the graph goes on from: its values, and what were its outputs, may be used
        under their names with ``p_`` before them, its input under its own.

    Raises
    ------
    MissingExtraError
        If onnx is not installed.
    BundleError
        If that model is of another set of operators.
    """

    def __init__(self, onto: bytes | None = None) -> None:
        self._onnx = import_extra("onnx", extra="train")
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._outputs: list[tuple[str, Sequence[int | str]]] = []
        if onto is not None:
            self._begin_with(onto)

    def _begin_with(self, data: bytes) -> None:
        onnx = self._onnx
        model = onnx.load_model_from_string(data)
        opsets = {item.domain: item.version for item in model.opset_import}
        if opsets.get("") != _OPSET or opsets.get("ai.onnx.ml", _OPSET_TREES) != _OPSET_TREES:
            raise BundleError(
                "The graph is of another set of operators than is written now.",
                "Train the bundle again.",
            )
        graph = onnx.compose.add_prefix(model, _BEFORE, rename_inputs=False).graph
        self._nodes += graph.node
        self._constants += graph.initializer

    def __call__(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node and return its output."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(
            self._onnx.helper.make_node(operator, list(inputs), [name], domain=domain, **attributes)
        )
        return name

    def constant(self, values: Any, *, exact: bool = False) -> str:
        """Add a constant of float32; large ones are stored in half precision unless exact."""
        array = np.asarray(values, dtype=np.float32)
        if exact or array.size < _LARGE:
            return self._add(array)
        half = self._add(array.astype(np.float16))
        return self("Cast", half, to=self._onnx.TensorProto.FLOAT)

    def integers(self, values: Sequence[int] | int) -> str:
        """Add a constant of int64, as axes, shapes and indices are."""
        return self._add(np.asarray(values, dtype=np.int64))

    def mean(self, value: str, *, axis: int, keep: bool) -> str:
        """Add a mean over one axis."""
        return self("ReduceMean", value, self.integers([axis]), keepdims=int(keep))

    def clip(self, value: str, low: float, high: float) -> str:
        """Add limits."""
        return self("Clip", value, self.constant(low), self.constant(high))

    def silu(self, value: str) -> str:
        """Add the activation x sigmoid(x)."""
        return self("Mul", value, self("Sigmoid", value))

    def output(self, name: str, value: str, shape: Sequence[int | str] = ("n",)) -> None:
        """Give a value the name of an output; a length that is a word is left open."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append((name, shape))

    def serialise(self, n_features: int) -> bytes:
        """Return a model of a matrix, the input `features`, checked."""
        return self.serialise_input("features", ("n", n_features))

    def serialise_input(self, name: str, shape: Sequence[int | str]) -> bytes:
        """Return a model of one input of any shape, checked."""
        onnx, helper, number = self._onnx, self._onnx.helper, self._onnx.TensorProto.FLOAT
        outputs = [(name, number, lengths) for name, lengths in self._outputs]
        graph = helper.make_graph(
            self._nodes,
            "skysift",
            [helper.make_tensor_value_info(name, number, shape)],
            [helper.make_tensor_value_info(*output) for output in outputs],
            self._constants,
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _OPSET_TREES)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())

    def _add(self, array: NDArray[Any]) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name
