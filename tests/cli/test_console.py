"""What is printed is what was meant: no text is taken for markup."""

from skysift.cli.console import Console
from skysift.cli.job import finish
from skysift.core.jobs import Run


def test_brackets_in_names_and_cells_are_printed(capsys):
    Console(as_json=False).table([{"time [s]": 1.0, "[bold]x": "[red]y"}])
    printed = capsys.readouterr().out
    assert "time [s]" in printed
    assert "[bold]x" in printed
    assert "[red]y" in printed


def test_a_value_and_its_bounds_share_a_column(capsys):
    rows = [
        {"model": "GP", "auc": 0.99, "auc_low": 0.985, "auc_high": 0.995, "lost_low": 1},
        {"model": "cut", "auc": None, "auc_low": None, "auc_high": None, "lost_low": 2},
        {"model": "guess", "auc": 0.5, "auc_low": None, "auc_high": None, "lost_low": 3},
    ]
    Console(as_json=False).table(rows)
    header, _rule, first, second, third = capsys.readouterr().out.strip().splitlines()
    assert header.split() == ["model", "auc", "lost_low"]
    assert first.split() == ["GP", "0.9900", "[0.9850,", "0.9950]", "1"]
    assert second.split() == ["cut", "2"]
    assert third.split() == ["guess", "0.5000", "3"]


def test_small_numbers_do_not_become_zero(capsys):
    Console(as_json=False).table([{"far": 1.5e-9, "p": 0.0, "auc": 0.5}])
    assert capsys.readouterr().out.split()[-3:] == ["1.5e-09", "0.0000", "0.5000"]


def test_a_run_that_found_nothing_says_so(capsys):
    finish(Console(as_json=False), Run("Audit of clean: 5 events", ()))
    assert capsys.readouterr().out == "Audit of clean: 5 events: nothing was found.\n"
