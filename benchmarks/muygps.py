"""Speed of local Gaussian processes beside MuyGPyS: the same rows, neighbours and results.

OMP_NUM_THREADS=1 python benchmarks/muygps.py --out runs/bench/muygps.json

One core. Times are processor time, the least of several turns in which the competitors alternate.
"Regression" is the posterior mean and variance of every row with its neighbours given, which is
what MuyGPyS's own regress step does; the search for neighbours is timed apart, with scikit-learn's
search, which MuyGPyS uses, beside ours.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from MuyGPyS.gp import MuyGPS
from MuyGPyS.gp.deformation import Isotropy, l2
from MuyGPyS.gp.hyperparameter import ScalarParam
from MuyGPyS.gp.kernels import Matern as PeerMatern
from MuyGPyS.gp.noise import HomoscedasticNoise
from rich.console import Console
from rich.table import Table
from sklearn.neighbors import NearestNeighbors

from skysift.core.compiler import has_compiler
from skysift.core.files import write_atomic
from skysift.models.muygps import Matern, MuyGPsRegressor
from skysift.models.muygps.neighbours import ExactNeighbours
from skysift.models.muygps.posterior import Neighbourhoods, local_posterior

K, N_FEATURES, LENGTH_SCALE, NOISE = 50, 25, 6.0, 1e-3
PEER_CHUNK = 100  # rows; its arrays of (rows, k, k, d) are 50 MB then, at which it is fastest

Calls = dict[str, Callable[[], Any]]


def main() -> None:
    """Measure, print tables and write the numbers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--train", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    peak = _peak()
    results = {
        "MuyGPyS": version("MuyGPyS"),
        "peak_gflops": peak,
        "runs": [_measure(n, arguments.rows, arguments.repeats) for n in arguments.train],
    }
    console = Console()
    for run in results["runs"]:
        console.print(_table(run))
    console.print(_limit(results["runs"], peak))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(arguments.out, json.dumps(results, indent=2))


def _measure(n_train: int, n_rows: int, repeats: int) -> dict[str, Any]:
    rng = np.random.default_rng(n_train)
    points, query = rng.normal(size=(n_train, N_FEATURES)), rng.normal(size=(n_rows, N_FEATURES))
    targets = np.sin(points[:, :1]) + points[:, 1:2] * points[:, 2:3]
    search = ExactNeighbours(points)
    peer = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(points)
    indices = search.query(query, K)
    rows = Neighbourhoods(query, points, targets, np.full(n_train, NOISE), indices)
    searches: Calls = {
        "ours": lambda: search.query(query, K),
        "scikit-learn": lambda: peer.kneighbors(query, return_distance=False),
    }
    run: dict[str, Any] = {
        "n_train": n_train,
        "search": _rows_per_second(searches, n_rows, max(2, repeats // 2)),
        "regression": {},
        "difference": {},
    }
    for nu in (1.5, 0.8):
        calls = _regressions(rows, nu)
        run["difference"][str(nu)] = _difference(calls)
        run["regression"][str(nu)] = _rows_per_second(calls, n_rows, repeats)
    start = time.process_time()
    MuyGPsRegressor().fit(points, targets[:, 0])
    run["fit_seconds"] = time.process_time() - start
    return run


def _regressions(rows: Neighbourhoods, nu: float) -> Calls:
    kernel = Matern(nu, LENGTH_SCALE)
    single = replace(
        rows,
        query=rows.query.astype(np.float32),
        points=rows.points.astype(np.float32),
        targets=rows.targets.astype(np.float32),
        noise=rows.noise.astype(np.float32),
    )
    calls: Calls = {
        "MuyGPyS": lambda: _peer_regression(rows, nu),
        "numpy": lambda: local_posterior(rows, kernel, engine="numpy"),
    }
    if has_compiler():
        calls["compiled"] = lambda: local_posterior(rows, kernel, engine="compiled")
        calls["compiled, float32"] = lambda: local_posterior(single, kernel, engine="compiled")
    return calls


def _peer_regression(rows: Neighbourhoods, nu: float) -> tuple[Any, Any]:
    deformation = Isotropy(l2, length_scale=ScalarParam(LENGTH_SCALE))
    kernel = PeerMatern(smoothness=ScalarParam(nu), deformation=deformation)
    model = MuyGPS(kernel=kernel, noise=HomoscedasticNoise(NOISE))
    means, variances = [], []
    for start in range(0, len(rows), PEER_CHUNK):
        part = rows.rows(slice(start, start + PEER_CHUNK))
        inner = kernel(deformation.pairwise_tensor(part.points, part.indices))
        cross = kernel(
            deformation.crosswise_tensor(
                part.query, part.points, np.arange(len(part)), part.indices
            )
        )
        means.append(model.posterior_mean(inner, cross, part.targets[part.indices]))
        variances.append(model.posterior_variance(inner, cross))
    return np.concatenate(means), np.concatenate(variances)


def _difference(calls: Calls) -> dict[str, float]:
    """Return the largest difference from MuyGPyS in mean or variance."""
    mean, variance = calls["MuyGPyS"]()
    found = {name: call() for name, call in calls.items() if name != "MuyGPyS"}
    return {
        name: float(
            max(np.abs(one.mean - mean).max(), np.abs(one.variance - variance.ravel()).max())
        )
        for name, one in found.items()
    }


def _rows_per_second(calls: Calls, n_rows: int, repeats: int) -> dict[str, float]:
    least = dict.fromkeys(calls, np.inf)
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.process_time()
            call()
            least[name] = min(least[name], time.process_time() - start)
    return {name: n_rows / seconds for name, seconds in least.items()}


def _peak() -> float:
    """Return GFLOP/s of a large product of matrices of float64, on one core."""
    n = 1200
    a = np.random.default_rng(0).normal(size=(n, n))
    least = min(_rows_per_second({"product": lambda: a @ a}, 1, 7).values())
    return 2.0 * n**3 * least / 1e9


def _table(run: dict[str, Any]) -> Table:
    table = Table(title=f"{run['n_train']:,} training rows, k = {K}, {N_FEATURES} features, 1 core")
    for heading in ("", "rows/s", "of MuyGPyS", "difference"):
        table.add_column(heading, justify="left" if not heading else "right")
    for nu, speeds in run["regression"].items():
        for name, speed in speeds.items():
            difference = run["difference"][nu].get(name)
            table.add_row(
                f"regression, nu = {nu}: {name}",
                f"{speed:,.0f}",
                f"{speed / speeds['MuyGPyS']:.1f}",
                "" if difference is None else f"{difference:.0e}",
            )
    for name, speed in run["search"].items():
        table.add_row(f"exact search: {name}", f"{speed:,.0f}", "", "")
    table.add_row("fit, seconds", f"{run['fit_seconds']:.1f}", "", "")
    return table


def _limit(runs: list[dict[str, Any]], peak: float) -> str:
    """Say how fast the arithmetic alone could be, and how near the fastest run is."""
    factorisation = K**3 / 3 + 2 * K**2
    distances = 3 * N_FEATURES * K * (K + 1) / 2
    covariances = 35 * K * (K + 1) / 2  # a square root and an exponential, as vectors
    whole = factorisation + distances + covariances
    speed = max(run["regression"]["1.5"].get("compiled", 0.0) for run in runs)
    return (
        f"Peak {peak:.0f} GFLOP/s. A row takes {factorisation / 1e3:.0f} kFLOP to factorise and to "
        f"substitute: at most {peak * 1e9 / factorisation:,.0f} rows/s. With distances and "
        f"covariances it takes {whole / 1e3:.0f} kFLOP: at most {peak * 1e9 / whole:,.0f} rows/s, "
        f"of which {speed / (peak * 1e9 / whole):.0%} is reached."
    )


if __name__ == "__main__":
    main()
