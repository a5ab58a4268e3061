"""Files, folders and archives: nothing is lost, nothing hostile costs more than a reason."""

import gzip
import io
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysift.core.errors import ReadError, UsageError
from skysift.data.contract import Verdict
from skysift.data.images.flags import StampFlag
from skysift.data.images.image_set import ImageSet, join
from skysift.data.images.limits import Limits
from skysift.data.images.readers import iter_images, read_images


def archive(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as opened:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_is_read_in_order_with_a_reason_for_each_refusal(
    tmp_path, make_stamp, mode
) -> None:
    path = tmp_path / "cutouts.tar.gz"
    path.write_bytes(
        archive(
            {
                "c/a.fits": make_stamp(),
                "c/b.fits.gz": gzip.compress(make_stamp((21, 21))),
                "c/notes.txt": b"nothing to see",
                "c/empty.fits": b"",
                "c/cut.fits": make_stamp()[:4000],
                "../../escape.fits": make_stamp(),
            },
            mode,
        )
    )
    read = read_images([path])
    assert read.images.identifiers.tolist() == ["a", "b", "escape"]
    assert read.images.pixels.shape == (3, 21, 21)
    assert read.rejected["code"].tolist() == ["unknown-format", "empty-file", "damaged-fits"]
    assert read.checked.counts == {"accepted": 3, "repaired": 0, "rejected": 3}
    assert len(read.checked.flags()) == 6
    assert [p.name for p in tmp_path.iterdir()] == ["cutouts.tar.gz"]


@given(part=st.floats(0.02, 0.98))
def test_a_cut_archive_gives_what_came_before_and_says_so(
    tmp_path_factory, make_stamp, part
) -> None:
    whole = archive({f"{k}.fits": make_stamp() for k in range(6)})
    path = tmp_path_factory.mktemp("cut") / "cut.tar.gz"
    path.write_bytes(whole[: int(len(whole) * part)])
    (batch,) = iter_images([path])
    assert "damaged-archive" in batch.rejected["code"] or "damaged-gzip" in batch.rejected["code"]
    assert batch.images.identifiers.tolist() == [str(k) for k in range(len(batch.images))]


def test_a_damaged_header_in_the_middle_does_not_pass_for_the_end(tmp_path, make_stamp) -> None:
    data = bytearray(archive({"a.fits": make_stamp(), "b.fits": make_stamp()}, "w"))
    second = 512 + len(make_stamp()) + -len(make_stamp()) % 512
    data[second + 5] ^= 0xFF  # its checksum no longer fits
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    read = read_images([path])
    assert read.images.identifiers.tolist() == ["a"]
    assert read.rejected["code"].tolist() == ["damaged-archive"]


def test_bombs_and_links_are_refused(tmp_path, make_stamp) -> None:
    bomb = gzip.compress(make_stamp() + bytes(30_000_000))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as opened:
        link = tarfile.TarInfo("link.fits")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        opened.addfile(link)
        for name, data in (("bomb.fits.gz", bomb), ("good.fits", make_stamp())):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    path = tmp_path / "x.tgz"
    path.write_bytes(out.getvalue())
    read = read_images([path], limits=Limits(member_bytes=1_000_000))
    assert read.rejected["code"].tolist() == ["not-a-file", "damaged-gzip"]
    assert read.images.identifiers.tolist() == ["good"]
    few = read_images([path], limits=Limits(members=3))
    assert "too-many-members" not in few.rejected["code"]
    with pytest.raises(ReadError, match="No cutout"):
        read_images([path], limits=Limits(members=1))


def test_an_archive_of_zeros_is_stopped(tmp_path) -> None:
    out = io.BytesIO()
    info = tarfile.TarInfo("zeros.fits")
    info.size = 64 << 20
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=9) as opened:
        opened.addfile(info, io.BytesIO(bytes(info.size)))
    path = tmp_path / "zeros.tar.gz"
    path.write_bytes(out.getvalue())
    (batch,) = iter_images([path])
    assert batch.rejected["code"].tolist() == ["damaged-archive"]
    assert "times its size" in batch.rejected["reason"][0]


def test_a_file_is_not_cut_by_the_borders_of_batches(tmp_path, make_stamp) -> None:
    """Cutouts of one image are judged together: what is beside them must not matter."""
    for name, count in (("a", 2), ("b", 3), ("c", 9), ("d", 1)):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as archive:
            for number in range(count):
                data = make_stamp()
                info = tarfile.TarInfo(f"{name}{number}.fits")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    paths = sorted(tmp_path.iterdir())
    together = [batch.images.identifiers.tolist() for batch in iter_images(paths, batch=4)]
    assert [len(names) for names in together] == [2, 3, 4, 4, 2]
    alone = [batch.images.identifiers.tolist() for batch in iter_images(paths[2:3], batch=4)]
    assert [[n for n in names if n[0] == "c"] for names in together[2:]] == alone


def test_folders_batches_and_findings(tmp_path, make_stamp) -> None:
    (tmp_path / "deep").mkdir()
    for k in range(5):
        (tmp_path / "deep" / f"{k}.fits").write_bytes(make_stamp(cards={"INFOBITS": k % 2}))
    (tmp_path / ".hidden.fits").write_bytes(b"x")
    sizes = [len(batch.images) for batch in iter_images([tmp_path], batch=2)]
    assert sizes == [2, 2, 1]
    read = read_images([tmp_path])
    (finding,) = read.checked.findings
    assert finding.code == "infobits"
    assert finding.verdict is Verdict.NOTED
    assert finding.rows.tolist() == [1, 3]
    with pytest.raises(UsageError):
        next(iter_images([tmp_path], batch=0))
    with pytest.raises(ReadError, match="no such file"):
        read_images([tmp_path / "absent.fits"])


def test_a_whole_image_is_not_taken_for_a_cutout_without_a_word(tmp_path, make_stamp) -> None:
    for side in (300, 301):
        (tmp_path / f"{side}.fits").write_bytes(make_stamp((side, side)))
    read = read_images([tmp_path])
    assert read.images.has(StampFlag.WIDE).tolist() == [False, True]


@given(
    side=st.integers(1, 30),
    shapes=st.lists(st.tuples(st.integers(5, 25), st.integers(5, 25)), min_size=1, max_size=4),
)
def test_cropping_keeps_the_target_in_the_middle(side, shapes) -> None:
    parts = [ImageSet.from_pixels(np.arange(float(y * x)).reshape(1, y, x)) for y, x in shapes]
    images = join(parts)
    cut = images.cropped(side)
    assert cut.pixels.shape == (len(shapes), side, side)
    assert (np.abs(cut.centers - (side - 1) / 2) <= 0.5).all()
    for k, (y, x) in enumerate(shapes):
        assert bool(cut.has(StampFlag.PADDED)[k]) == (side > min(y, x))
        shift = (images.centers[k] - cut.centers[k]).astype(int)
        at = np.argwhere(np.isfinite(cut.pixels[k]))
        np.testing.assert_array_equal(
            cut.pixels[k][tuple(at.T)], parts[k].pixels[0][tuple((at + shift).T)]
        )
