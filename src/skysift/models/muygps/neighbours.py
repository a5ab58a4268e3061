"""The k nearest training rows of each row, by Euclidean distance: exact, or approximate.

The exact search picks its way by size: a tree for few features, where it visits few leaves; else
matrix products in single precision that leave some candidates, whose distances are then computed in
double precision. What single precision can have missed is known, so the answer is exact; see
:mod:`skysift.models.muygps.pruning`.
"""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skysift.core.compiler import has_compiler
from skysift.core.errors import MissingExtraError, UnknownNameError
from skysift.core.extras import import_extra

__all__ = [
    "SEARCHES",
    "ApproximateNeighbours",
    "ExactNeighbours",
    "NeighbourSearch",
    "leave_one_out_neighbours",
    "open_search",
]

Floats = NDArray[np.floating[Any]]
Indices = NDArray[np.intp]

SEARCHES = ("exact", "approximate")

_TREE_FEATURES = 5
_FEW_POINTS = 5000  # that a tree searches soon enough, however many features
_CHUNK = 256


class NeighbourSearch(Protocol):
    """What finds neighbours among a fixed set of points."""

    def query(self, rows: Floats, k: int) -> Indices:
        """Return the indices of the k nearest points of each row, shape (n, k), nearest first."""
        ...


def open_search(name: str, points: Floats, *, threads: int = 1) -> NeighbourSearch:
    """Return a search among points, shape (n_points, n_features).

    Parameters
    ----------
    name : {"exact", "approximate"}
        Which search.
    points : array, shape (n_points, n_features)
        Training rows.
    threads : int
        Number of threads of a query.

    Raises
    ------
    UnknownNameError
        If there is no such search.
    MissingExtraError
        If it needs a library that is not installed.
    """
    if name == "exact":
        return ExactNeighbours(points, threads=threads)
    if name == "approximate":
        return ApproximateNeighbours(points, threads=threads)
    raise UnknownNameError("neighbour search", name, SEARCHES)


def leave_one_out_neighbours(
    search: NeighbourSearch, points: Floats, which: Indices, k: int
) -> Indices:
    """Return the k nearest points of some of the points themselves, each without itself.

    Parameters
    ----------
    search : NeighbourSearch
        Among the points.
    points : array, shape (n_points, n_features)
        All of them.
    which : array of int, shape (n,)
        Those to find neighbours of.
    k : int
        Less than n_points.
    """
    found = search.query(points[which], k + 1)
    itself = found == which[:, None]
    # Where k copies of a point crowd it out of its own list, the last of them goes.
    itself[~itself.any(axis=1), -1] = True
    others: Indices = found[~itself].reshape(len(which), k)
    return others


class ExactNeighbours:
    """The exact search.

    Parameters
    ----------
    points : array, shape (n_points, n_features)
        Training rows.
    threads : int
        Number of threads of a query.
    """

    def __init__(self, points: Floats, *, threads: int = 1) -> None:
        self._threads = threads
        self._points = points
        self._tree: Any = None
        self._pruned: Any = None
        if points.shape[1] <= _TREE_FEATURES:
            self._tree = self._planted()
        elif has_compiler():
            from skysift.models.muygps.pruning import PrunedSearch  # noqa: PLC0415  # imports numba

            self._pruned = PrunedSearch(points)
        elif len(points) <= _FEW_POINTS:
            self._tree = self._planted()

    def query(self, rows: Floats, k: int) -> Indices:
        """Return the indices of the k nearest points of each row, shape (n, k), nearest first."""
        if self._tree is not None:
            _, found = self._tree.query(rows, k=np.arange(1, k + 1), workers=self._threads)
            return np.asarray(found, dtype=np.intp)
        return self._brute(rows, k) if self._pruned is None else self._prune(rows, k)

    def _prune(self, rows: Floats, k: int) -> Indices:
        chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
        if self._threads == 1 or len(chunks) == 1:
            answers = [self._pruned.query(chunk, k) for chunk in chunks]
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                answers = list(pool.map(lambda chunk: self._pruned.query(chunk, k), chunks))
        found: Indices = np.concatenate([answer for answer, _ in answers])
        proven = np.concatenate([sure for _, sure in answers])
        if not proven.all():
            found[~proven] = self._brute(rows[~proven], k)
        return found

    def _planted(self) -> Any:
        from scipy.spatial import KDTree  # noqa: PLC0415  # half a second that others need not

        return KDTree(self._points)

    def _brute(self, rows: Floats, k: int) -> Indices:
        # scikit-learn takes a second to import, and few rows come here.
        sklearn = import_extra("sklearn.neighbors", extra="learn")
        peers = sklearn.NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=self._threads)
        found = peers.fit(self._points).kneighbors(rows, return_distance=False)
        return np.asarray(found, dtype=np.intp)


class ApproximateNeighbours:
    """A hierarchical navigable small-world graph, by faiss.

    Building it takes about 20 s for 100,000 rows of 25 unrelated features on one core; worth it
    from some hundred thousand training rows on. With one thread the graph is the same each time.

    Parameters
    ----------
    points : array, shape (n_points, n_features)
        Training rows.
    threads : int
        Number of threads of the build and of a query.
    links : int
        Of each point in the graph.
    breadth : int
        Candidates that are followed in the build and, at least, in a query; more of them find more
        of the true neighbours.

    Raises
    ------
    MissingExtraError
        If faiss is not installed.

    References
    ----------
    Malkov & Yashunin 2018, arXiv:1603.09320.
    """

    def __init__(
        self, points: Floats, *, threads: int = 1, links: int = 16, breadth: int = 128
    ) -> None:
        try:
            # An extra, by name: types are then checked in the same way where it is not installed.
            faiss: Any = import_module("faiss")
        except ModuleNotFoundError as error:
            raise MissingExtraError("faiss", extra="fast") from error
        self._faiss = faiss
        self._threads = threads
        self._breadth = breadth
        self._centre = points.mean(axis=0)
        self._index: Any = faiss.IndexHNSWFlat(points.shape[1], links)
        self._index.hnsw.efConstruction = breadth
        self._with_threads(self._index.add, self._single(points))

    def query(self, rows: Floats, k: int) -> Indices:
        """Return the indices of about the k nearest points of each row, shape (n, k)."""
        self._index.hnsw.efSearch = max(self._breadth, 2 * k)
        _, found = self._with_threads(self._index.search, self._single(rows), k)
        return np.asarray(found, dtype=np.intp)

    def _single(self, rows: Floats) -> NDArray[np.float32]:
        # About the centre single precision resolves more.
        return np.ascontiguousarray(rows - self._centre, dtype=np.float32)

    def _with_threads(self, call: Any, *arguments: Any) -> Any:
        before = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(self._threads)
        try:
            return call(*arguments)
        finally:
            self._faiss.omp_set_num_threads(before)
