"""The numbers of an ONNX graph, so that what is stored for prediction can be trained on.

A graph does not know the names that its weights had: they are found by the operator that uses them
and by their place in the order of the graph, which is that of the computation.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.core.errors import BundleError
from skysift.core.extras import import_extra
from skysift.models.persist.archive import malformed
from skysift.models.persist.onnx_graph import check_onnx_graph

__all__ = ["GraphWeights"]


class GraphWeights:
    """The constants of a graph, by name and by the operators that use them.

    Parameters
    ----------
    data : bytes
        A serialised model, from a verified bundle.

    Raises
    ------
    BundleError
        If it is damaged or refers to other files.
    MissingExtraError
        If onnx is not installed.
    """

    def __init__(self, data: bytes) -> None:
        check_onnx_graph(data)
        onnx = import_extra("onnx", extra="train")
        try:
            self._graph = onnx.load_model_from_string(data).graph
        except Exception as error:  # protobuf's errors have no class of ours to name
            raise malformed(f"onnx refuses it: {error}") from error
        self.constants: dict[str, NDArray[Any]] = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in self._graph.initializer
        }
        for node in self._graph.node:
            if node.op_type == "Constant":
                self._add_constant(onnx, node)
            elif node.op_type in ("Cast", "Identity") and node.input[0] in self.constants:
                # A large constant is stored in half precision and cast where it is used.
                self.constants[node.output[0]] = self.constants[node.input[0]].astype(np.float32)

    def _add_constant(self, onnx: Any, node: Any) -> None:
        for attribute in node.attribute:
            if attribute.name == "value":
                self.constants[node.output[0]] = onnx.numpy_helper.to_array(attribute.t)

    def operands(self, operator: str) -> list[tuple[NDArray[Any], ...]]:
        """Return the constants that each node of a kind takes, in the order of the graph.

        Nodes that take none are left out.
        """
        found = []
        for node in self._graph.node:
            if node.op_type == operator:
                constants = tuple(
                    self.constants[name] for name in node.input if name in self.constants
                )
                if constants:
                    found.append(constants)
        return found

    def attributes(self, operator: str) -> list[dict[str, Any]]:
        """Return the attributes of each node of a kind, in the order of the graph."""
        onnx = import_extra("onnx", extra="train")
        return [
            {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
            for node in self._graph.node
            if node.op_type == operator
        ]

    def layers(self, operator: str, *, n: int, what: str) -> list[tuple[NDArray[Any], ...]]:
        """Return the operands of exactly `n` nodes.

        Raises
        ------
        BundleError
            If the graph has another number of them: it is not the network that was expected.
        """
        found = self.operands(operator)
        if len(found) != n:
            raise BundleError(
                f"The graph has {len(found)} nodes {operator} with weights; {what} has {n}.",
                "Train the bundle again.",
            )
        return found
