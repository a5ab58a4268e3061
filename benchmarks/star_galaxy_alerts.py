"""Alert packets to probabilities, end to end: Avro bytes, stamp, seeing, shapes, default model.

python benchmarks/star_galaxy_alerts.py
python benchmarks/star_galaxy_alerts.py packets.tar.gz --out runs/bench/star_galaxy_alerts.json

Without packets of your own, made-up ones of the size of ZTF's are measured. Their bytes are held in
memory, so that no disk is timed. On one core: stage by stage, and beside a straightforward pipeline
of fastavro, astropy.io.fits, photutils and scikit-learn. Then with workers on several cores, while
they are all busy: the seconds that processes take to start are not counted.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from alert_packets import packets as made_up_packets
from measure import in_own_process, seconds_per_call, spread
from skysift.core.files import write_atomic
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder
from skysift.data.images.alerts import Cutout
from skysift.data.images.image_set import ImageSet
from skysift.data.images.members import Member, iter_members
from skysift.data.images.readers import ReadImages, read_members
from skysift.scale.cluster import open_client
from skysift.scale.workers import DaskWorkers
from skysift.tasks.star_galaxy.model import load_bundle
from skysift.tasks.star_galaxy.options import PredictOptions
from skysift.tasks.star_galaxy.prediction import BatchAnswers, predict_images
from skysift.tasks.star_galaxy.reader import as_models_know
from skysift.tasks.star_galaxy.representations import REPRESENTATIONS

DISTINCT = 128
STAMPS = 1024
BATCH = 1024  # as `skysift predict` has it
BATCHES_PER_WORKER = 24
OF_PEER = 64
REPEATS = 5
WANTED = 1333
ONE_CORE, PEER = "1 core", "peer, 1 core"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("packets", type=Path, nargs="?", help="Avro alerts, or a tar of them")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--cutout", choices=("template", "science"), default="template")
    arguments = parser.parse_args()
    console = Console()
    if find_spec("fastavro") is None:
        console.print('Not measured: fastavro is missing (pip install "skysift[stream]").')
        return
    provenance = Provenance.start(command="benchmarks/star_galaxy_alerts.py")
    cutout = Cutout.TEMPLATE if arguments.cutout == "template" else Cutout.SCIENCE
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    _use(available[:1])
    facts = in_own_process(measure, arguments.packets, cutout, threads=1)
    rates = facts["stamps_per_second"]
    if len(available) >= arguments.cores > 1:
        # Here, for a process of a pool may have none of its own.
        _use(available[: arguments.cores])
        rate = with_workers(_members(arguments.packets), cutout, arguments.cores)
        rates[f"{arguments.cores} cores"] = {"median": rate, "slowest": rate, "fastest": rate}
    facts["summary"] = _summary(rates)
    for name, rate in facts["stamps_per_second"].items():
        console.print(f"{name}: {rate['median']:,.0f} stamps/s "
                      f"({rate['slowest']:,.0f} to {rate['fastest']:,.0f})")  # fmt: skip
    spent = ", ".join(f"{name} {value:.2f}" for name, value in facts["cpu_ms_per_stamp"].items())
    console.print(f"Processor time of a stamp in ms: {spent}")
    console.print(facts["summary"])
    if arguments.out is not None:
        record = {"machine": provenance.finish().to_dict(), **facts}
        write_atomic(arguments.out, json.dumps(record, indent=1) + "\n")


def measure(path: Path | None, cutout: Cutout) -> dict[str, Any]:
    """Return stamps per second on one core: of each stage, of all, and of the peer."""
    members = _members(path)
    jobs, images = _stages(members, cutout)
    rates = {
        name: spread(seconds_per_call(job, REPEATS), len(images)) for name, job in jobs.items()
    }
    peer = _peer(members[:OF_PEER], cutout)
    if peer is not None:
        rates[PEER] = spread(seconds_per_call(peer, 3), OF_PEER)
    cpu = {name: _cpu_milliseconds(job) / len(images) for name, job in jobs.items()}
    return {"cutout": str(cutout), "stamps_per_second": rates, "cpu_ms_per_stamp": cpu}


def _cpu_milliseconds(job: Callable[[], Any]) -> float:
    """Return the least processor time of a few calls, which other programs disturb less."""
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        job()
        spent.append(time.process_time() - start)
    return 1e3 * min(spent)


def _summary(rates: Mapping[str, Mapping[str, float]]) -> str:
    """Return how the whole compares with the peer, and with what is wanted."""
    one = rates[ONE_CORE]["median"]
    text = (
        f"{one / rates[PEER]['median']:.1f} times the peer on one core. " if PEER in rates else ""
    )
    cores = [name for name in rates if name.endswith("cores")]
    whole = rates[cores[0]]["median"] if cores else one
    return f"{text}{whole / WANTED:.2f} of the {WANTED:,} stamps/s that are wanted of two cores."


def _members(path: Path | None) -> list[Member]:
    if path is None:
        made = made_up_packets(DISTINCT, np.random.default_rng(1))
        found = [Member(str(k), "made up", data) for k, data in enumerate(made)]
    else:
        found = [item for item in iter_members(path) if isinstance(item, Member)]
    if not found:
        raise SystemExit(f"{path} holds no alert.")
    return [found[number % len(found)] for number in range(STAMPS)]


def _stages(
    members: Sequence[Member], cutout: Cutout
) -> tuple[dict[str, Callable[[], Any]], ImageSet]:
    model = load_bundle(bundle_folder("star-galaxy"))
    representation = REPRESENTATIONS[model.representation]

    def read() -> ImageSet:
        return read_members(members, cutout=cutout).images

    images = read()
    prepared = as_models_know(images)
    seen = representation.matrix(prepared)
    jobs: dict[str, Callable[[], Any]] = {
        "decode": read,
        "seeing": lambda: as_models_know(images),
        "features": lambda: representation.matrix(prepared),
        "model": lambda: model.predictor.predict_with_error(seen),
        ONE_CORE: lambda: predict_images(read(), model, PredictOptions()),
    }
    return jobs, images


def with_workers(members: Sequence[Member], cutout: Cutout, cores: int) -> float:
    """Return stamps per second between the first answer and the last, all cores busy."""
    model = load_bundle(bundle_folder("star-galaxy"))
    answers = BatchAnswers(model, PredictOptions())

    def batches() -> Iterator[ReadImages]:
        for number in range(cores * BATCHES_PER_WORKER):
            start = number * BATCH % len(members)
            yield read_members(members[start : start + BATCH], cutout=cutout)

    done = []
    with open_client(workers=cores) as client:
        for table, _ in DaskWorkers(client)(answers, batches()):
            done.append((time.perf_counter(), len(table)))
    # The first answers waited for processes to start; what was read meanwhile came at once.
    counted = done[4 * cores :]
    rows = sum(n for _, n in counted[1:])
    return rows / (counted[-1][0] - counted[0][0])


def _peer(members: Sequence[Member], cutout: Cutout) -> Callable[[], Any] | None:
    """Return the same by the libraries that one would put together, None if one is missing."""
    if find_spec("photutils") is None:
        return None
    from alert_peer import Peer  # noqa: PLC0415  # needs photutils

    return Peer([member.data for member in members], cutout.value).predict


def _use(cores: Sequence[int]) -> None:
    """Keep this process, and those that it starts, on some cores; where that can be said."""
    if cores:
        os.sched_setaffinity(0, cores)


if __name__ == "__main__":
    main()
