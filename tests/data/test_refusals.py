"""Each code by which a file or an image is refused is told in words, wherever it is made."""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

import skysift.data.images
import skysift.data.images.members
import skysift.data.solar
from skysift.core.registry import load_task
from skysift.data.images import flags as stamp_flags
from skysift.data.solar import flags as solar_flags

PLACE = {"StampError": 0, "SolarReadError": 0, "Rejected": 2}  # of the code among the arguments
MEMBERS = Path(skysift.data.images.members.__file__)


def sources(package) -> list[Path]:
    """Return the modules of a package."""
    return list(Path(package.__file__).parent.glob("*.py"))


def codes(paths: Iterable[Path]) -> set[str]:
    """Return the codes in the source of modules."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = PLACE.get(node.func.id, len(node.args))
                found |= {
                    argument.value
                    for argument in node.args[place : place + 1]
                    if isinstance(argument, ast.Constant)
                }
    return found


@pytest.mark.parametrize(
    ("paths", "messages"),
    [
        (sources(skysift.data.images), stamp_flags.REFUSAL_MESSAGES),
        ([*sources(skysift.data.solar), MEMBERS], solar_flags.REFUSAL_MESSAGES),
    ],
    ids=["cutouts", "the Sun"],
)
def test_each_code_has_words_and_no_words_are_left_over(paths, messages) -> None:
    assert codes(paths) == set(messages)


@pytest.mark.parametrize(
    ("task", "messages"),
    [
        ("star-galaxy", stamp_flags.REFUSAL_MESSAGES),
        ("streak", stamp_flags.REFUSAL_MESSAGES),
        ("active-region", solar_flags.REFUSAL_MESSAGES),
        ("flare", solar_flags.REFUSAL_MESSAGES),
    ],
)
def test_tasks_tell_them(task, messages) -> None:
    words = load_task(task).flag_words
    assert {code: words.get(code) for code in messages} == dict(messages)
