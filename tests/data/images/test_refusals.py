"""Each code by which a file or a stamp is refused is told in words, wherever it is made."""

import ast
from pathlib import Path

import pytest

import skysift.data.images
from skysift.core.registry import load_task
from skysift.data.images.flags import REFUSAL_MESSAGES

PLACE = {"StampError": 0, "Rejected": 2}  # of the code among the arguments


def codes() -> set[str]:
    """Return the codes in the source of all readers of cutouts."""
    found = set()
    for path in Path(skysift.data.images.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = PLACE.get(node.func.id, len(node.args))
                found |= {
                    argument.value
                    for argument in node.args[place : place + 1]
                    if isinstance(argument, ast.Constant)
                }
    return found


def test_each_code_has_words_and_no_words_are_left_over() -> None:
    assert codes() == set(REFUSAL_MESSAGES)


@pytest.mark.parametrize("task", ["star-galaxy", "streak"])
def test_tasks_of_stamps_tell_them(task) -> None:
    assert set(REFUSAL_MESSAGES) <= set(load_task(task).flag_words)
