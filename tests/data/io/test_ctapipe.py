"""Predictions in ctapipe's layout: PyTables, ctapipe and we ourselves read them back."""

import h5py
import numpy as np
import pytest
import tables
from astropy import units as u
from astropy.coordinates import EarthLocation
from astropy.table import Table

from skysift.core.errors import ContractError, OutputError
from skysift.data.io import open_writer, read_table, write_ctapipe_dl2
from skysift.data.table import FeatureTable

GROUP = "/dl2/event/telescope/classification/SKYSIFT"


def predictions(first=0, rows=6):
    event_id = np.arange(first, first + rows)
    return FeatureTable.from_columns(
        {
            "obs_id": np.full(rows, 2008),
            "event_id": event_id,
            "tel_id": event_id % 2 + 1,
            "gammaness": np.where(event_id == 3, np.nan, event_id / 100),
        }
    )


@pytest.fixture
def dl2(tmp_path):
    path = tmp_path / "run.dl2.h5"
    with open_writer(path, provenance={"model": "forest"}) as writer:
        writer.write(predictions())
        writer.write(predictions(first=6))
    return path


def test_pytables_reads_the_tables_with_their_types(dl2):
    with tables.open_file(dl2) as file:
        table = file.get_node(f"{GROUP}/tel_002")
        assert isinstance(table, tables.Table)
        rows = table.read()
        assert table.attrs["CTAFIELD_3_NAME"] == "prediction"
    assert rows.dtype.names == (
        "obs_id",
        "event_id",
        "tel_id",
        "SKYSIFT_tel_prediction",
        "SKYSIFT_tel_is_valid",
    )
    assert [rows.dtype[j].str for j in range(5)] == ["<i4", "<i8", "<i2", "<f8", "|b1"]
    assert rows["event_id"].tolist() == [1, 3, 5, 7, 9, 11]
    assert rows["SKYSIFT_tel_is_valid"].tolist() == [True, False, True, True, True, True]
    np.testing.assert_array_equal(
        rows["SKYSIFT_tel_prediction"], [0.01, np.nan, 0.05, 0.07, 0.09, 0.11]
    )


def test_pytables_can_search_and_add_rows(dl2):
    with tables.open_file(dl2, "a") as file:
        table = file.get_node(f"{GROUP}/tel_001")
        assert table.read_where("SKYSIFT_tel_prediction > 0.05")["event_id"].tolist() == [6, 8, 10]
        table.append(table[:1])
        table.flush()
        assert table.nrows == 7


def test_we_read_back_all_telescopes_as_one_table(dl2):
    table = read_table(dl2, all_telescopes=True)
    assert len(table) == 12
    assert table["SKYSIFT_tel_is_valid"].sum() == 11
    assert table.meta["provenance"] == {"model": "forest"}


def test_a_source_file_is_kept_and_not_written_over(tmp_path, dl2):
    path = tmp_path / "both.dl2.h5"
    write_ctapipe_dl2(path, [predictions()], algorithm="OTHER", source=dl2)
    with h5py.File(path) as file:
        assert set(file["/dl2/event/telescope/classification"]) == {"OTHER", "SKYSIFT"}
    with pytest.raises(OutputError, match="predictions of 'SKYSIFT' already"):
        write_ctapipe_dl2(path, [predictions()], source=dl2)


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [("tel_id", [1, 1000], "tel_id = 1000"), ("event_id", [1.5, 2.0], r"event_id = 1\.5")],
)
def test_identifiers_that_ctapipe_cannot_hold_are_refused(tmp_path, column, values, said):
    table = predictions(rows=2).with_columns({column: np.array(values)})
    with pytest.raises(OutputError, match=said):
        write_ctapipe_dl2(tmp_path / "t.dl2.h5", [table])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(ContractError, match="no column 'obs_id'"):
        write_ctapipe_dl2(tmp_path / "t.dl2.h5", [predictions().select(["event_id", "tel_id"])])


def test_hdf5_tables_of_other_content_are_pytables_too(tmp_path):
    path = tmp_path / "t.h5"
    with open_writer(path) as writer:
        writer.write(
            FeatureTable.from_columns(
                {"length": [1.5, 2.5], "flag": [True, False], "name": ["é", "bb"]},
                units={"length": "mm"},
            )
        )
    with tables.open_file(path) as file:
        rows = file.root.events.read()
        assert file.root.events.attrs["CTAFIELD_0_UNIT"] == "mm"
    assert rows["flag"].dtype == bool
    assert rows["length"].tolist() == [1.5, 2.5]
    assert rows["name"].tolist() == ["é".encode(), b"bb"]


def ctapipe_attributes(path, node):
    """Return what ctapipe keeps of each column, by the name of the column."""
    with tables.open_file(path) as file:
        table = file.get_node(node)
        found = {key: table.attrs[key] for key in table.attrs._v_attrnamesuser}
        places = {name: table.coldescrs[name]._v_pos for name in table.colnames}
    return {
        name: {
            key.removeprefix(f"CTAFIELD_{place}_"): value
            for key, value in found.items()
            if key.startswith(f"CTAFIELD_{place}_")
        }
        for name, place in places.items()
    }


def test_units_and_transforms_are_kept_as_by_the_table_writer_of_ctapipe(tmp_path):
    """Its reader makes a Quantity of UNIT and text of TRANSFORM = "string"."""
    path = tmp_path / "t.h5"
    with open_writer(path) as writer:
        writer.write(
            FeatureTable.from_columns(
                {
                    "length": [1.5, 2.5],
                    "speed": [1.0, 2.0],
                    "odd": [1.0, 2.0],
                    "plain": [1, 2],
                    "name": ["é", "bb"],
                },
                units={"length": "deg", "speed": "ns / deg", "odd": "photo-electrons"},
                descriptions={"length": "RMS along the major axis"},
            )
        )
    found = ctapipe_attributes(path, "/events")
    assert found == {
        "length": {"DESC": "RMS along the major axis", "TRANSFORM": "quantity", "UNIT": "deg"},
        "speed": {"TRANSFORM": "quantity", "UNIT": "ns.deg**-1"},
        "odd": {"SKYSIFT_UNIT": "photo-electrons"},  # as UNIT it would stop ctapipe's reader
        "plain": {},
        "name": {"TRANSFORM": "string", "MAXLEN": 2},
    }
    assert u.Unit(found["speed"]["UNIT"]) == u.ns / u.deg
    assert read_table(path).unit("odd") == "photo-electrons"


def test_the_answers_carry_the_names_and_descriptions_of_the_container_of_ctapipe(dl2):
    found = ctapipe_attributes(dl2, f"{GROUP}/tel_001")
    assert {name: about["NAME"] for name, about in found.items()} == {
        "obs_id": "obs_id",
        "event_id": "event_id",
        "tel_id": "tel_id",
        "SKYSIFT_tel_prediction": "prediction",
        "SKYSIFT_tel_is_valid": "is_valid",
    }
    assert all(about["DESC"] and "UNIT" not in about for about in found.values())  # pure numbers


@pytest.mark.filterwarnings("ignore")  # what ctapipe warns of is not ours to judge
def test_ctapipe_reads_the_table(dl2):
    io = pytest.importorskip("ctapipe.io", reason="ctapipe is not installed")
    table = io.read_table(dl2, f"{GROUP}/tel_001")
    assert table["event_id"].tolist() == [0, 2, 4, 6, 8, 10]
    assert table["SKYSIFT_tel_is_valid"].dtype == bool
    assert "gammaness" in table["SKYSIFT_tel_prediction"].description


@pytest.mark.filterwarnings("ignore")  # what ctapipe warns of is not ours to judge
def test_ctapipe_fills_its_container(dl2):
    io = pytest.importorskip("ctapipe.io", reason="ctapipe is not installed")
    containers = pytest.importorskip("ctapipe.containers", reason="ctapipe is not installed")
    with io.HDF5TableReader(dl2) as reader:
        answers = reader.read(
            f"{GROUP}/tel_001",
            containers.ParticleClassificationContainer,
            prefixes="SKYSIFT_tel",
            ignore_columns={"obs_id", "event_id", "tel_id"},
        )
        values = [(answer.prediction, bool(answer.is_valid)) for answer in answers]
    assert values == [(j / 100, True) for j in range(0, 12, 2)]


def ctapipe_dl1(path):
    """Write the least that ctapipe's TableLoader opens: one subarray of two telescopes, events."""
    import ctapipe.instrument as ci  # noqa: PLC0415 - only where ctapipe is installed
    from ctapipe.coordinates import CameraFrame  # noqa: PLC0415
    from ctapipe.io import write_table  # noqa: PLC0415

    pixels = np.arange(4)
    geometry = ci.CameraGeometry(
        "camera", pixels, pixels * u.m, 0 * pixels * u.m, np.ones(4) * u.m**2, "rectangular",
        frame=CameraFrame(focal_length=28 * u.m),
    )  # fmt: skip
    readout = ci.CameraReadout("camera", 1 * u.GHz, np.ones((1, 4)), 1 * u.ns, 1, 4, 4)
    optics = ci.OpticsDescription(
        name="LST", size_type=ci.SizeType.LST, reflector_shape=ci.ReflectorShape.PARABOLIC,
        n_mirrors=1, n_mirror_tiles=10, mirror_area=100 * u.m**2,
        equivalent_focal_length=28 * u.m, effective_focal_length=29 * u.m,
    )  # fmt: skip
    camera = ci.CameraDescription("camera", geometry, readout)
    telescope = ci.TelescopeDescription("LST", optics, camera)
    ci.SubarrayDescription(
        "two", {1: np.zeros(3) * u.m, 2: np.ones(3) * u.m}, {1: telescope, 2: telescope},
        reference_location=EarthLocation(0 * u.m, 0 * u.m, 6371 * u.km),
    ).to_hdf(path)  # fmt: skip
    event = np.arange(6)
    subarray = {"obs_id": np.full(6, 2008, "i4"), "event_id": event}
    triggered = {"tels_with_trigger": np.ones((6, 2), bool)}
    write_table(Table(subarray | triggered), path, "/dl1/event/subarray/trigger")
    each = {"obs_id": np.full(12, 2008, "i4"), "event_id": np.repeat(event, 2)}
    rows = Table(each | {"tel_id": np.tile(np.array([1, 2], "i2"), 6)})
    write_table(rows, path, "/dl1/event/telescope/trigger")
    for tel_id in (1, 2):
        mine = rows[rows["tel_id"] == tel_id]
        mine["hillas_length"] = np.linspace(0.1, 0.2, 6) * u.deg
        write_table(mine, path, f"/dl1/event/telescope/parameters/tel_{tel_id:03d}")


@pytest.mark.filterwarnings("ignore")  # what ctapipe warns of is not ours to judge
def test_ctapipe_joins_the_predictions_to_its_events(tmp_path):
    io = pytest.importorskip("ctapipe.io", reason="ctapipe is not installed")
    pytest.importorskip("hdf5plugin", reason="hdf5plugin is not installed")  # ctapipe uses Blosc
    ctapipe_dl1(tmp_path / "dl1.h5")
    events = read_table(tmp_path / "dl1.h5#/dl1/event/telescope/parameters", all_telescopes=True)
    assert events.unit("hillas_length") == "deg"
    scored = events.with_columns({"gammaness": 2 * events["hillas_length"]})
    write_ctapipe_dl2(tmp_path / "dl2.h5", [scored], source=tmp_path / "dl1.h5")
    options = dict.fromkeys(("simulated", "pointing", "observation_info", "instrument"), False)
    with io.TableLoader(tmp_path / "dl2.h5", dl2=True, dl1_parameters=True, **options) as loader:
        table = loader.read_telescope_events([1, 2])
    assert len(table) == 12
    np.testing.assert_allclose(
        table["SKYSIFT_tel_prediction"], 2 * np.asarray(table["hillas_length"])
    )
