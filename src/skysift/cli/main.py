"""The program ``skysift``: find the verb, bind the options of the task, run, exit with a code."""

import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from skysift import __version__
from skysift.cli import build, cutouts, inventory, verbs
from skysift.cli.alerts import alerts_app
from skysift.cli.audit_dataset import audit_dataset, names_a_dataset
from skysift.cli.bind import bind_options
from skysift.cli.bundle_argument import task_of
from skysift.cli.calibrate import calibrate
from skysift.cli.console import fail
from skysift.cli.demo import demo
from skysift.cli.live import live
from skysift.cli.quarantine import quarantine_app
from skysift.cli.retract import retract
from skysift.cli.serve import serve
from skysift.cli.status import status
from skysift.cli.stress import stress
from skysift.cli.update import update
from skysift.cli.watch import watch
from skysift.core.config import Config
from skysift.core.continuation import ContinueOptions
from skysift.core.errors import SkysiftError, UsageError
from skysift.core.extras import missing_extra
from skysift.core.registry import find_options, list_tasks

__all__ = ["build_app", "main"]

_HELP = """Separate signal from background in sky data.

Examples:

  skysift tasks                                             what it can do

  skysift predict gamma-hadron events.h5 --out gammaness.parquet

  skysift evaluate gamma-hadron --data magic                how good it is

  skysift train gamma-hadron --data my.h5 --columns map.toml --out my-bundle

  skysift update my-bundle --data new.h5 --out newer    learn on, without forgetting

  skysift watch incoming --task gamma-sky --to candidates   in real time

  skysift cutouts --catalog stars.csv --images 'night/*.fits' --size 20arcsec --out cutouts.fits

Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted.
"""

_PLAIN: dict[str, Callable[..., None]] = {
    "tasks": inventory.tasks,
    "fetch": inventory.fetch,
    "catalog": cutouts.catalog,
    "cutouts": cutouts.cutouts,
    "build": build.build,
    "report": verbs.report,
    "demo": demo,
    "doctor": inventory.doctor,
    "retract": retract,
    "serve": serve,
    "status": status,
    "live": live,
}

_NAMES_A_BUNDLE = ("calibrate", "stress", "update")
"""Verbs whose argument is a bundle, which knows its task."""

_GOES_ON = ("train", "update")
"""Verbs that can go on from a trained model."""

_OF_A_TASK: dict[str, tuple[Callable[..., None], tuple[str, ...]]] = {
    "explore": (verbs.explore, ("ReadOptions",)),
    "audit": (verbs.audit, ("ReadOptions",)),
    "train": (verbs.train, ("ReadOptions", "TrainOptions")),
    "update": (update, ("ReadOptions",)),
    "calibrate": (calibrate, ("ReadOptions",)),
    "stress": (stress, ("ReadOptions",)),
    "simulate": (verbs.simulate, ("SimulateOptions",)),
    "evaluate": (verbs.evaluate, ("ReadOptions", "EvaluateOptions")),
    "predict": (verbs.predict, ("ReadOptions", "PredictOptions")),
    "compare": (verbs.compare, ("ReadOptions", "CompareOptions")),
    "watch": (watch, ("ReadOptions", "PredictOptions")),
}


_ORDER = (
    "tasks", "demo", "live", "predict", "evaluate", "compare", "train", "update", "calibrate",
    "stress", "explore", "audit", "simulate", "fetch", "data", "catalog", "cutouts", "build",
    "watch", "serve", "status", "alerts", "retract", "quarantine", "report", "doctor",
)  # fmt: skip
"""How the verbs are listed: what one begins with first, what a running service needs last."""


class _Verbs(TyperGroup):
    """The verbs in their order."""

    def list_commands(self, _context: Any) -> list[str]:
        return sorted(self.commands, key=_ORDER.index)


def build_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the program, with the options of the task that the arguments name."""
    app = typer.Typer(
        cls=_Verbs,
        help=_HELP,
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_version)
    for name, verb in _PLAIN.items():
        app.command(name)(verb)
    for name, (verb, kinds) in _OF_A_TASK.items():
        if name == "audit" and names_a_dataset(arguments):
            app.command(name)(audit_dataset)
        else:
            task = _named_task(name, arguments)
            # Where no task is named, the verb says so, whatever options of one are given.
            names_none = task is None and [name] == list(arguments[:1])
            is_lenient = names_none and not "".join(arguments[1:2]).startswith("-")
            settings = {"ignore_unknown_options": is_lenient, "allow_extra_args": is_lenient}
            bound = bind_options(verb, *_options(name, kinds, task))
            app.command(name, context_settings=settings)(bound)
    data = typer.Typer(help="The registered data sets.", no_args_is_help=True)
    data.command("list")(inventory.data_list)
    app.add_typer(data, name="data")
    app.add_typer(quarantine_app(), name="quarantine")
    app.add_typer(alerts_app(), name="alerts")
    return app


def main() -> None:
    """Run the program and exit."""
    arguments = sys.argv[1:]
    as_json = "--json" in arguments
    try:
        _check_verb(arguments)
        build_app(arguments)(arguments, standalone_mode=True, prog_name="skysift")
    except SkysiftError as error:
        sys.exit(fail(error, as_json=as_json))
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        sys.exit(fail(missing, as_json=as_json))
    except KeyboardInterrupt:
        sys.stderr.write("skysift: interrupted\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _check_verb(arguments: Sequence[str]) -> None:
    """Raise UsageError if the name of a task stands where a verb should."""
    if arguments and arguments[0] in {item.name for item in list_tasks()}:
        task = arguments[0]
        raise UsageError(
            f"'{task}' is a task; a verb goes before it.",
            f"For example: skysift predict {shlex.join([task, *arguments[1:]])}",
        )


def _print_version(asked: bool) -> None:  # noqa: FBT001 typer calls it so
    if asked:
        sys.stdout.write(f"skysift {__version__}\n")
        raise typer.Exit


def _version(
    *,
    version: bool = typer.Option(
        False,
        "--version",
        help="Print the version and exit.",
        is_eager=True,  # before anybody asks for a verb
        callback=_print_version,
    ),
) -> None:
    """Hold the options that go before a verb."""


def _named_task(verb: str, arguments: Sequence[str]) -> str | None:
    """Return the task that the arguments name, if they call the verb and name one."""
    if not arguments or arguments[0] != verb:
        return None
    known = {item.name for item in list_tasks()}
    words = (
        [task_of(word) or word for word in arguments[1:]]
        if verb in _NAMES_A_BUNDLE
        else arguments[1:]
    )
    return next((word for word in words if word in known), None)


def _options(verb: str, kinds: Sequence[str], task: str | None) -> list[type[Config]]:
    """Return the option classes of a task, none if there is none."""
    if task is None:
        return []
    own = [options for kind in kinds if (options := find_options(task, kind)) is not None]
    return [*own, ContinueOptions] if verb in _GOES_ON else own
