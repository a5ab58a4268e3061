"""A folder of partitions: what is done is kept, what has changed is computed anew."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from skysift.core.errors import BundleError, InputError, OutputError, UsageError
from skysift.core.provenance import InputRecord
from skysift.scale.run import make_job, predict_partitions
from skysift.scale.summary import Share


def test_partitions_are_the_rows_of_one_process_in_their_order(night, tmp_path):
    out = tmp_path / "out"
    summary = predict_partitions(night.job(out), night.pieces())
    assert night.rows(out).equals(night.in_one_process())
    assert summary.states == {"written": 4}
    assert summary.counts == {"accepted": 240, "repaired": 0, "rejected": 0}
    assert not night.unfinished(out)


def test_each_part_says_what_it_was_made_of(night, tmp_path):
    predict_partitions(night.job(tmp_path / "out"), night.pieces())
    for part, path in zip(night.parts(tmp_path / "out"), night.paths, strict=True):
        record = json.loads(pq.read_schema(part).metadata[b"skysift"])
        assert [one["path"] for one in record["inputs"]] == [str(path)]
        assert record["inputs"][0]["sha256"]
        assert record["bundle"]["hash"] == night.model.bundle.hash
        assert record["stopped"] is None  # it was written as the work went on


def test_the_run_says_by_which_bundle_and_from_when_to_when(night, tmp_path):
    out = tmp_path / "out"
    predict_partitions(night.job(out), night.pieces())
    run = json.loads((out / "_skysift" / "run.json").read_text())["provenance"]
    parts = [json.loads(pq.read_schema(part).metadata[b"skysift"]) for part in night.parts(out)]
    begun = [part["started"] for part in parts]
    assert run["started"] < min(begun)
    assert max(begun) < run["stopped"]
    assert run["bundle"]["hash"] == night.model.bundle.hash


def test_what_is_done_is_kept_and_what_has_changed_is_not(night, tmp_path):
    out = tmp_path / "out"
    predict_partitions(night.job(out), night.pieces())
    before = night.moments(out)
    again = predict_partitions(night.job(out), night.pieces())
    assert again.states == {"kept": 4}
    assert again.counts == {"accepted": 240, "repaired": 0, "rejected": 0}
    assert night.moments(out) == before

    night.write(night.paths[1].name, 70, seed=99)
    changed = predict_partitions(night.job(out), night.pieces())
    assert changed.states == {"kept": 3, "written": 1}
    assert len(set(night.moments(out).items()) & set(before.items())) == 3
    assert night.rows(out).equals(night.in_one_process())


def test_a_restart_reads_each_input_once(night, tmp_path, monkeypatch):
    out = tmp_path / "out"
    job = night.job(out)
    predict_partitions(job, night.pieces())
    read = []
    hashed = InputRecord.of
    monkeypatch.setattr(InputRecord, "of", lambda path: read.append(path) or hashed(path))
    predict_partitions(job, night.pieces())
    assert read == night.paths


def test_a_part_that_was_lost_or_whose_record_was_is_made_again(night, tmp_path):
    out = tmp_path / "out"
    predict_partitions(night.job(out), night.pieces())
    night.parts(out)[0].unlink()
    next((out / "_skysift" / "parts").iterdir()).write_text("{")
    found = predict_partitions(night.job(out), night.pieces())
    assert 1 <= found.states["written"] <= 2
    assert night.rows(out).equals(night.in_one_process())


def test_other_options_and_another_bundle_compute_all_anew(night, tmp_path):
    out = tmp_path / "out"
    predict_partitions(night.job(out), night.pieces())
    assert predict_partitions(night.job(out, prior=0.01), night.pieces()).states == {"written": 4}
    assert night.rows(out).equals(night.in_one_process(prior=0.01))
    job = night.job(out, prior=0.01).model_copy(update={"bundle_hash": "0" * 64})
    with pytest.raises(BundleError, match="has changed"):
        predict_partitions(job, night.pieces())


def test_a_file_more_in_the_middle_or_less_costs_only_itself(night, tmp_path):
    out = tmp_path / "out"
    some = [night.paths[0], *night.paths[2:]]
    predict_partitions(night.job(out), night.pieces(some))
    all_of_them = predict_partitions(night.job(out), night.pieces())
    assert all_of_them.states == {"kept": 3, "written": 1}
    assert night.rows(out).equals(night.in_one_process())
    fewer = predict_partitions(night.job(out), night.pieces(night.paths[2:]))
    assert fewer.states == {"kept": 2}
    assert night.rows(out).equals(night.in_one_process(night.paths[2:]))


def test_a_bad_file_is_put_in_quarantine_with_its_reason_and_the_rest_is_done(night, tmp_path):
    out, bad = tmp_path / "out", night.folder / "bad.parquet"
    bad.write_bytes(b"PAR1 and nothing else")
    pieces = night.pieces([night.paths[0], bad, *night.paths[1:]])
    summary = predict_partitions(night.job(out), pieces)
    assert summary.states == {"written": 4, "empty": 1}
    assert night.rows(out).equals(night.in_one_process())
    (reason,) = night.quarantine(out).values()
    assert "damaged" in reason
    with pytest.raises(InputError, match="1 file could not be used"):
        summary.check()

    assert [one.path for one in predict_partitions(night.job(out), pieces).refused] == [str(bad)]
    shutil.copy(night.paths[0], bad)
    mended = predict_partitions(night.job(out), pieces)
    assert mended.states == {"kept": 4, "written": 1}
    mended.check()


def test_quarantine_is_kept_until_somebody_asks_to_try_again(night, tmp_path, monkeypatch):
    out = tmp_path / "out"
    broken = {night.paths[2]}
    sound = type(night.task).predict_files

    def sometimes(self, paths, *arguments, **named):
        if broken & set(paths):
            raise RuntimeError("the disk was away for a moment")
        return sound(self, paths, *arguments, **named)

    monkeypatch.setattr(type(night.task), "predict_files", sometimes)
    first = predict_partitions(night.job(out), night.pieces())
    assert (
        "for a reason that nobody foresaw: the disk was away for a moment."
        in first.refused[0].reason
    )
    broken.clear()
    assert predict_partitions(night.job(out), night.pieces()).refused == first.refused
    again = predict_partitions(night.job(out), night.pieces(), retry=True)
    assert again.states == {"kept": 3, "written": 1}
    assert not night.quarantine(out)
    assert night.rows(out).equals(night.in_one_process())


def test_small_files_share_a_part_and_the_bad_one_among_them_is_found(night, tmp_path):
    out, bad = tmp_path / "out", night.folder / "bad.parquet"
    bad.write_bytes(b"PAR1 and nothing else")
    pieces = night.pieces([*night.paths[:2], bad, *night.paths[2:]])
    summary = predict_partitions(night.job(out), pieces, together=3)
    assert len(night.parts(out)) == 2
    assert list(night.quarantine(out)) == ["bad.parquet"]
    assert night.rows(out).equals(night.in_one_process())
    assert not night.unfinished(out)
    assert predict_partitions(night.job(out), pieces, together=3).states == {"kept": 2}
    assert summary.states == {"written": 2}


def test_jobs_of_an_array_do_a_share_each_and_leave_those_of_the_others(night, tmp_path):
    out = tmp_path / "out"
    job = night.job(out)
    first = predict_partitions(job, night.pieces(), share=Share(1, 3))
    assert first.partitions == 2
    assert predict_partitions(job, night.pieces(), share=Share(2, 3)).states == {"written": 1}
    assert predict_partitions(job, night.pieces(), share=Share(3, 3)).states == {"written": 1}
    assert night.rows(out).equals(night.in_one_process())
    assert predict_partitions(job, night.pieces(), share=Share(1, 3)).states == {"kept": 2}
    assert len(night.parts(out)) == 4


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", ""])
def test_a_share_that_is_none_is_refused(text):
    with pytest.raises(UsageError):
        Share.parse(text)


def test_a_file_that_is_named_twice_would_be_counted_twice(night, tmp_path):
    with pytest.raises(UsageError, match="named twice"):
        predict_partitions(night.job(tmp_path / "out"), night.pieces([night.paths[0]] * 2))


def test_a_folder_of_something_else_is_left_alone(night, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("")
    with pytest.raises(OutputError, match="other things"):
        predict_partitions(night.job(tmp_path / "thesis"), night.pieces())
    out = tmp_path / "out"
    predict_partitions(night.job(out), night.pieces()[:1])
    other = night.job(out).model_copy(update={"task": "gamma-sky"})
    with pytest.raises(OutputError, match="a run of gamma-hadron"):
        predict_partitions(other, night.pieces()[:1])


def test_files_that_options_name_are_part_of_what_decides(night, tmp_path):
    """A catalogue that is mended gives another answer, though its name is the same."""
    named = tmp_path / "map.toml"
    named.write_text('telescope = "one"\n')
    read, predict = night.options()

    def key() -> object:
        given = read.model_copy(update={"columns": str(named)})
        return make_job(
            "gamma-hadron", night.model, night.bundle, given, predict,
            out=tmp_path / "out", command="",
        ).also  # fmt: skip

    before = key()
    named.write_text('telescope = "two"\n')
    assert key() != before
