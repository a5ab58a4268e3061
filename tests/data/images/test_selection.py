"""Cuts of a catalogue: each is counted, none is silent, the order is the original's."""

import numpy as np
import pytest
from astropy.table import Table

from skysift.core.config import build_config
from skysift.core.errors import ConfigError, ContractError
from skysift.data.images.selection import CatalogueCuts, SkyRegion, select_objects
from skysift.data.io import read_table
from skysift.data.table import FeatureTable


def flux_of(magnitude: float) -> float:
    return 10 ** ((22.5 - magnitude) / 2.5)


def sweep(**changes: list) -> dict[str, list]:
    """Six objects a degree apart, all of which pass, under the names of the Legacy Surveys."""
    bright = [flux_of(18.0)] * 6
    columns = {
        "RA": [5.0, 6.0, 7.0, 8.0, 9.0, 9.5],
        "DEC": [-4.0] * 6,
        "TYPE": ["PSF", "PSF", "REX", "DEV", "EXP", "SER"],
        **{f"FLUX_{band}": list(bright) for band in "GRZ"},
        **{f"FRACFLUX_{band}": [0.05] * 6 for band in "GRZ"},
    }
    return {**columns, **changes}


def removed(selection, name: str) -> int:
    return next(cut.removed for cut in selection.cuts if name in cut.name)


def test_each_cut_removes_what_it_says(rng) -> None:
    columns = sweep()
    columns["FLUX_G"][0] = -1.0
    columns["FLUX_R"][1] = flux_of(20.1)
    columns["FRACFLUX_Z"][2] = 0.2
    columns["TYPE"][3] = "DUP"
    selection = select_objects(FeatureTable.from_columns(columns), CatalogueCuts(), rng=rng)
    assert removed(selection, "flux in g > 0") == 1
    assert removed(selection, "r < 20") == 1
    assert removed(selection, "FRACFLUX_z") == 1
    assert removed(selection, "type") == 1
    assert selection.table["catalogue_row"].tolist() == [4, 5]
    assert selection.table["is_galaxy"].tolist() == [True, True]
    assert sum(cut.removed for cut in selection.cuts) == 4
    assert "4" not in selection.summary().splitlines()[-1]


def test_isolation_counts_kept_objects_only(rng) -> None:
    columns = sweep()
    columns["RA"][1] = 5.0 + 10 / 3600  # 10 arcsec from the first
    columns["RA"][3] = 7.0 + 10 / 3600  # and these two, of which one falls to another cut
    columns["TYPE"][3] = "DUP"
    selection = select_objects(FeatureTable.from_columns(columns), CatalogueCuts(), rng=rng)
    assert removed(selection, "no kept object") == 2
    assert selection.table["catalogue_row"].tolist() == [2, 4, 5]


def test_a_region_may_cross_zero_hours(rng) -> None:
    table = FeatureTable.from_columns(sweep(RA=[359.0, 1.0, 11.0, 349.0, 0.0, 350.5]))
    region = SkyRegion(ra_min=350, ra_max=10, dec_min=-5, dec_max=0)
    selection = select_objects(table, CatalogueCuts(region=region), rng=rng)
    assert selection.table["catalogue_row"].tolist() == [0, 1, 4, 5]


def test_classes_are_drawn_in_equal_numbers_and_reproducibly() -> None:
    table = FeatureTable.from_columns(
        {name: list(values) * 40 for name, values in sweep().items()}
        | {"RA": np.linspace(5, 10, 240).tolist()}
    )
    cuts = CatalogueCuts(per_class=30, isolation=1.0)
    first, again = (
        select_objects(table, cuts, rng=np.random.default_rng(3)).table for _ in range(2)
    )
    assert first["is_galaxy"].sum() == 30
    assert len(first) == 60
    assert first["catalogue_row"].tolist() == again["catalogue_row"].tolist()


@pytest.mark.parametrize("suffix", [".fits", ".ecsv", ".csv", ".vot"])
def test_any_format_of_table_and_any_case_of_names(tmp_path, rng, suffix) -> None:
    path = tmp_path / f"sweep{suffix}"
    Table({name.lower(): values for name, values in sweep().items()}).write(
        path, **({"format": "votable"} if suffix == ".vot" else {})
    )
    selection = select_objects(read_table(path), CatalogueCuts(), rng=rng)
    assert selection.table["is_galaxy"].tolist() == [False, False, True, True, True, True]


def test_a_missing_column_and_an_unknown_key_are_named(rng) -> None:
    columns = sweep()
    columns["FLUX_RR"] = columns.pop("FLUX_R")
    with pytest.raises(ContractError, match="FLUX_r"):
        select_objects(FeatureTable.from_columns(columns), CatalogueCuts(), rng=rng)
    with pytest.raises(ConfigError, match="fracflux_max"):
        build_config(CatalogueCuts, {"fracflux_mx": 0.1})
    with pytest.raises(ConfigError, match="fracflux_max"):
        build_config(CatalogueCuts, {"fracflux_max": float("nan")})


def test_the_column_of_another_band_is_not_taken_for_a_missing_one(rng) -> None:
    columns = sweep()
    del columns["FRACFLUX_G"]
    table = FeatureTable.from_columns(columns)
    with pytest.raises(ContractError, match="fracflux_max = inf") as caught:
        select_objects(table, CatalogueCuts(), rng=rng)
    assert "FRACFLUX_R" not in str(caught.value)
    selection = select_objects(table, CatalogueCuts(fracflux_max=float("inf")), rng=rng)
    assert not any("FRACFLUX" in cut.name for cut in selection.cuts)


def test_magnitudes_of_a_catalogue_are_not_called_fluxes(rng) -> None:
    columns = sweep() | {"mag_i": np.array([17.0, np.nan, 21.0, 17.0, 17.0, 17.0])}
    cuts = CatalogueCuts(magnitude_max={"i": 20.0}, magnitude="mag_{band}", fracflux_max=None)
    selection = select_objects(FeatureTable.from_columns(columns), cuts, rng=rng)
    assert [cut.name for cut in selection.cuts[1:3]] == ["magnitude in i known", "i < 20"]
    assert removed(selection, "magnitude in i known") == removed(selection, "i < 20") == 1
    assert selection.classes() == selection.summary().splitlines()[-1]
