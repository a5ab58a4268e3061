"""Notices, packets and regions, as the tools of others read them."""

import json
import warnings

import numpy as np
import pytest
import voeventparse
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from regions import Regions

from skysift.core.config import build_config
from skysift.core.errors import ConfigError, OutputError
from skysift.serve.alerts.content import Content, ivorn
from skysift.serve.alerts.formats import render
from skysift.serve.alerts.notice import Notice
from skysift.serve.alerts.options import AlertOptions
from skysift.serve.alerts.rows import Row
from skysift.serve.alerts.voevent import ET
from skysift.serve.alerts.voevent_structure import require_voevent

LIVE = AlertOptions(
    tense="live",
    authority="org.example.array",
    name="gamma",
    mission="An Array",
    instrument="Telescopes <1 & 2>",
    contact="A. Observer",
)


@pytest.fixture
def content(row, window):
    found = row() | {"skysift_record": "5e" * 32, "skysift_bundle": "b" * 64}
    found |= {"skysift_input": "chunk & <1>.fits"}
    return Content("20270115-5e5e", 1, "initial", "live", Row.of(found, window(found)), 1.8e9 + 2.5)


def later(content, kind, revision):
    return Content(
        content.id, revision, kind, content.tense, content.row, content.decided + 60, "a satellite"
    )


def test_the_notice_has_the_fields_of_gcn(content):
    notice = json.loads(render(content, LIVE).json)
    row = content.row
    told = "From chunk & <1>.fits. Model bbbbbbbbbbbbbbbb."
    assert notice == {
        "$schema": "https://gcn.nasa.gov/schema/v7.2.3/gcn/notices/core/Alert.schema.json",
        "id": ["20270115-5e5e"],
        "event_name": ["J053424+220052-1"],
        "alert_datetime": "2027-01-15T08:00:02.500Z",
        "alert_tense": "current",
        "alert_type": "initial",
        "mission": "An Array",
        "instrument": "Telescopes <1 & 2>",
        "messenger": "EM",
        "record_number": 1,
        "trigger_time": "2027-01-15T07:58:19.000Z",
        "observation_start": "2027-01-15T07:58:19.000Z",
        "observation_stop": "2027-01-15T07:59:59.000Z",
        "observation_livetime": pytest.approx(98.0),
        "ra": 83.63,
        "dec": 22.01,
        "ra_dec_error": [row.major, row.minor, 30.0],
        "containment_probability": 0.68,
        "systematic_included": True,
        "far": 1e-9,
        "image_snr": 9.0,
        "image_duration": 100.0,
        "additional_info": told,
        "significance": 9.0,
        "significance_post_trial": 8.5,
    }


@pytest.mark.parametrize(
    ("tense", "gcn", "role"),
    [
        ("live", "current", "observation"),
        ("test", "test", "test"),
        ("injection", "injection", "test"),
    ],
)
def test_the_tense_is_in_every_format(content, tense, gcn, role):
    found = Content(content.id, 1, "initial", tense, content.row, content.decided)
    documents = render(found, LIVE)
    assert json.loads(documents.json)["alert_tense"] == gcn
    assert etree.fromstring(documents.xml).get("role") == role
    assert f"({tense})".encode() in documents.reg


NO_NOTICES = [
    {"alert_tense": "mock"},
    {"alert_type": "final"},
    {"far": float("nan")},
    {"far": -1.0},
    {"ra": 361.0},
    {"dec": None},
    {"ra_dec_error": (0.1, 0.2, 0.0)},
    {"containment_probability": 1.1},
    {"containment_probability": None},
    {"trigger_time": "2027-01-15T08:00:00"},
    {"trigger_time": "yesterdayZ"},
    {"observation_stop": "2027-01-15T07:00:00.000Z"},
    {"record_number": 0},
    {"record_number": 2},
    {"messenger": "photon"},
    {"probability": 0.5},
    {"$schema": "file:///etc/passwd"},
]


@pytest.mark.parametrize("change", NO_NOTICES, ids=lambda change: str(next(iter(change))))
def test_what_is_no_notice_is_refused(content, change):
    notice = json.loads(render(content, LIVE).json)
    build_config(Notice, notice)
    with pytest.raises(ConfigError):
        build_config(Notice, notice | change)


def test_the_packet_is_valid_by_the_schema_of_the_ivoa(content):
    for found in (content, later(content, "update", 2), later(content, "retraction", 3)):
        packet = voeventparse.loads(render(found, LIVE).xml)
        assert voeventparse.valid_as_v2_0(packet)
    place = voeventparse.get_event_position(packet)
    assert (place.ra, place.dec, place.err) == (83.63, 22.01, 0.02)
    moment = voeventparse.get_event_time_as_utc(packet)
    assert moment.isoformat() == "2027-01-15T07:58:19+00:00"
    params = voeventparse.get_toplevel_params(packet)
    assert float(params["far"]["value"]) == 1e-9
    assert params["instrument"]["value"] == "Telescopes <1 & 2>"


def test_later_packets_cite_the_one_before(content):
    first = etree.fromstring(render(content, LIVE).xml)
    assert first.find("Citations") is None
    update = etree.fromstring(render(later(content, "update", 2), LIVE).xml)
    retraction = etree.fromstring(render(later(content, "retraction", 3), LIVE).xml)
    cited = update.find("Citations/EventIVORN")
    assert (cited.text, cited.get("cite")) == (first.get("ivorn"), "supersedes")
    cited = retraction.find("Citations/EventIVORN")
    assert (cited.text, cited.get("cite")) == (update.get("ivorn"), "retraction")
    assert retraction.find("Why/Description").text == "Retracted: a satellite"


def test_an_alert_of_a_rule_without_an_ellipse_is_valid_too():
    row = Row("r", "a.avro", "b", ra=10.0, dec=-5.0, score=0.999, flags=(), arrived=1.8e9)
    options = AlertOptions(rule={"column": "p_streak", "above": 0.9})
    documents = render(Content("20270115-aa", 1, "initial", "test", row, 1.8e9), options)
    assert voeventparse.valid_as_v2_0(voeventparse.loads(documents.xml))
    assert "ra_dec_error" not in json.loads(documents.json)
    (cross,) = Regions.parse(documents.reg.decode(), format="ds9")
    assert cross.center.separation(SkyCoord(10.0, -5.0, unit="deg")).arcsec < 0.01


def test_the_regions_are_the_ellipses_of_68_and_95_percent(content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inner, outer = Regions.parse(render(content, LIVE).reg.decode(), format="ds9")
    assert inner.width.to_value("deg") == pytest.approx(2 * 0.022, abs=1e-6)
    assert inner.height.to_value("deg") == pytest.approx(2 * 0.018, abs=1e-6)
    assert inner.angle.to_value("deg") == pytest.approx(120.0)  # from the west
    factor = np.sqrt(np.log(0.05) / np.log(0.32))
    assert float(outer.width / inner.width) == pytest.approx(factor, rel=1e-4)


# --- our check of the structure against the schema itself -----------------------------------------


def mutants(tree, data):
    """Change a packet in one place, so that it may still be valid."""
    elements = list(tree.iter())
    chosen = elements[data.draw(st.integers(0, len(elements) - 1))]
    parents = {child: parent for parent in elements for child in parent}
    act = data.draw(st.sampled_from(["drop", "double", "attribute", "text", "rename"]))
    if act == "drop" and chosen in parents:
        parents[chosen].remove(chosen)
    elif act == "double" and chosen in parents:
        parents[chosen].append(chosen)
    elif act == "attribute":
        names = ["role", "version", "ivorn", "id", "cite", "dataType", "unit", "other"]
        chosen.set(
            data.draw(st.sampled_from(names)), data.draw(st.sampled_from(["", "test", "2.0"]))
        )
    elif act == "text":
        chosen.text = data.draw(st.sampled_from(["", "1.5", "words", "2027-01-15T08:00:00"]))
    elif act == "rename" and chosen in parents:
        chosen.tag = data.draw(st.sampled_from(["Param", "Description", "Name1", "C1", "Else"]))


@pytest.fixture(scope="module")
def packet():
    row = Row("r", "a", "b", source="s", ra=1.0, dec=2.0, major=0.2, minor=0.1, angle=3.0, far=0.0)
    return render(Content("20270115-aa", 2, "update", "test", row, 1.8e9), AlertOptions()).xml


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_what_our_check_lets_through_the_schema_does_too(packet, data):
    tree = ET.fromstring(packet)
    mutants(tree, data)
    try:
        require_voevent(tree)
    except OutputError:
        return
    assert voeventparse.valid_as_v2_0(voeventparse.loads(ET.tostring(tree)))


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        (".", {"version": "2.1"}, "'version' of VOEvent may not be '2.1'"),
        (".", {"ivorn": "http://example.org"}, "'ivorn' of VOEvent"),
        (
            "WhereWhen//AstroCoordSystem",
            {"id": "UTC-MARS"},
            "AstroCoordSystem may not be 'UTC-MARS'",
        ),
        ("Citations/EventIVORN", {"cite": "withdraws"}, "may not be 'withdraws'"),
        ("What/Param", {"colour": "red"}, "may not have 'colour'"),
    ],
)
def test_the_check_names_what_is_wrong(packet, path, change, words):
    tree = ET.fromstring(packet)
    tree.find(path).attrib.update(change)
    with pytest.raises(OutputError, match=words):
        require_voevent(tree)


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_any_text_can_be_in_a_packet(text):
    row = Row("r", text, "b", source=text, ra=1.0, dec=2.0, start=61000.0, stop=61000.1)
    xml = render(Content("20270115-aa", 2, "retraction", "test", row, 1.8e9, text), LIVE).xml
    assert voeventparse.valid_as_v2_0(voeventparse.loads(xml))


def test_the_identifier_is_of_stream_alert_and_revision():
    assert ivorn(LIVE, "20270115-aa", 3) == "ivo://org.example.array/gamma#20270115-aa-3"
