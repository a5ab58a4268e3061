"""A catalogue is joined by the names of the cutouts, to the last digit, in any case of letters."""

import pyarrow as pa
import pytest

from skysift.core.errors import ContractError
from skysift.data.table import FeatureTable
from skysift.tasks.star_galaxy.reader import Catalogue

GAIA = 4_000_000_000_000_000_001


def test_large_numbers_are_found_beside_a_missing_one():
    ids = pa.array([GAIA, GAIA + 1, None, GAIA + 3, None])
    catalogue = Catalogue(FeatureTable(pa.table({"source_id": ids, "mag": range(5)})))
    names = [str(GAIA + 3), str(GAIA), f"{GAIA + 1}@night", "row-2", str(GAIA + 2)]
    assert catalogue.rows(names).tolist() == [3, 0, 1, -1, -1]
    assert catalogue.columns(names).arrow.column("source_id").to_pylist()[:2] == [GAIA + 3, GAIA]


def test_two_rows_of_one_name_are_still_refused():
    ids = pa.array([GAIA, None, GAIA])
    with pytest.raises(ContractError, match="Two rows of the catalogue have the same source_id"):
        Catalogue(FeatureTable(pa.table({"source_id": ids})))


def test_the_column_of_files_is_found_in_capitals_and_written_once():
    catalogue = Catalogue(FeatureTable.from_columns({"FILE": ["a.fits", "b"], "Label": ["s", "g"]}))
    assert catalogue.rows(["b", "a"]).tolist() == [1, 0]
    assert catalogue.table.columns == ["file", "Label"]


def test_objects_of_several_exposures_are_found():
    catalogue = Catalogue(FeatureTable.from_columns({"id": ["o1", "o2"]}))
    assert catalogue.rows(["o2@two#CCD1", "o1@two#CCD2"]).tolist() == [1, 0]
