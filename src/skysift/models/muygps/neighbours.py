"""The k nearest training rows of each row, by Euclidean distance: exact, or approximate.

The exact search picks its way by size: a tree for few features, where it visits few leaves; else
matrix products in single precision that leave some candidates, whose distances are then computed in
double precision. What single precision can have missed is known, so the answer is exact; see
:mod:`skysift.models.muygps.pruning`.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
_FARTHEST = np.float64(1e150)  # whose squared distance is still a finite number


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
        rows = np.clip(rows, -_FARTHEST, _FARTHEST).astype(rows.dtype, copy=False)
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

    The graph holds the distinct rows only, each of which stands for its copies: many copies, linked
    to each other alone, would cut it in pieces. Rows that are equal in single precision count as
    copies. A row of which the graph finds fewer than k neighbours, or at no finite distance in
    single precision, is searched exactly; otherwise neighbours may be missed, and nothing tells.

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
        self._points = points
        self._exact: ExactNeighbours | None = None
        self._centre = points.mean(axis=0)
        # In a unit near that of the points, which single precision may not hold.
        _, self._exponent = np.frexp(np.abs(points - self._centre).max())
        single = self._single(points)
        self._copies = _Copies.of(single)
        self._index: Any = faiss.IndexHNSWFlat(points.shape[1], links)
        self._index.hnsw.efConstruction = breadth
        self._with_threads(self._index.add, single[self._copies.originals])

    def query(self, rows: Floats, k: int) -> Indices:
        """Return the indices of about the k nearest points of each row, shape (n, k)."""
        self._index.hnsw.efSearch = max(self._breadth, 2 * k)
        n_distinct = min(k, len(self._copies.originals))
        distance, near = self._with_threads(self._index.search, self._single(rows), n_distinct)
        # Where the graph finds too few it fills up with -1.
        missed = ((near < 0) | ~np.isfinite(distance)).any(axis=1)
        found = np.empty((len(rows), k), dtype=np.intp)
        found[~missed] = self._copies.expand(near[~missed], k)
        if missed.any():
            found[missed] = self._exactly(rows[missed], k)
        return found

    def _exactly(self, rows: Floats, k: int) -> Indices:
        if self._exact is None:
            self._exact = ExactNeighbours(self._points, threads=self._threads)
        return self._exact.query(rows, k)

    def _single(self, rows: Floats) -> NDArray[np.float32]:
        # About the centre single precision resolves more.
        greatest = np.finfo(np.float32).max
        with np.errstate(over="ignore"):
            centred = np.ldexp(rows - self._centre, -self._exponent)
        return np.ascontiguousarray(np.clip(centred, -greatest, greatest), dtype=np.float32)

    def _with_threads(self, call: Any, *arguments: Any) -> Any:
        before = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(self._threads)
        try:
            return call(*arguments)
        finally:
            self._faiss.omp_set_num_threads(before)


@dataclass(frozen=True, slots=True)
class _Copies:
    """Which points are equal.

    Parameters
    ----------
    originals : array of int, shape (n_distinct,)
        The first of each set of equal points, in their order.
    counts : array of int, shape (n_distinct,)
        How many points are equal to each of them, itself included.
    members : array of int, shape (n_points,)
        All points, those that are equal beside each other, in the order of the originals.
    """

    originals: Indices
    counts: Indices
    members: Indices

    @classmethod
    def of(cls, points: NDArray[np.float32]) -> "_Copies":
        # Compared as bytes, four times as fast as by columns; zero has a sign that must go.
        rows = np.ascontiguousarray(points + np.float32(0.0))
        as_bytes = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
        _, first, inverse = np.unique(as_bytes, return_index=True, return_inverse=True)
        original = first[inverse]
        originals, counts = np.unique(original, return_counts=True)
        return cls(originals, counts, np.argsort(original, kind="stable"))

    def expand(self, near: Indices, k: int) -> Indices:
        """Return k points of each row, shape (n, k), from its nearest distinct ones.

        Parameters
        ----------
        near : array of int, shape (n, at most k)
            Among the originals, nearest first; with their copies k or more of each row.
        k : int
            Number of points of a row.
        """
        taken = np.diff(np.minimum(self.counts[near].cumsum(axis=1), k), axis=1, prepend=0).ravel()
        first = self.counts.cumsum() - self.counts
        # Where the copies of each begin among the members, less where they go.
        shift = first[near].ravel() - (taken.cumsum() - taken)
        copies = np.arange(taken.sum()) + np.repeat(shift, taken)
        found: Indices = self.members[copies].reshape(-1, k)
        return found
