"""Alert packets to probabilities, end to end: Avro bytes, stamp, shapes, default model.

python benchmarks/star_galaxy_alerts.py packets.avro --out runs/bench/star_galaxy_alerts.json

The packets are Avro containers, or a tar archive of them, of the user. Their bytes are held in
memory and read as often as it takes to fill a batch, so that no disk is timed.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from measure import in_own_process, seconds_per_call, spread
from skysift.core.files import write_atomic
from skysift.core.provenance import Provenance
from skysift.core.registry import bundle_folder
from skysift.data.images.members import Member, iter_members
from skysift.data.images.readers import stamps_of_member
from skysift.data.images.stamp import Stamp, assemble
from skysift.tasks.star_galaxy.model import load_bundle
from skysift.tasks.star_galaxy.options import PredictOptions
from skysift.tasks.star_galaxy.prediction import predict_images

STAMPS = 1024
REPEATS = 5


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("packets", type=Path, help="Avro alerts, or a tar archive of them")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    provenance = Provenance.start(command="benchmarks/star_galaxy_alerts.py")
    facts = in_own_process(measure, arguments.packets, threads=arguments.threads)
    console = Console()
    for name, rate in facts["stamps_per_second"].items():
        console.print(
            f"{name}: {rate['median']:,.0f} stamps/s "
            f"({rate['slowest']:,.0f} to {rate['fastest']:,.0f})"
        )
    if arguments.out is not None:
        record = {"machine": provenance.finish().to_dict(), **facts}
        write_atomic(arguments.out, json.dumps(record, indent=1) + "\n")


def measure(packets: Path) -> dict[str, Any]:
    """Return stamps per second of reading, of predicting and of both."""
    members = [item for item in iter_members(packets) if isinstance(item, Member)]
    if not members:
        raise SystemExit(f"{packets} holds no alert.")
    members = [members[number % len(members)] for number in range(STAMPS)]
    model = load_bundle(bundle_folder("star-galaxy"))

    def read() -> list[Stamp]:
        found = (stamp for member in members for stamp in stamps_of_member(member))
        return [stamp for stamp in found if isinstance(stamp, Stamp)]

    stamps = read()

    def predict() -> None:
        predict_images(assemble(stamps), model, PredictOptions())

    def both() -> None:
        predict_images(assemble(read()), model, PredictOptions())

    jobs = {"read": read, "predict": predict, "end to end": both}
    return {
        "stamps": len(stamps),
        "stamps_per_second": {
            name: spread(seconds_per_call(job, REPEATS), len(stamps)) for name, job in jobs.items()
        },
    }


if __name__ == "__main__":
    main()
