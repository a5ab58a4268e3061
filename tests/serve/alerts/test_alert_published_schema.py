"""Our check of notices against the schemas that GCN publishes, which its licence keeps out of here.

``npm pack @nasa-gcn/schema@7.2.3``, unpacked, and ``SKYSIFT_GCN_SCHEMA=FOLDER`` make it run.
"""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from skysift.core.config import build_config
from skysift.core.errors import ConfigError
from skysift.serve.alerts.content import Content
from skysift.serve.alerts.formats import render
from skysift.serve.alerts.notice import Notice
from skysift.serve.alerts.options import AlertOptions
from skysift.serve.alerts.rows import Row

OPTIONS = AlertOptions(mission="An Array", instrument="Telescopes", authority="org.example.array")
CORE = (*("Alert", "Event", "Reporter", "DateTime"), *("Localization", "Statistics"))
OURS = ("$schema", "significance", "significance_post_trial")


@pytest.fixture(scope="module")
def published():
    """The parts of the published schema that a mission of our kind is made of, and nothing else."""
    folder = os.environ.get("SKYSIFT_GCN_SCHEMA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("the schemas of GCN are not here: SKYSIFT_GCN_SCHEMA does not name a folder")
    parts = [json.loads(path.read_text()) for path in Path(folder).rglob("*.schema.json")]
    registry = Registry().with_resources(
        [(part["$id"], Resource.from_contents(part)) for part in parts]
    )
    core = OPTIONS.schema_url.removesuffix("Alert.schema.json")
    assert f"{core}Alert.schema.json" in registry, "another version is there"
    mission = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [{"$ref": f"{core}{name}.schema.json"} for name in (*CORE, "AdditionalInfo")],
        "properties": dict.fromkeys(OURS, True),
        "unevaluatedProperties": False,
    }
    return Draft202012Validator(mission, registry=registry)


def notice(kind="initial", revision=1, **row):
    known = {"source": "s", "ra": 1.0, "dec": 2.0, "major": 0.2, "minor": 0.1, "angle": 3.0}
    found = Row("r", "a", "b", **(known | {"far": 1e-9, "arrived": 1.8e9} | row))
    content = Content("20270115-aa", revision, kind, "test", found, 1.8e9, "a satellite")
    return json.loads(render(content, OPTIONS).json)


@pytest.mark.parametrize(("kind", "revision"), [("initial", 1), ("update", 2), ("retraction", 3)])
def test_what_we_issue_is_valid_by_the_published_schema(published, kind, revision):
    published.validate(notice(kind, revision))
    published.validate(notice(kind, revision, major=None, minor=None, source=None))


@settings(max_examples=300)
@given(data=st.data())
def test_what_our_check_lets_through_the_published_schema_does(published, data):
    changed = notice()
    name = data.draw(st.sampled_from([*changed, "properties", "healpix_url", "trigger_type"]))
    values = [None, "", "text", 0, 2, -1.0, True, [], [1.0, 0.5], ["a"], {}, "2027-01-15T08:00:00Z"]
    changed[name] = data.draw(st.sampled_from(values))
    try:
        checked = build_config(Notice, changed)
    except ConfigError:
        return
    published.validate(checked.model_dump(mode="json", by_alias=True, exclude_none=True))


def test_the_published_schema_would_refuse(published):
    assert not published.is_valid(notice() | {"far": "often"})
    assert not published.is_valid(notice() | {"alert_tense": "mock"})
    assert not published.is_valid(notice() | {"probability": 0.5})
