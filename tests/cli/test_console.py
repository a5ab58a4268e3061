"""What is printed is what was meant: no text is taken for markup."""

from skysift.cli.console import Console


def test_brackets_in_names_and_cells_are_printed(capsys):
    Console(as_json=False).table([{"time [s]": 1.0, "[bold]x": "[red]y"}])
    printed = capsys.readouterr().out
    assert "time [s]" in printed
    assert "[bold]x" in printed
    assert "[red]y" in printed
