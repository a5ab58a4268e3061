"""Responses read from files agree with gammapy, and say what is wrong with those that do not."""

import gzip
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits

from skysift.core.errors import InputError, ReadError
from skysift.data.irf.gadf import GadfResponse
from skysift.data.sky.gadf_index import open_index
from skysift.data.sky.tangent import TangentGrid

NORTH = "gamma/cta-caldb/Prod5-North-20deg-AverageAz-4LSTs09MSTs.180000s-v0.1.fits.gz"
FILES = {
    "prod5 North": NORTH,
    "H.E.S.S. run": "gamma/hess-dl3-dr1/data/hess_dl3_dr1_obs_id_023523.fits.gz",
    "first data challenge": ("gamma/cta-1dc/caldb/data/cta/1dc/bcf/South_z20_50h/irf_file.fits"),
}
MAGIC = "gamma/magic/rad_max/data/20131004_05029747_DL3_CrabNebula-W0.40+035.fits"
RUNS = (21851, 23736, 26077, 26791, 26827, 29433, 29683)
ENERGIES = np.geomspace(0.55, 20.0, 9)
OFFSETS = np.array([0.2, 0.5, 0.9, 1.6, 2.2])


@pytest.fixture(scope="module")
def oracle():
    """Read a response with gammapy, whose import and readers warn about other packages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        irf = pytest.importorskip("gammapy.irf", reason="gammapy is not installed")

    def read(path: Path) -> SimpleNamespace:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return SimpleNamespace(**irf.load_irf_dict_from_file(path))

    return read


@pytest.fixture(params=sorted(FILES))
def pair(request, mirror, oracle):
    path = mirror / FILES[request.param]
    return GadfResponse.read(path), oracle(path)


@pytest.mark.mirror
def test_effective_area_is_that_of_gammapy(pair):
    ours, theirs = pair
    energy, offset = ENERGIES[:, None], OFFSETS[None, :]
    expected = theirs.aeff.evaluate(energy_true=energy * u.TeV, offset=offset * u.deg)
    np.testing.assert_allclose(ours.effective_area(energy, offset), expected.to_value("m2"), 1e-4)


@pytest.mark.mirror
def test_psf_density_is_that_of_gammapy(pair):
    ours, theirs = pair
    energy = np.array([0.6, 1.3, 5.0])[:, None, None]
    offset = np.array([0.3, 1.1, 2.0])[None, :, None]
    radius = np.linspace(0.005, 0.15, 12)[None, None, :]
    expected = theirs.psf.evaluate(
        energy_true=energy * u.TeV, offset=offset * u.deg, rad=radius * u.deg
    ).to_value("deg-2")
    np.testing.assert_allclose(ours.psf(energy, offset, radius), expected, rtol=0.01)


@pytest.mark.mirror
def test_psf_holds_all_photons(pair):
    ours, _ = pair
    radius = np.linspace(0.0, 4.0, 40001)
    density = ours.psf(1.5, 0.7, radius)
    total = np.trapezoid(2 * np.pi * radius * density, radius)
    assert total == pytest.approx(1.0, abs=0.01)


@pytest.mark.mirror
def test_background_is_that_of_gammapy(pair):
    ours, theirs = pair
    energy = np.array([0.5, 0.8, 2.0])[:, None]
    x = np.array([-1.9, -1.03, 0.17, 0.9])[None, :]
    y = np.array([0.6, -0.4, 1.2, 0.05])[None, :]
    # Old tables count longitude to the east, which gammapy does where the file says so.
    longitude, latitude = ours._longitude_sign * x, y
    expected = theirs.bkg.evaluate(
        energy=energy * u.TeV, fov_lon=longitude * u.deg, fov_lat=latitude * u.deg
    ).to_value("s-1 TeV-1 deg-2")
    np.testing.assert_allclose(ours.background(energy, x, y), expected, rtol=0.01)


@pytest.mark.mirror
def test_the_background_lies_as_the_events_do(mirror):
    """The events of seven runs tell which way the table of H.E.S.S. is to be laid on the sky."""
    logarithm = dict.fromkeys(((1, 1), (-1, 1), (1, -1), (-1, -1)), 0.0)
    steps = np.linspace(-1.9, 1.9, 39)
    x, y = np.meshgrid(steps, steps)
    for number in RUNS:
        path = mirror / f"gamma/hess-dl3-dr1/data/hess_dl3_dr1_obs_id_{number:06}.fits.gz"
        response = GadfResponse.read(path)
        with fits.open(path) as hdus:
            events, header = hdus["EVENTS"].data, hdus["EVENTS"].header
            grid = TangentGrid(header["RA_PNT"], header["DEC_PNT"])
            xi, eta = grid.to_plane(events["RA"], events["DEC"])
            kept = (np.hypot(xi, eta) < 1.9) & (np.abs(events["ENERGY"] - 0.8) < 0.3)
        for way in logarithm:
            rates = response.background(0.8, way[0] * xi[kept], way[1] * eta[kept])
            total = response.background(0.8, way[0] * x, way[1] * y)[np.hypot(x, y) < 1.9].sum()
            logarithm[way] += np.log(rates / total).sum()
    right = logarithm.pop((1, 1))
    assert right > max(logarithm.values()) + 20


@pytest.mark.mirror
def test_energy_dispersion_is_that_of_gammapy(pair):
    MapAxis = pytest.importorskip("gammapy.maps").MapAxis  # noqa: N806 a class

    ours, theirs = pair
    edges = np.geomspace(0.4, 30.0, 8)
    true_edges = np.geomspace(0.9, 5.0, 4)
    kernel = theirs.edisp.to_edisp_kernel(
        0.8 * u.deg,
        energy_axis_true=MapAxis.from_energy_edges(true_edges * u.TeV, name="energy_true"),
        energy_axis=MapAxis.from_energy_edges(edges * u.TeV),
    )
    centres = np.sqrt(true_edges[1:] * true_edges[:-1])
    np.testing.assert_allclose(ours.dispersion(centres, 0.8, edges), kernel.pdf_matrix, atol=0.01)


@pytest.mark.mirror
def test_samples_follow_the_tables(pair, rng):
    ours, _ = pair
    n = 40_000
    energy = np.full(n, 1.3)
    radius = ours.sample_radius(energy, 0.8, rng)
    grid = np.linspace(0.0, 2.0, 20001)
    density = 2 * np.pi * grid * ours.psf(1.3, 0.8, grid)
    for limit in (0.04, 0.08, 0.15):
        expected = np.trapezoid(np.where(grid <= limit, density, 0.0), grid)
        assert np.mean(radius <= limit) == pytest.approx(expected, abs=0.012)
    edges = np.array([0.5, 1.1, 1.3, 1.6, 4.0])
    shares = np.histogram(ours.sample_energy(energy, 0.8, rng), edges)[0] / n
    np.testing.assert_allclose(shares, ours.dispersion(energy[:1], 0.8, edges)[0], atol=0.012)


@pytest.mark.mirror
def test_a_point_like_response_without_psf_and_background_says_so(mirror, rng):
    response = GadfResponse.read(mirror / MAGIC)
    assert response.point_like
    assert response.effective_area(1.0, 0.4) > 1e4
    for ask in (
        lambda: response.background(1.0, 0.0, 0.0),
        lambda: response.psf(1.0, 0.4, 0.1),
        lambda: response.sample_radius(np.ones(2), 0.4, rng),
    ):
        with pytest.raises(InputError, match=r"no (background|point-spread)"):
            ask()


def write_small_response(path, *, bkg_unit="s-1 MeV-1 sr-1", psf=True):
    """A made-up response: 2 energies, 2 offsets, constant area, BKG_2D, PSF_TABLE."""
    energy = [("ENERG_LO", "2E", "TeV", [0.1, 1.0]), ("ENERG_HI", "2E", "TeV", [1.0, 10.0])]
    theta = [("THETA_LO", "2E", "deg", [0.0, 1.0]), ("THETA_HI", "2E", "deg", [1.0, 2.0])]
    rad = [("RAD_LO", "2E", "deg", [0.0, 0.1]), ("RAD_HI", "2E", "deg", [0.1, 0.2])]
    parts = [
        ("EFF_AREA", "EFFAREA", "cm2", np.full((2, 2), 1e8), [*energy, *theta]),
        ("BKG", "BKG", bkg_unit, np.full((2, 2), 1.0), [*energy, *theta]),
    ]
    if psf:
        density = np.zeros((2, 2, 2))
        density[..., 1] = 1.0  # photons at the higher energy only
        parts.append(("RPSF", "RPSF", "sr-1", density, [*energy, *theta, *rad]))
    hdus = [fits.PrimaryHDU()]
    for kind, column, unit, values, axes in parts:
        shape = str(tuple(len(axis[3]) for axis in axes[::2]))
        columns = [fits.Column(n, f, u_, array=[v]) for n, f, u_, v in axes]
        columns.append(fits.Column(column, f"{values.size}E", unit, dim=shape, array=values[None]))
        hdu = fits.BinTableHDU.from_columns(columns)
        hdu.header.update(HDUCLAS1="RESPONSE", HDUCLAS2=kind)
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.mark.parametrize("unit", ["s-1 MeV-1 sr-1", "1/s/MeV/sr", ""])
def test_units_are_converted_or_assumed(tmp_path, unit):
    response = GadfResponse.read(write_small_response(tmp_path / "irf.fits", bkg_unit=unit))
    assert response.effective_area(1.0, 0.5) == pytest.approx(1e4)
    assert response.background(1.0, 0.3, 0.4) == pytest.approx(1e6 * np.radians(1.0) ** 2)
    assert response.background(1.0, 2.0, 2.0) == 0


def test_a_wrong_unit_is_refused(tmp_path):
    path = write_small_response(tmp_path / "irf.fits", bkg_unit="m2")
    with pytest.raises(InputError, match="no 's-1 TeV-1 deg-2'"):
        GadfResponse.read(path)


def test_an_empty_psf_profile_takes_the_nearest_in_energy(tmp_path):
    response = GadfResponse.read(write_small_response(tmp_path / "irf.fits"))
    inside = np.pi * 0.2**2
    np.testing.assert_allclose(response.psf([0.2, 5.0], 0.5, 0.05), 1 / inside)


def write_background_in_the_field(path, alignment):
    """Put a background that falls to one side in place of that of a made-up response."""
    write_small_response(path)
    edges = np.linspace(-2.0, 2.0, 21)
    middle = (edges[:-1] + edges[1:]) / 2
    rate = np.broadcast_to(np.exp(0.5 * middle)[:, None], (20, 20, 2))  # DETY, DETX, energy
    axes = [
        ("ENERG", "TeV", [0.1, 1.0], [1.0, 10.0]),
        ("DETX", "deg", edges[:-1], edges[1:]),
        ("DETY", "deg", edges[:-1], edges[1:]),
    ]
    columns = [
        fits.Column(f"{name}_{end}", f"{len(low)}E", unit, array=[values])
        for name, unit, low, high in axes
        for end, values in (("LO", low), ("HI", high))
    ]
    columns.append(
        fits.Column("BKG", "800E", "s-1 MeV-1 sr-1", dim="(2,20,20)", array=rate.reshape(1, -1))
    )
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header.update(HDUCLAS1="RESPONSE", HDUCLAS2="BKG", FOVALIGN=alignment)
    with fits.open(path, mode="update") as hdus:
        hdus[2] = hdu
    return GadfResponse.read(path)


def test_a_background_that_turns_with_the_horizon_is_averaged(tmp_path):
    radec = write_background_in_the_field(tmp_path / "radec.fits", "RADEC")
    altaz = write_background_in_the_field(tmp_path / "altaz.fits", "ALTAZ")
    assert radec.background(1.0, -1.0, 0.0) / radec.background(1.0, 1.0, 0.0) == pytest.approx(np.e)
    angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    for offset in (0.5, 1.3):
        x, y = offset * np.cos(angle), offset * np.sin(angle)
        around = altaz.background(1.0, x, y)
        np.testing.assert_allclose(around, around[0], rtol=1e-12)
        assert around[0] == pytest.approx(radec.background(1.0, x, y).mean(), rel=0.01)


KING_SIGMA = np.array([[0.12, 0.08, 0.05], [0.15, 0.0, 0.07]])  # offset, energy; one left out
KING_GAMMA = np.array([[1.6, 2.0, 2.5], [1.4, 0.0, 2.2]])


def write_king_response(path):
    """Append a PSF_KING of 3 energies and 2 offsets to a made-up response."""
    write_small_response(path, psf=False)
    columns = [
        fits.Column("ENERG_LO", "3E", "TeV", array=[[0.1, 1.0, 10.0]]),
        fits.Column("ENERG_HI", "3E", "TeV", array=[[1.0, 10.0, 100.0]]),
        fits.Column("THETA_LO", "2E", "deg", array=[[0.0, 1.0]]),
        fits.Column("THETA_HI", "2E", "deg", array=[[1.0, 2.0]]),
        fits.Column("GAMMA", "6E", "", dim="(3,2)", array=KING_GAMMA[None]),
        fits.Column("SIGMA", "6E", "deg", dim="(3,2)", array=KING_SIGMA[None]),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="PSF")
    kind = {"HDUCLAS1": "RESPONSE", "HDUCLAS2": "PSF", "HDUCLAS3": "FULL-ENCLOSURE"}
    hdu.header.update(HDUDOC="gadf", HDUCLASS="GADF", HDUCLAS4="PSF_KING", **kind)
    with fits.open(path, mode="append") as file:
        file.append(hdu)
    return path


def test_a_king_profile_is_that_of_gammapy(tmp_path, oracle):
    path = write_king_response(tmp_path / "king.fits")
    energy = np.array([0.35, 2.0, 25.0])[:, None]
    radius = np.linspace(0.0, 0.6, 13)[None, :]
    ours = GadfResponse.read(path).psf(energy, 0.5, radius)
    expected = oracle(path).psf.evaluate(
        energy_true=energy * u.TeV, offset=0.5 * u.deg, rad=radius * u.deg
    )
    np.testing.assert_allclose(ours, expected.to_value("deg-2"), rtol=1e-5)


def test_a_king_profile_holds_all_photons_and_draws_them(tmp_path, rng):
    response = GadfResponse.read(write_king_response(tmp_path / "king.fits"))
    radius = np.geomspace(1e-5, 1e5, 20001)
    share = np.trapezoid(2 * np.pi * radius * response.psf(3.0, 0.5, radius), radius)
    assert share == pytest.approx(1.0, abs=1e-3)
    drawn = response.sample_radius(np.full(20000, 3.0), 0.5, rng)
    for limit in (0.05, 0.1, 0.3):
        inner = np.linspace(0.0, limit, 2001)
        expected = np.trapezoid(2 * np.pi * inner * response.psf(3.0, 0.5, inner), inner)
        assert np.mean(drawn < limit) == pytest.approx(expected, abs=0.015)


def test_a_king_profile_that_is_left_out_takes_the_nearest_in_energy(tmp_path):
    response = GadfResponse.read(write_king_response(tmp_path / "king.fits"))
    first, second = response.psf([np.sqrt(0.1), np.sqrt(10.0)], 1.5, 0.05)
    assert second == pytest.approx(first)


def test_files_that_are_no_response(tmp_path):
    with pytest.raises(ReadError, match=r"absent\.fits"):
        GadfResponse.read(tmp_path / "absent.fits")
    (tmp_path / "text.fits").write_text("hello")
    with pytest.raises(ReadError, match=r"text\.fits"):
        GadfResponse.read(tmp_path / "text.fits")
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "empty.fits")
    with pytest.raises(InputError, match="no effective area"):
        GadfResponse.read(tmp_path / "empty.fits")
    whole = gzip.compress(write_small_response(tmp_path / "irf.fits").read_bytes())
    (tmp_path / "cut.fits.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReadError, match=r"cut\.fits\.gz"):
        GadfResponse.read(tmp_path / "cut.fits.gz")


@pytest.mark.mirror
def test_the_response_of_an_observation_is_found_by_its_index(mirror):
    index = open_index(mirror / "gamma/cta-1dc/index/gps")
    response = GadfResponse.of_observation(index, 111630)
    direct = GadfResponse.read(mirror / FILES["first data challenge"])
    assert response.effective_area(1.0, 0.5) == direct.effective_area(1.0, 0.5)
    assert response.has_psf
    assert response.has_background
