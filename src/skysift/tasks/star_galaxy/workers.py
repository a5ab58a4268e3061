"""Batches of cutouts predicted in order, in this process or in several others."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from skysift.core.errors import SkysiftError, UsageError
from skysift.data.images.readers import ReadImages
from skysift.data.table import FeatureTable
from skysift.tasks.star_galaxy.model import StarGalaxyModel, load_bundle
from skysift.tasks.star_galaxy.options import PredictOptions

__all__ = ["Answer", "Predict", "answers"]

Predict = Callable[[ReadImages, StarGalaxyModel, PredictOptions], FeatureTable]
"""Returns one row for each that was read, usable or not; a function of a module."""

Answer = tuple[FeatureTable, Mapping[str, int]]
"""Rows of a batch, usable or not, and how many there are of each verdict."""

_PREFETCHED = 2  # batches per worker that wait for it, or for their turn to be written
_LOADED: dict[Path, StarGalaxyModel] = {}  # of a worker process


def answers(
    predict: Predict,
    batches: Iterable[ReadImages],
    model: StarGalaxyModel,
    options: PredictOptions,
) -> Iterator[Answer]:
    """Yield the answer to each batch, in the order of the batches.

    Parameters
    ----------
    predict : callable
        Predicts a batch.
    batches : iterable of ReadImages
        What was read; reading goes on while workers predict.
    model : StarGalaxyModel
        What predicts; several workers each load the bundle that it came from.
    options : PredictOptions
        The number of workers.

    Raises
    ------
    UsageError
        If several workers are asked for, and the model is not from a bundle.
    SkysiftError
        If a worker was ended by force.
    """
    if options.workers == 1:
        for batch in batches:
            yield predict(batch, model, options), batch.checked.counts
        return
    if model.bundle is None:
        raise UsageError("Several workers need a model that is stored.", "Save it, and load it.")
    folder = model.bundle.folder
    context = multiprocessing.get_context("spawn")  # a fork copies the locks of other threads
    try:
        with ProcessPoolExecutor(options.workers, context, _load, (folder,)) as pool:
            waiting: deque[Future[Answer]] = deque()
            for batch in batches:
                waiting.append(pool.submit(_answer, predict, batch, folder, options))
                if len(waiting) > options.workers * _PREFETCHED:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise SkysiftError(
            "A process that was predicting ended by force; memory may have run out.",
            "Run again with fewer --workers.",
        ) from error


def _load(folder: Path) -> None:
    _LOADED[folder] = load_bundle(folder)


def _answer(predict: Predict, batch: ReadImages, folder: Path, options: PredictOptions) -> Answer:
    return predict(batch, _LOADED[folder], options), batch.checked.counts
