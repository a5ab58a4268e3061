"""What docs/operations.md and the examples say is what the code does."""

import ast
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import skysift
from skysift.core.config import build_config
from skysift.serve.config import WatchConfig
from skysift.serve.drift.options import DriftOptions
from skysift.serve.operations_options import OperationsOptions

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
SOURCE = Path(skysift.__file__).parent
DOCUMENT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def section(title):
    return DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def documented(title):
    """Names in the first column of the table of a section, with the rest of their line."""
    found = {}
    for line in section(title).splitlines():
        if line.startswith("| `"):
            first, _, rest = line[2:].partition(" | ")
            found |= dict.fromkeys(re.findall("`([^`]+)`", first), rest)
    return found


def texts(node):
    """Texts that an expression may stand for: a constant, or one of two."""
    if isinstance(node, ast.Constant):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return texts(node.body) | texts(node.orelse)
    return {ast.unparse(node)}


def logged():
    """Events that the code logs, with their levels and the fields that it names."""
    events = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if called and node.func.id == "log" and len(node.args) == 2:
                level = ast.unparse(node.args[0]).rpartition(".")[2].lower()
                fields = {keyword.arg for keyword in node.keywords if keyword.arg}
                for event in texts(node.args[1]):
                    known = events.setdefault(event, (set(), set()))
                    known[0].add(level)
                    known[1].update(fields)
    return events


def test_every_event_is_documented_with_its_level_and_fields_and_none_that_is_not_there():
    known, table = logged(), documented("The log")
    assert known.keys() == table.keys()
    for event, (levels, fields) in known.items():
        level, _, rest = table[event].partition(" | ")
        assert {level.strip()} == levels, event
        missing = {field for field in fields if f"`{field}`" not in rest}
        assert not missing, (event, missing)


def test_every_metric_is_documented_and_none_that_is_not_there():
    names = set()
    for path in (SOURCE / "serve").rglob("*.py"):
        names |= set(re.findall(r'"(skysift_[a-z_]+)"', path.read_text(encoding="utf-8")))
    names -= {"skysift_record", "skysift_input", "skysift_bundle", "skysift_fields"}  # columns
    assert names == documented("Metrics").keys()


def test_every_check_of_health_is_documented():
    source = (SOURCE / "serve" / "health.py").read_text(encoding="utf-8")
    names = set(re.findall(r'Check\("([a-z]+)"', source))
    assert names == documented("Health").keys()


def test_the_documented_options_are_all_there_are():
    blocks = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)]
    given = {key: value for block in blocks for key, value in block.items()}
    assert given["operations"].keys() == OperationsOptions.model_fields.keys()
    assert given["drift"].keys() == DriftOptions.model_fields.keys()
    assert build_config(OperationsOptions, given["operations"]).address is None
    default = DriftOptions()
    for key in ("rows", "hours", "least", "labels_on", "label", "score", "watch"):
        assert given["drift"][key] == getattr(default, key)


def test_the_example_configuration_is_valid_and_on_loopback():
    values = tomllib.loads((EXAMPLES / "watch.toml").read_text(encoding="utf-8"))
    config = build_config(WatchConfig, values)
    assert config.operations.address == ("127.0.0.1", 9464)
    assert config.sink.folder.is_relative_to("/var/lib/skysift")


WATCH, SERVE = "skysift-watch.service", "skysift-serve.service"


def unit(name):
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("name", [WATCH, SERVE])
def test_a_unit_gives_up_what_it_does_not_need(name):
    found = unit(name)
    assert found["DynamicUser"] == found["NoNewPrivileges"] == found["ProtectHome"] == "yes"
    assert found["ProtectSystem"] == "strict"
    assert found["CapabilityBoundingSet"] == ""
    assert found["Restart"] == "on-failure"
    assert found["RestartPreventExitStatus"] == "2"
    assert "MemoryMax" in found
    assert "HOME=/tmp" in found["Environment"].split()  # its user has none


def test_the_unit_waits_as_long_as_the_service_may_take():
    found = unit(WATCH)
    assert found["Type"] == "notify"
    assert float(found["WatchdogSec"]) > OperationsOptions().stall
    config = build_config(
        WatchConfig, tomllib.loads((EXAMPLES / "watch.toml").read_text(encoding="utf-8"))
    )
    assert float(found["TimeoutStartSec"]) > config.engine.start_seconds


def test_the_page_has_the_folder_and_the_user_of_the_service():
    watch, serve = unit(WATCH), unit(SERVE)
    for key in ("User", "StateDirectory", "StateDirectoryMode", "UMask"):
        assert serve[key] == watch[key]
    values = tomllib.loads((EXAMPLES / "watch.toml").read_text(encoding="utf-8"))
    assert f" serve {values['sink']['folder']} " in serve["ExecStart"]
    name, _, path = serve["LoadCredential"].partition(":")
    assert path.startswith("/etc/skysift/")
    assert serve["ExecStart"].endswith(f"--token-file ${{CREDENTIALS_DIRECTORY}}/{name}")
    assert "--host" not in serve["ExecStart"]  # loopback, unless somebody says otherwise


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
@pytest.mark.parametrize("name", [WATCH, SERVE])
def test_systemd_understands_the_unit_and_finds_little_exposed(name, tmp_path):
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    copy = tmp_path / name
    copy.write_text(re.sub("^ExecStart=.*", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    scored = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    if scored.returncode == 0:  # older ones know no --offline
        score = re.search(r"exposure level for .*: ([0-9.]+)", scored.stdout)
        assert float(score[1]) < 2.5


def test_the_container_runs_as_an_ordinary_user_of_a_pinned_base():
    text = (EXAMPLES / "Containerfile").read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert bases
    assert all(re.search(r":\d+\.\d+\.\d+-", base) for base in bases)
    assert int(re.search(r"^USER (\d+)", text, re.MULTILINE)[1]) > 0
    assert "STOPSIGNAL SIGTERM" in text
    assert "/livez" in text
    stages = text.split("\nFROM ")
    assert "COPY ." not in stages[-1]  # neither sources nor compilers in what runs
    values = tomllib.loads((EXAMPLES / "watch.toml").read_text(encoding="utf-8"))
    mounted = dict(re.findall(r" -v (/[\w/.-]+):(/[\w/.-]+)", text))
    folder = values["source"]["folder"]
    assert mounted[folder] == folder  # what is watched is where watch.toml says
    assert values["sink"]["folder"].startswith(re.search(r"^VOLUME (\S+)", text, re.MULTILINE)[1])
    assert "HEALTHCHECK" not in text or "--format docker" in text  # podman would pass it over
    assert "0.0.0.0" not in re.sub("^#.*$", "", text, flags=re.MULTILINE)  # noqa: S104  # the point
