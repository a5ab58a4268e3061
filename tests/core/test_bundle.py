"""A bundle is whole and as it was written, or it is refused."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

import skysift.core.bundle as module
from skysift.core.bundle import Bundle, render_card, write_bundle
from skysift.core.bundle_schema import BundleSpec
from skysift.core.errors import BundleError, OutputError
from skysift.core.results import Metric

MODEL = b"not really a model"


def bundle_spec(**changes):
    values = {
        "name": "test-bundle",
        "task": "gamma-hadron",
        "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "summary": "Separates photons from hadrons.",
        "model": {"format": "skops", "file": "model.skops", "family": "random forest"},
        "features": ["length", "width"],
        "inputs": [{"name": "length", "unit": "mm", "low": 1.0, "high": 300.0}],
        "prior": 0.65,
        "operating_points": [
            {
                "name": "acceptance-0.01",
                "threshold": 0.9,
                "acceptance": 0.01,
                "efficiency": 0.4,
                "chosen_on": "out of fold",
                "method": "quantile",
                "low": 0.38,
                "high": 0.42,
            }
        ],
        "metrics": [Metric("auc", 0.93, 0.92, 0.94, n=1000, split="test", method="DeLong")],
        "training": {
            "data": "magic",
            "sha256": "0" * 64,
            "n_rows": 19020,
            "split": "5-fold",
            "seed": 3,
            "command": "skysift train gamma-hadron",
        },
        "reference": {"score": {"levels": [0.1, 0.5, 0.9], "values": [0.0, 0.5, 1.0]}},
        "packages": {"numpy": "2.0"},
        "data_licence": {"licence": "CC BY 4.0", "citation": "Bock et al. 2004"},
    }
    return BundleSpec.model_validate({**values, **changes})


@pytest.fixture
def folder(tmp_path):
    target = tmp_path / "bundle"
    write_bundle(target, bundle_spec(), {"model.skops": MODEL}, "# Card\n")
    return target


def rewrite(folder: Path, change):
    """Change bundle.json as somebody with an editor would."""
    path = folder / "bundle.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_what_was_written_is_read(folder):
    bundle = Bundle.load(folder, task="gamma-hadron")
    assert bundle.read_bytes("model.skops") == MODEL
    assert bundle.card == "# Card\n"
    assert bundle.path("model.skops") == folder / "model.skops"
    stored = bundle.manifest.model_dump(exclude={"files", "schema_version"})
    assert stored == bundle_spec().model_dump()
    assert bundle.manifest.operating_point("acceptance-0.01").threshold == 0.9
    assert sorted(path.name for path in folder.parent.iterdir()) == ["bundle"]


def test_members_may_come_from_files(tmp_path):
    source = tmp_path / "fitted.bin"
    source.write_bytes(MODEL)
    bundle = write_bundle(tmp_path / "b", bundle_spec(), {"model.skops": source}, "")
    assert bundle.read_bytes("model.skops") == MODEL


def test_the_hash_depends_on_content_alone(folder, tmp_path):
    first = Bundle.load(folder)
    again = write_bundle(tmp_path / "again", bundle_spec(), {"model.skops": MODEL}, "# Card\n")
    assert first.hash == again.hash == Bundle.load(tmp_path / "again").hash
    rewrite(folder, lambda _values: None)  # other white space
    assert Bundle.load(folder).hash == first.hash
    for number, (spec, model, card) in enumerate(
        [
            (bundle_spec(prior=0.5), MODEL, "# Card\n"),
            (bundle_spec(), MODEL + b"!", "# Card\n"),
            (bundle_spec(), MODEL, "# Another card\n"),
        ]
    ):
        other = write_bundle(tmp_path / f"other{number}", spec, {"model.skops": model}, card)
        assert other.hash != first.hash


@pytest.mark.parametrize("name", ["model.skops", "card.md"])
def test_one_changed_byte_is_refused(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[3] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match="SHA-256") as caught:
        Bundle.load(folder)
    assert caught.value.path == folder / name
    assert caught.value.remedy


def test_a_file_that_changes_after_loading_is_refused(folder):
    bundle = Bundle.load(folder)
    (folder / "model.skops").write_bytes(MODEL[::-1])
    with pytest.raises(BundleError, match="SHA-256"):
        bundle.read_bytes("model.skops")


def test_another_size_is_refused_before_hashing(folder, monkeypatch):
    (folder / "model.skops").write_bytes(MODEL + b"x")
    monkeypatch.setattr(Bundle, "read_bytes", lambda *_: pytest.fail("read before sizes"))
    with pytest.raises(BundleError, match="19 bytes, not 18"):
        Bundle.load(folder)


def test_missing_renamed_and_unlisted_files_are_refused(folder):
    (folder / "extra.skops").write_bytes(b"")
    with pytest.raises(BundleError, match=r"does not list the file 'extra\.skops'"):
        Bundle.load(folder)
    (folder / "extra.skops").unlink()
    (folder / "subfolder").mkdir()
    with pytest.raises(BundleError, match="does not list the file 'subfolder'"):
        Bundle.load(folder)
    (folder / "subfolder").rmdir()
    (folder / "model.skops").rename(folder.parent / "model.skops")
    with pytest.raises(BundleError, match=r"'model.skops' is missing"):
        Bundle.load(folder)
    (folder / "bundle.json").unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.load(folder)
    with pytest.raises(BundleError, match="no such folder"):
        Bundle.load(folder / "nowhere")


def test_links_and_pipes_are_refused(folder):
    outside = folder.parent / "outside"
    outside.write_bytes(MODEL)
    model = folder / "model.skops"
    model.unlink()
    model.symlink_to(outside)
    bundle = Bundle(folder, module._parse((folder / "bundle.json").read_bytes(), folder))
    with pytest.raises(BundleError, match="no links"):
        bundle.read_bytes("model.skops")
    with pytest.raises(BundleError):
        Bundle.load(folder)
    model.unlink()
    os.mkfifo(model)
    with pytest.raises(BundleError, match="not a regular file"):
        bundle.read_bytes("model.skops")
    (folder / "bundle.json").rename(folder.parent / "bundle.json")
    (folder / "bundle.json").symlink_to(folder.parent / "bundle.json")
    with pytest.raises(BundleError, match="no links"):
        Bundle.load(folder)


@pytest.mark.parametrize(
    "name",
    [
        "../model.skops",
        "/etc/passwd.json",
        "a/b.skops",
        "a\\b.skops",
        "..skops",
        "con.skops",
        "model.pkl",
        "model.joblib",
        "model.pt",
        "bundle.json",
        "modél.skops",
        "a" * 100 + ".skops",
        "model.skops\n",
    ],
)
def test_unsafe_names_are_refused_on_both_sides(folder, tmp_path, name):
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "b", bundle_spec(), {"model.skops": MODEL, name: b""}, "")
    assert not (tmp_path / "b").exists()

    def add(values):
        values["files"][name] = values["files"]["card.md"]

    rewrite(folder, add)
    with pytest.raises(BundleError, match="breaks the schema"):
        Bundle.load(folder)


@pytest.mark.parametrize("version", [0, 2, "1", True, None])
def test_other_schema_versions_are_refused(folder, version):
    rewrite(folder, lambda values: values.update(schema_version=version))
    with pytest.raises(BundleError, match="schema version"):
        Bundle.load(folder)


def test_another_task_is_refused(folder):
    with pytest.raises(BundleError, match="for the task 'gamma-hadron', not for 'flare'"):
        Bundle.load(folder, task="flare")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "Not valid JSON"),
        ("[]", "schema version None"),
        ('{"schema_version": 1, "schema_version": 1}', "occurs twice"),
        ('{"schema_version": NaN}', "NaN is no number"),
        ("[" * 200_000, "Not valid JSON"),
        ('{"threshold": 1' + "0" * 400 + "}", "no number that fits"),
        ('{"threshold": [-1e400]}', "no number that fits"),
        ("\xff\xfe", "Not valid JSON"),
    ],
)
def test_text_that_is_no_description_is_refused(folder, text, problem):
    (folder / "bundle.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError, match=problem):
        Bundle.load(folder)


def test_a_huge_description_is_refused_before_parsing(folder, monkeypatch):
    (folder / "bundle.json").write_bytes(b" " * (module.MAX_MANIFEST_BYTES + 1))
    monkeypatch.setattr(module.json, "loads", lambda *_a, **_k: pytest.fail("parsed"))
    with pytest.raises(BundleError, match="larger than"):
        Bundle.load(folder)


def test_claims_of_huge_or_many_files_are_refused(folder):
    rewrite(folder, lambda values: values["files"]["model.skops"].update(bytes=2**60))
    with pytest.raises(BundleError, match="the limit is"):
        Bundle.load(folder)

    def add_many(values):
        values["files"].update({f"m{i}.skops": values["files"]["card.md"] for i in range(100)})

    rewrite(folder, add_many)
    with pytest.raises(BundleError, match="more than 64 files"):
        Bundle.load(folder)


def test_unknown_keys_are_refused_wherever_they_are(folder):
    for change in (
        lambda values: values.update(extra=1),
        lambda values: values["model"].update(extra=1),
        lambda values: values["metrics"][0].update(extra=1),
    ):
        before = (folder / "bundle.json").read_text()
        rewrite(folder, change)
        with pytest.raises(BundleError, match="extra"):
            Bundle.load(folder)
        (folder / "bundle.json").write_text(before)
    Bundle.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"prior": 1.5},
        {"prior": float("nan")},
        {"positive_class": "galaxy"},
        {"features": ["length", "length"]},
        {"created": "2026-01-02T03:04:05"},
        {"metrics": [{"name": "auc", "value": float("nan")}]},
        {"reference": {"score": {"levels": [0.1, 0.1], "values": [0, 1]}}},
        {"reference": {"score": {"levels": [0.1, 0.2], "values": [1, 0]}}},
        {"reference": {"score": {"levels": [0.1], "values": [1, 2]}}},
        {"name": "../escape"},
    ],
)
def test_a_description_that_cannot_be_true_is_refused(changes):
    with pytest.raises(ValidationError):
        bundle_spec(**changes)


def test_a_bundle_without_its_model_is_not_written(tmp_path):
    with pytest.raises(BundleError, match=r"'model\.skops' is not among the files"):
        write_bundle(tmp_path / "b", bundle_spec(), {"other.skops": MODEL}, "")
    assert list(tmp_path.iterdir()) == []


def test_overwriting_is_asked_for_and_only_of_bundles(folder, tmp_path):
    with pytest.raises(OutputError, match="exists already"):
        write_bundle(folder, bundle_spec(), {"model.skops": b"new"}, "")
    assert Bundle.load(folder).read_bytes("model.skops") == MODEL
    write_bundle(folder, bundle_spec(), {"model.skops": b"new"}, "", overwrite=True)
    assert Bundle.load(folder).read_bytes("model.skops") == b"new"

    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="not replaced"):
        write_bundle(papers, bundle_spec(), {"model.skops": MODEL}, "", overwrite=True)
    assert (papers / "thesis.tex").read_text() == "years of work"


def test_of_many_writers_one_wins_and_the_others_are_told(tmp_path):
    def write(number):
        try:
            write_bundle(
                tmp_path / "b", bundle_spec(), {"model.skops": b"%d" % number}, "", overwrite=False
            )
        except OutputError:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(write, range(16)) if number is not None]
    assert len(winners) == 1
    assert Bundle.load(tmp_path / "b").read_bytes("model.skops") == b"%d" % winners[0]
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_many_overwriters_leave_one_whole_bundle(tmp_path):
    def write(number):
        write_bundle(
            tmp_path / "b", bundle_spec(), {"model.skops": b"%02d" % number}, "", overwrite=True
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(12)))
    assert int(Bundle.load(tmp_path / "b").read_bytes("model.skops")) in range(12)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_an_unknown_member_is_named(folder):
    with pytest.raises(BundleError, match=r"no file 'model.onnx'.*It has: card.md, model.skops"):
        Bundle.load(folder).read_bytes("model.onnx")


def test_the_card_says_what_is_known():
    card = render_card(bundle_spec(), "Not for muons.")
    for part in (
        "# test-bundle",
        "Not for muons.",
        "19,020 rows",
        "0.9300 [0.9200, 0.9400]",
        "| acceptance-0.01 | 0.9 | 0.01 | 0.4 |",
        "CC BY 4.0. Bock et al. 2004",
    ):
        assert part in card
