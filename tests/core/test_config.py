"""A configuration is closed: what it does not know is named, with the nearest that it does."""

from collections.abc import Mapping
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError, field_validator

from skysift.core.config import Config, build_config, load_config, parse_assignments
from skysift.core.errors import ConfigError, UsageError


class Kernel(Config):
    width: float = Field(0.1, gt=0)
    shape: Literal["gauss", "tophat"] = "gauss"


class Job(Config):
    seed: int = 0
    kernel: Kernel = Kernel()
    spare: Kernel | None = None
    names: tuple[str, ...] = ()

    @field_validator("names")
    @classmethod
    def _no_blank(cls, names):
        if "" in names:
            raise ValueError("A name is blank.")
        return names


def test_defaults_hold_without_a_file():
    assert load_config(Job) == Job(seed=0, kernel=Kernel(width=0.1))


def test_a_file_is_read_and_then_overridden(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text('seed = 4\nnames = ["a", "b"]\n[kernel]\nwidth = 0.5\n')
    job = load_config(Job, path, {"kernel.shape": "tophat", "seed": 5})
    assert job == Job(seed=5, names=("a", "b"), kernel=Kernel(width=0.5, shape="tophat"))


@pytest.mark.parametrize(
    ("values", "key", "nearest"),
    [
        ({"sede": 1}, "sede", "seed"),
        ({"kernel": {"widht": 1}}, "kernel.widht", "width"),
        ({"spare": {"Shape_": "gauss"}}, "spare.Shape_", "shape"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(values, key, nearest):
    with pytest.raises(ConfigError) as caught:
        build_config(Job, values)
    assert caught.value.problem == f"Unknown key '{key}'."
    assert caught.value.remedy.startswith(f"Did you mean '{nearest}'?")


class Gauss(Config):
    kind: Literal["gauss"] = "gauss"
    width: float = 0.1


class Disk(Config):
    kind: Literal["disk"] = "disk"
    radius: float = 1.0
    edge: Kernel = Kernel()


class Nested(Config):
    by_name: dict[str, Kernel] = Field(default_factory=dict)
    in_order: tuple[Kernel, ...] = ()
    either: Gauss | Disk = Gauss()
    tagged: Annotated[Gauss | Disk, Field(discriminator="kind")] = Gauss()
    several: Mapping[str, tuple[Gauss | Disk, ...]] | None = None
    must: int


@pytest.mark.parametrize(
    ("values", "key", "nearest"),
    [
        ({"by_name": {"first": {"widht": 1}}}, "by_name.first.widht", "width"),
        ({"in_order": [{}, {"shap": "gauss"}]}, "in_order.1.shap", "shape"),
        ({"either": {"radus": 1}}, "either.radus", "radius"),
        ({"either": {"radius": 1, "widht": 1}}, "either.widht", "width"),
        ({"either": {"edge": {"widht": 1}}}, "either.edge.widht", "width"),
        ({"tagged": {"kind": "disk", "radus": 1}}, "tagged.radus", "radius"),
        ({"several": {"a": [{"kind": "disk", "raduis": 1}]}}, "several.a.0.raduis", "radius"),
    ],
)
def test_an_unknown_key_is_found_in_tables_lists_and_unions(values, key, nearest):
    with pytest.raises(ConfigError) as caught:
        build_config(Nested, {"must": 1, **values})
    assert caught.value.problem == f"Unknown key '{key}'."
    assert caught.value.remedy.startswith(f"Did you mean '{nearest}'?")


def test_a_mistyped_key_is_told_before_the_one_that_is_missing_for_it():
    with pytest.raises(ConfigError, match=r"Unknown key 'mist'\. Did you mean 'must'\?"):
        build_config(Nested, {"mist": 1})
    with pytest.raises(ConfigError, match="'must': Field required"):
        build_config(Nested, {})


def test_a_wrong_value_is_located_as_the_user_wrote_it():
    with pytest.raises(ConfigError, match=r"'tagged\.width': .*valid number"):
        build_config(Nested, {"must": 1, "tagged": {"kind": "gauss", "width": "x"}})
    with pytest.raises(ConfigError, match=r"'by_name\.a\.width': .*greater than 0"):
        build_config(Nested, {"must": 1, "by_name": {"a": {"width": -1}}})


def test_an_unknown_key_that_is_like_none_lists_all():
    with pytest.raises(ConfigError, match=r"'banana'\. Known: kernel, names, seed, spare\.$"):
        build_config(Job, {"banana": 1})


def test_a_value_out_of_range_is_named_with_what_was_given():
    with pytest.raises(ConfigError, match=r"'kernel\.width': .*greater than 0.*got -1"):
        build_config(Job, {"kernel": {"width": -1}})


def test_a_mistyped_choice_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'tophat'") as caught:
        build_config(Job, {"kernel": {"shape": "top-hat"}})
    assert "'gauss' or 'tophat'" in caught.value.problem


def test_the_words_of_our_own_validators_are_passed_on_as_they_are():
    with pytest.raises(ConfigError) as caught:
        build_config(Job, {"names": ["a", ""]})
    assert caught.value.problem.startswith("'names': A name is blank.")


@pytest.mark.parametrize("text", ["seed = ", "= 3", "[kernel\nwidth = 1"])
def test_broken_toml_names_the_file(tmp_path, text):
    path = tmp_path / "job.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="Not valid TOML") as caught:
        load_config(Job, path)
    assert caught.value.path == path
    assert caught.value.exit_code == 2


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "job.toml"
    path.write_bytes(b"seed = \xff\xfe")
    with pytest.raises(ConfigError, match="Not valid TOML"):
        load_config(Job, path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="Cannot read the configuration") as caught:
        load_config(Job, tmp_path / "none.toml")
    assert caught.value.path == tmp_path / "none.toml"
    assert caught.value.remedy == "Check the path."


def test_an_error_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text("sead = 1\n")
    with pytest.raises(ConfigError) as caught:
        load_config(Job, path)
    assert str(caught.value).startswith(f"{path}: Unknown key 'sead'. Did you mean 'seed'?")


def test_an_assignment_cannot_reach_into_a_plain_value(tmp_path):
    path = tmp_path / "job.toml"
    path.write_text("seed = 1\n")
    with pytest.raises(ConfigError, match="reaches into 'seed'") as caught:
        load_config(Job, path, {"seed.deep": 2})
    assert caught.value.remedy


@pytest.mark.parametrize("pair", ["seed", "=3", " = 3", ""])
def test_an_assignment_without_key_or_value_is_refused(pair):
    with pytest.raises(UsageError, match="not of the form key=value"):
        parse_assignments([pair])


def test_assignments_are_toml_where_they_can_be_and_text_otherwise():
    pairs = ["a=1", "b = 2.5", "c=[1, 2]", "d=true", 'e="x = y"', "f=random-forest", "g=x=y", "h="]
    assert parse_assignments(pairs) == {
        "a": 1,
        "b": 2.5,
        "c": [1, 2],
        "d": True,
        "e": "x = y",
        "f": "random-forest",
        "g": "x=y",
        "h": "",
    }


def test_an_assignment_holds_one_value_only():
    assert parse_assignments(["a=1\nb = 2"]) == {"a": "1\nb = 2"}


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1), st.floats(allow_nan=False))
def test_numbers_survive_an_assignment(whole, real):
    parsed = parse_assignments([f"whole={whole}", f"real={real!r}"])
    assert parsed["whole"] == whole
    assert parsed["real"] == real


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Job().seed = 3
