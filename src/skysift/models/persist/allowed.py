"""What a skops file may name: a closed list of loaders, each with its own list of types.

skops refuses types that it is not told to trust, but trusts many by itself, and some of its
loaders call what the file names (CVE-2024-37065, CVE-2025-54412, CVE-2025-54413). So the file's
schema is checked here against a list of our own before skops sees it. Loaders that call methods,
operators or partial functions, or that unpack archives within the archive, are not on it at all.
"""

from collections import OrderedDict
from typing import Any, TypeVar

import numpy as np
from sklearn import (
    calibration,
    compose,
    decomposition,
    discriminant_analysis,
    dummy,
    ensemble,
    frozen,
    gaussian_process,
    impute,
    isotonic,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn.gaussian_process import kernels
from sklearn.utils import Bunch

from skysift.core.errors import BundleError
from skysift.models.persist.archive import ArrayHeaders, dictionaries, malformed

__all__ = ["allow_type", "check_arrays", "check_types"]

ClassT = TypeVar("ClassT", bound=type)

_OLDEST_PROTOCOL = 2  # loaders of older ones are less strict


def _names(*types: type) -> frozenset[str]:
    return frozenset(f"{kind.__module__}.{kind.__qualname__}" for kind in types)


# Not here, because their compiled code trusts fitted arrays that we cannot check: the SVMs of
# libsvm (SVC, NuSVC) and the trees of neighbours, which are rebuilt instead of stored.
_ESTIMATORS = _names(
    calibration.CalibratedClassifierCV,
    compose.ColumnTransformer,
    decomposition.PCA,
    discriminant_analysis.LinearDiscriminantAnalysis,
    discriminant_analysis.QuadraticDiscriminantAnalysis,
    dummy.DummyClassifier,
    ensemble.AdaBoostClassifier,
    ensemble.BaggingClassifier,
    ensemble.ExtraTreesClassifier,
    ensemble.GradientBoostingClassifier,
    ensemble.HistGradientBoostingClassifier,
    ensemble.RandomForestClassifier,
    ensemble.StackingClassifier,
    ensemble.VotingClassifier,
    frozen.FrozenEstimator,
    gaussian_process.GaussianProcessClassifier,
    impute.SimpleImputer,
    isotonic.IsotonicRegression,
    linear_model.LogisticRegression,
    linear_model.RidgeClassifier,
    linear_model.SGDClassifier,
    naive_bayes.GaussianNB,
    neighbors.KNeighborsClassifier,
    neural_network.MLPClassifier,
    pipeline.FeatureUnion,
    pipeline.Pipeline,
    preprocessing.FunctionTransformer,
    preprocessing.LabelBinarizer,
    preprocessing.LabelEncoder,
    preprocessing.MaxAbsScaler,
    preprocessing.MinMaxScaler,
    preprocessing.Normalizer,
    preprocessing.PolynomialFeatures,
    preprocessing.PowerTransformer,
    preprocessing.QuantileTransformer,
    preprocessing.RobustScaler,
    preprocessing.StandardScaler,
    svm.LinearSVC,
    tree.DecisionTreeClassifier,
    tree.DecisionTreeRegressor,
    tree.ExtraTreeClassifier,
    tree.ExtraTreeRegressor,
)

_KERNELS = _names(
    kernels.ConstantKernel,
    kernels.DotProduct,
    kernels.Matern,
    kernels.Product,
    kernels.RBF,
    kernels.RationalQuadratic,
    kernels.Sum,
    kernels.WhiteKernel,
)

_PARTS_OF_ESTIMATORS = frozenset(
    {
        "sklearn._loss.link.HalfLogitLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.ExponentialLoss",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    }
)

_NUMBERS = frozenset(
    {
        "numpy.bool",
        "numpy.float32",
        "numpy.float64",
        "numpy.int32",
        "numpy.int64",
        "numpy.str_",
        "numpy.uint8",
        "numpy.uint32",
        "numpy.uint64",
    }
)

_ELEMENTWISE = frozenset(
    f"numpy.{function.__name__}"
    for function in (np.abs, np.arcsinh, np.cbrt, np.exp, np.log, np.log10, np.log1p, np.log2)
) | {"numpy.sqrt", "numpy.square"}

_ALLOWED: dict[str, frozenset[str]] = {
    "DTypeNode": frozenset({"numpy.dtype"}),
    "DictNode": _names(dict, OrderedDict, Bunch),
    "FunctionNode": _ELEMENTWISE,
    "JsonNode": frozenset({"builtins.str"}),
    "ListNode": frozenset({"builtins.list"}),
    "LossNode": frozenset(
        {
            "sklearn._loss._loss.CyExponentialLoss",
            "sklearn._loss._loss.CyHalfBinomialLoss",
            "sklearn._loss._loss.CyHalfMultinomialLoss",
        }
    ),
    "NdArrayNode": _NUMBERS | {"numpy.ndarray"},
    "ObjectNode": _ESTIMATORS | _KERNELS | _PARTS_OF_ESTIMATORS,
    "SetNode": frozenset({"builtins.set"}),
    "SliceNode": frozenset({"builtins.slice"}),
    "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "TypeNode": _NUMBERS | _names(bool, float, int, str),
}

_own: set[str] = set()


def allow_type(kind: ClassT) -> ClassT:
    """Allow an estimator class of skysift in model files; may be used as a decorator.

    The class is made without calling its constructor and gets its attributes from the file. It
    must not act on them before it is asked to predict, and then must not trust them further than
    numpy does.

    Raises
    ------
    BundleError
        If the class is not defined at the top level of a module of skysift.
    """
    if not kind.__module__.startswith("skysift.") or kind.__qualname__ != kind.__name__:
        raise BundleError(
            f"{kind.__module__}.{kind.__qualname__} is not a class of skysift.",
            "Store models of other packages as ONNX.",
        )
    _own.add(f"{kind.__module__}.{kind.__qualname__}")
    return kind


def check_types(schema: Any) -> set[str]:
    """Check every node of a skops schema against the list, and return the names found.

    Raises
    ------
    BundleError
        If the file names anything that is not on the list.
    """
    protocol = schema.get("protocol") if isinstance(schema, dict) else None
    if type(protocol) is not int or protocol < _OLDEST_PROTOCOL:
        raise malformed(f"its protocol is {protocol!r}")
    names = set()
    for item in dictionaries(schema):
        if "__id__" in item:
            raise malformed("it refers to objects by number")
        if "__loader__" in item:
            names.add(_checked_name(item))
    return names


def check_arrays(schema: Any, arrays: ArrayHeaders) -> None:
    """Check that every array is there, and those whose size compiled code does not look at.

    Raises
    ------
    BundleError
        If an array is missing or unfit.
    """
    for node in dictionaries(schema):
        if "file" in node and isinstance(node["file"], str) and node["file"] not in arrays:
            raise malformed("an array is missing")
        if node.get("__loader__") == "TreeNode":
            _check_tree_arguments(node, arrays)


def _checked_name(node: dict[str, Any]) -> str:
    parts = [node.get(key) for key in ("__loader__", "__module__", "__class__")]
    if not all(isinstance(part, str) for part in parts):
        raise malformed("a node has no loader, module or class")
    loader, module, name = parts
    full_name = f"{module}.{name}"
    allowed = _ALLOWED.get(str(loader), frozenset())
    if full_name not in allowed and not (loader == "ObjectNode" and full_name in _own):
        raise BundleError(
            f"The model asks for {full_name} ({loader}), which is not allowed in a model file.",
            "Store a model of your own as ONNX; do not use a file of unknown origin.",
        )
    return full_name


def _check_tree_arguments(node: dict[str, Any], arrays: ArrayHeaders) -> None:
    """Check what the compiled constructor of a tree reads without looking at sizes."""
    try:
        _, n_classes, n_outputs = node["__reduce__"]["args"]["content"]
        shape, dtype = arrays[n_classes["file"]]
        fits = n_outputs["content"] == "1" and shape == (1,) and dtype == np.dtype(np.intp)
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise malformed("a tree has another number of outputs than one")
