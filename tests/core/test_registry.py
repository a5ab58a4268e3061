"""Tasks are found by their manifests, and loaded only when asked for."""

import importlib
import sys
from pathlib import Path

import pytest

from skysift.core import registry
from skysift.core.config import Config
from skysift.core.errors import ConfigError, MissingExtraError, UnknownNameError
from skysift.core.registry import (
    TaskManifest,
    bundle_folder,
    list_tasks,
    load_options,
    load_task,
    manifest,
    shipped_bundles,
)
from skysift.core.task import Task

MANIFEST = {
    "name": "made-up",
    "summary": "s",
    "inputs": "i",
    "outputs": "o",
    "replaces": "r",
    "entry": "needs_absent:Made",
    "options": "skysift.tasks.gamma_hadron.options",
    "default_bundle": "default",
    "default_data": "magic",
}


@pytest.fixture
def made_up(monkeypatch, tmp_path):
    """A task whose module imports what is not installed."""

    def register(source, **changes):
        (tmp_path / "needs_absent.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "needs_absent", raising=False)
        importlib.invalidate_caches()
        item = TaskManifest(**{**MANIFEST, **changes})
        monkeypatch.setattr(registry, "list_tasks", lambda: (item,))

    yield register
    sys.modules.pop("needs_absent", None)


def test_every_folder_of_a_task_has_a_manifest_and_the_name_of_the_task():
    tasks = Path(registry.__file__).parents[1] / "tasks"
    folders = {path.name for path in tasks.iterdir() if (path / "__init__.py").is_file()}
    assert {item.name.replace("-", "_") for item in list_tasks()} == folders
    assert [item.name for item in list_tasks()] == sorted(item.name for item in list_tasks())


@pytest.mark.parametrize("item", list_tasks(), ids=lambda item: item.name)
def test_a_task_has_the_name_of_its_manifest(item):
    task = load_task(item.name)
    assert isinstance(task, Task)
    assert task.name == item.name


@pytest.mark.parametrize("item", list_tasks(), ids=lambda item: item.name)
@pytest.mark.parametrize("kind", ["ReadOptions", "TrainOptions", "PredictOptions"])
def test_a_task_offers_its_options_and_explains_each(item, kind):
    options = load_options(item.name, kind)
    assert issubclass(options, Config)
    assert all(field.description for field in options.model_fields.values())


def test_a_mistyped_task_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'gamma-hadron'"):
        manifest("gama-hadron")
    with pytest.raises(UnknownNameError, match="Did you mean 'gamma-hadron'"):
        load_task("gamma_hadron")


def test_a_missing_extra_names_the_pip_command(made_up):
    made_up("import absent_package\n", modules={"absent_package": "train"})
    with pytest.raises(MissingExtraError, match=r'pip install "skysift\[train\]"'):
        load_task("made-up")


def test_a_missing_module_that_no_extra_brings_is_not_hidden(made_up):
    made_up("import absent_package\n")
    with pytest.raises(ModuleNotFoundError, match="absent_package"):
        load_task("made-up")


@pytest.mark.parametrize(
    "change", [{"name": "Made Up"}, {"entry": "no_colon"}, {"surprise": 1}, {"summary": 3}]
)
def test_a_wrong_manifest_is_refused_with_its_file(tmp_path, change):
    path = tmp_path / "task.toml"
    lines = [f"{key} = {value!r}" for key, value in {**MANIFEST, **change}.items()]
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError) as caught:
        registry._read(path)
    assert caught.value.path == path


def test_bundles_are_found_by_name_and_the_default_is_the_one_of_the_manifest(
    monkeypatch, tmp_path
):
    for name in ("default", "fast"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(
        registry, "shipped_bundles", lambda _: [tmp_path / "default", tmp_path / "fast"]
    )
    assert bundle_folder("gamma-hadron") == tmp_path / "default"
    assert bundle_folder("gamma-hadron", "fast") == tmp_path / "fast"
    with pytest.raises(UnknownNameError, match=r"bundle .*'fats'.*Did you mean 'fast'"):
        bundle_folder("gamma-hadron", "fats")


@pytest.mark.parametrize("item", list_tasks(), ids=lambda item: item.name)
def test_the_default_bundle_ships_with_the_task(item):
    shipped = shipped_bundles(item.name)
    if not shipped:
        pytest.skip("no bundle ships with this checkout")
    assert item.default_bundle in {folder.name for folder in shipped}
