"""From a catalogue to cutouts to probabilities, as a user types it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from skysift.core.errors import UsageError
from skysift.data.images.make_cutouts import make_cutouts
from skysift.data.images.readers import read_images
from skysift.data.io import read_table
from skysift.tasks.star_galaxy.synth import synthetic_cutouts

SIDE, GRID = 20, 6
LINEAR = {
    "CRPIX1": 61.0, "CRPIX2": 60.5, "CRVAL1": 7.5, "CRVAL2": -2.5, "CD1_1": -2.811e-4,
    "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 2.811e-4,
}  # fmt: skip
DISTORTED = {
    "tpv": {
        "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.0001, "PV2_1": 1.0, "PV2_4": 1e-2,
    },
    "sip": {
        "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "A_2_0": 2e-5,
        "B_ORDER": 2, "B_1_1": -1e-5,
    },
}  # fmt: skip


class Night:
    """A science image of stars and galaxies on a grid, and the catalogue of them."""

    def __init__(self, folder: Path, kind: str) -> None:
        rng = np.random.default_rng(3)
        n = GRID**2
        stamps, facts, self.is_galaxy = synthetic_cutouts(n, rng)
        for star in facts:  # one exposure has one seeing
            star |= {"seeing": facts[0]["seeing"]}
        self.pixels = stamps
        image = stamps.reshape(GRID, GRID, SIDE, SIDE).swapaxes(1, 2).reshape(GRID * SIDE, -1)
        header = fits.Header()
        header.update({**LINEAR, **DISTORTED[kind]})
        known = facts[0]
        header.update(
            {
                "SEEING": known["seeing"], "MAGZP": known["zero_point"], "GAIN": known["gain"],
                "SATURATE": known["saturation"], "EXPID": 77, "FILTER": "ZTF_i", "INFOBITS": 0,
                **{f"APCOR{k}": known[f"apcor{k}"] for k in range(1, 7)},
            }
        )  # fmt: skip
        self.path = folder / f"{kind}.fits"
        fits.PrimaryHDU(image, header).writeto(self.path)
        row, column = np.divmod(np.arange(n), GRID)
        # The middle of an even stamp is a corner of pixels: a little less is in the wanted one.
        x, y = column * SIDE + 9.4, row * SIDE + 9.4
        self.ra, self.dec = WCS(header).all_pix2world(np.column_stack([x, y]), 0).T
        self.names = [f"object-{k}" for k in range(n)]
        flux = np.where(np.arange(n) % 9 == 0, 0.01, 900.0)  # every ninth is too faint
        self.columns = {
            "RA": self.ra, "DEC": self.dec, "objectId": self.names,
            "TYPE": np.where(self.is_galaxy, "REX ", "PSF "),
            **{f"FLUX_{band}": flux for band in "GRZ"},
            **{f"FRACFLUX_{band}": np.full(n, 0.01) for band in "GRZ"},
        }  # fmt: skip
        self.catalog = folder / f"{kind}-objects.fits"
        Table(self.columns).write(self.catalog)


@pytest.fixture(params=["tpv", "sip"])
def night(tmp_path, request):
    return Night(tmp_path, request.param)


@pytest.fixture
def tpv(tmp_path):
    return Night(tmp_path, "tpv")


def document(answer):
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


@pytest.mark.parametrize("suffix", [".fits", ".parquet", ".zarr"])
def test_cutouts_go_from_the_catalogue_to_the_classifier(skysift, night, tmp_path, suffix):
    if suffix == ".zarr":
        pytest.importorskip("zarr")
    out = tmp_path / f"cutouts{suffix}"
    said = document(
        skysift(
            "cutouts", "--catalog", night.catalog, "--images", str(tmp_path / "*p*.fits"),
            str(night.path), "--size", "20arcsec", "--parity", "even", "--out", out, "--json",
        )
    )  # fmt: skip
    # The pattern found the catalogue, too, which has no image in it.
    assert [item["image"] for item in said["rejected"]] == [str(night.catalog)]
    assert said["cutouts"] == said["objects"] == len(night.names)
    back = read_images([out]).images
    assert [name.partition("@")[0] for name in back.identifiers] == night.names
    np.testing.assert_array_equal(back.pixels, night.pixels)
    np.testing.assert_allclose(back.facts["ra"], night.ra, atol=1e-12)
    table = tmp_path / "t.parquet"
    answer = skysift("predict", "star-galaxy", out, "--out", table)
    assert answer.code == 0, answer.err
    found = read_table(table)
    assert found["file"].tolist() == back.identifiers.tolist()
    # Made-up galaxies are not what the model was trained on: it must beat a coin, no more.
    assert np.mean((found["p_galaxy"] > 0.5) == night.is_galaxy) > 0.8


def test_all_formats_read_back_alike(skysift, tpv, tmp_path):
    pytest.importorskip("zarr")
    read = []
    for suffix in (".fits", ".parquet", ".zarr"):
        out = tmp_path / f"c{suffix}"
        answer = skysift(
            "cutouts", "--catalog", tpv.catalog, tpv.path, "--size", "25pix", "--out", out
        )
        assert answer.code == 0, answer.err
        read.append(read_images([out]).images)
    for other in read[1:]:
        np.testing.assert_array_equal(other.pixels, read[0].pixels)
        np.testing.assert_allclose(other.centers, read[0].centers, atol=1e-12)
        assert other.identifiers.tolist() == read[0].identifiers.tolist()
        assert other.flags.tolist() == read[0].flags.tolist()
        for name in read[0].facts.columns:
            if other.facts[name].dtype.kind == "f":
                np.testing.assert_allclose(other.facts[name], read[0].facts[name], err_msg=name)
            else:
                assert other.facts[name].tolist() == read[0].facts[name].tolist()


def test_cuts_are_counted_and_labels_kept(skysift, tpv, tmp_path):
    (tmp_path / "cuts.toml").write_text('isolation = 5.0\nidentifier = "objectId"\n')
    arguments = (
        "cutouts", "--catalog", tpv.catalog, "--images", tpv.path, "--size", "20arcsec",
        "--select", "cuts.toml", "--out", "c.parquet",
    )  # fmt: skip
    shown = skysift(*arguments)
    assert shown.code == 0, shown.err
    assert "g < 20.5" in shown.out
    said = document(skysift(*arguments, "--json"))
    cuts = {cut["cut"]: cut for cut in said["cuts"]}
    assert cuts["g < 20.5"] == {"cut": "g < 20.5", "before": 36, "removed": 4, "left": 32}
    assert said["cutouts"] == 32
    table = read_table(tmp_path / "c.parquet")
    kept = np.flatnonzero(np.arange(36) % 9)
    assert table["identifier"].tolist() == [tpv.names[k] for k in kept]
    expected = np.where(tpv.is_galaxy[kept], "galaxy", "star")
    assert table["label"].tolist() == expected.tolist()
    assert table.meta["provenance"]["config"]["cuts"] == said["cuts"]
    two = document(skysift(*arguments, "--set", "per_class=3", "--json"))
    assert two["cutouts"] == 6


def test_an_image_that_fails_is_named_with_its_reason_and_the_rest_goes_on(skysift, tpv, tmp_path):
    broken = tmp_path / "broken.fits"
    broken.write_bytes(tpv.path.read_bytes()[:9000])
    blank = tmp_path / "blank.fits"
    fits.PrimaryHDU(np.zeros((30, 30), dtype=np.float32)).writeto(blank)
    arguments = (
        "cutouts", "--catalog", tpv.catalog, "--images", broken, "--images", blank,
        "--images", tpv.path, "--size", "20arcsec", "--out", "c.fits",
    )  # fmt: skip
    shown = skysift(*arguments, "--workers", "2")
    assert shown.code == 0
    assert "Images that could not be used" in shown.out
    assert "cut short" in shown.out
    said = document(skysift(*arguments, "--json"))
    reasons = {item["image"]: item["reason"] for item in said["rejected"]}
    assert "no celestial coordinates" in reasons[str(blank)]
    assert said["cutouts"] == 36
    nothing = skysift(*arguments[:5], "--size", "9pix", "--out", "n.fits")
    assert nothing.code == 2
    assert "None of the images can be used" in nothing.err
    assert not (tmp_path / "n.fits").exists()


BASE = "cutouts --catalog CATALOG --images IMAGE --size 20arcsec --out c.fits"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (f"{BASE} --paritty odd", "--parity"),
        (BASE.replace("--catalog", "--catlog"), "--catalog"),
        (BASE.replace("20arcsec", "20arsec"), "'arcsec'"),
        (BASE.replace("20arcsec", "20"), "a unit is missing"),
        (BASE.replace("20arcsec", "20.5pix"), "whole pixels"),
        (BASE.replace("20arcsec", "-2arcsec"), "above zero"),
        (BASE.replace("c.fits", "c.zar"), ".zarr"),
        (BASE.replace("c.fits", "IMAGE"), "overwritten"),
        (BASE.replace("IMAGE", "nowhere/*.fits"), "no image"),
        (BASE.replace("CATALOG", "no.csv"), "no such file"),
        (f"{BASE} --set isolatoin=3", "'isolation'"),
        (f"{BASE} --ra RAA", "'RA'"),
        (f"{BASE} --keep TYP", "'TYPE'"),
        (f"{BASE} --keep RA", "of its own"),
        (f"{BASE} --field 535", "Add --irsa"),
        (f"{BASE} --irsa", "whole archive. Give --position"),
        (f"{BASE} --irsa --field 535 --band zgg", "zg"),
        (f"{BASE} --irsa --position here", "no position"),
        (f"{BASE} --irsa --exposure ztf.fits", "not the name"),
        ("cutouts --catalog CATALOG --size 20arcsec --out c.fits", "nothing to cut from"),
    ],
)
def test_a_slip_is_explained_before_the_work(skysift, tpv, tmp_path, typed, said):
    before = tpv.path.read_bytes()
    words = {"CATALOG": tpv.catalog, "IMAGE": tpv.path}
    answer = skysift(*(words.get(word, word) for word in typed.split()))
    assert answer.code == (1 if "c.zar" in typed or "--out IMAGE" in typed else 2), answer
    assert said in " ".join(answer.err.split())
    assert "Traceback" not in answer.err
    assert not (tmp_path / "c.fits").exists()
    assert tpv.path.read_bytes() == before


NAME = "ztf_20180411467847_000535_zr_c11_o_q3_sciimg.fits"
SEARCH = (
    "ra,dec,field,ccdid,qid,filtercode,imgtypecode,filefracday,"
    "obsjd,exptime,seeing,airmass,maglimit,infobits\n"
)
FOUND = "7.5,-2.5,535,11,3,zr,o,20180411467847,2458219.9678472,30,2.1,1.3,20.6,0\n"


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A stand-in for IRSA: ``answers`` by the beginning of the path, a status and a body."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "SKYSIFT_MIRROR", "SKYSIFT_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("IRSA_USERNAME", "IRSA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("SKYSIFT_CACHE", str(tmp_path / "cache"))
    answers, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, body = next(
                (answer for start, answer in answers.items() if self.path.startswith(start)),
                (404, b""),
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_):
            """Keep the test output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", answers, asked
        server.shutdown()
        thread.join()


def test_images_come_from_the_archive(skysift, tpv, archive, tmp_path):
    url, answers, asked = archive
    answers["/ibe/search"] = (200, (SEARCH + FOUND).encode())
    answers["/ibe/data"] = (200, tpv.path.read_bytes())
    arguments = (
        "cutouts", "--catalog", tpv.catalog, "--irsa", "--irsa-url", url, "--size", "20arcsec",
        "--out", "c.parquet", "--json",
    )  # fmt: skip
    answer = skysift(*arguments, "--field", "535", "--ccd", "11", "--quadrant", "3", "--band", "zr")
    said = document(answer)
    assert said["cutouts"] == 36
    assert "WHERE=field%3D535%20AND%20ccdid%3D11" in answer.err
    (file,) = said["irsa"]["files"]
    assert file["name"] == NAME
    assert len(file["sha256"]) == 64
    stored = read_table(tmp_path / "c.parquet").meta["provenance"]["config"]["irsa"]
    assert stored == said["irsa"]
    asked.clear()
    assert document(skysift(*arguments, "--exposure", NAME))["cutouts"] == 36
    assert asked == []  # it is in the cache, and was named


def test_a_refusal_of_the_archive_is_not_taken_for_no_data(skysift, tpv, archive):
    url, answers, _ = archive
    arguments = (
        "cutouts", "--catalog", tpv.catalog, "--irsa", "--irsa-url", url, "--size", "20arcsec",
        "--out", "c.fits", "--position", "7.5 -2.5",
    )  # fmt: skip
    answers["/ibe/search"] = (401, b"")
    refused = skysift(*arguments)
    assert refused.code == 1
    assert "does not mean that there are no data" in refused.err
    assert "IRSA_USERNAME" in refused.err
    answers["/ibe/search"] = (200, SEARCH.encode())
    empty = skysift(*arguments)
    assert empty.code == 1
    assert "Nobody is signed in" in empty.err
    answers["/ibe/search"] = (200, (SEARCH + FOUND * 3).encode())
    many = skysift(*arguments, "--most-images", "2")
    assert many.code == 2
    assert "--most-images allows 2" in many.err


def test_an_image_that_cannot_be_had_is_listed(skysift, tpv, archive):
    url, answers, _ = archive
    other = NAME.replace("_q3_", "_q4_")
    answers[f"/ibe/data/ztf/products/sci/2018/0411/467847/{NAME}"] = (200, tpv.path.read_bytes())
    said = document(
        skysift(
            "cutouts", "--catalog", tpv.catalog, "--irsa", "--irsa-url", url, "--size", "20arcsec",
            "--out", "c.fits", "--exposure", NAME, "--exposure", other, "--json",
        )
    )  # fmt: skip
    (missing,) = said["rejected"]
    assert missing["image"] == other
    assert "404" in missing["reason"]
    assert said["cutouts"] == 36


def test_a_catalogue_is_selected_and_labelled(skysift, tpv, tmp_path):
    (tmp_path / "empty.toml").write_text("")
    answer = skysift("catalog", tpv.catalog, "--select", "empty.toml", "--set", "isolation=5",
                     "--out", "objects.ecsv", "--json")  # fmt: skip
    said = document(answer)
    assert (said["of"], said["rows"]) == (36, 32)
    table = read_table(tmp_path / "objects.ecsv")
    assert set(table["label"]) == {"star", "galaxy"}
    assert table.meta["provenance"]["config"]["cuts"] == said["cuts"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("catalog --out o.csv", "comes from one place"),
        ("catalog CATALOG --around 7,8 --out o.csv", "comes from one place"),
        ("catalog --tap http://x --out o.csv", "belong together"),
        ("catalog --around there --out o.csv", "no position"),
        ("catalog CATALOG --out o.cvs", ".csv"),
        ("catalog CATALOG --set per_clas=3 --out o.csv", "'per_class'"),
    ],
)
def test_a_slip_in_a_catalogue_is_explained(skysift, tpv, typed, said):
    answer = skysift(*(str(tpv.catalog) if word == "CATALOG" else word for word in typed.split()))
    assert answer.code in (1, 2)
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_a_query_is_shown_and_stored(skysift, tmp_path, monkeypatch):
    remote = pytest.importorskip("skysift.data.catalogs.remote")
    pytest.importorskip("pyvo")
    rows = Table({"ra": [7.5, 7.6], "dec": [-2.5, -2.4]})
    monkeypatch.setattr(remote, "_ask", lambda *_: rows)
    monkeypatch.delenv("SKYSIFT_OFFLINE", raising=False)
    (tmp_path / "q.adql").write_text("SELECT ra, dec\nFROM t\n")
    answer = skysift("catalog", "--tap", "http://tap", "--query", "q.adql", "--out", "o.parquet",
                     "--json")  # fmt: skip
    assert document(answer)["adql"] == "SELECT ra, dec\nFROM t"
    assert "SELECT ra, dec\nFROM t" in answer.err
    stored = read_table(tmp_path / "o.parquet").meta["provenance"]["config"]
    assert stored["adql"] == "SELECT ra, dec\nFROM t"
    around = skysift("catalog", "--around", "7.5 -2.5", "--radius", "1arcmin", "--out", "a.csv")
    assert around.code == 0, around.err
    assert "FROM ls_dr9.tractor" in around.err
    assert "1 of 1 objects" in around.out


def test_a_size_is_given_once(tpv, tmp_path):
    for size, side in ((None, None), (20.0, 20)):
        with pytest.raises(UsageError, match="twice or not at all"):
            make_cutouts(tpv.catalog, [tpv.path], size, tmp_path / "c.fits", side=side)
