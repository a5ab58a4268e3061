"""CSV and KEEL: layouts are found out, and a bad row is an error that says where."""

import gzip

import numpy as np
import pytest

from skysift.core.errors import ReadError
from skysift.data.io import iter_table, read_table


def written(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_separator_is_found_out(tmp_path, mark):
    text = f"size{mark}class\n2.5{mark}g\n3.5{mark}h\n"
    table = read_table(written(tmp_path, text))
    assert table["size"].tolist() == [2.5, 3.5]
    assert table["class"].tolist() == ["g", "h"]


def test_a_file_without_header_keeps_its_first_row(tmp_path):
    path = written(tmp_path, "28.8,16.0,g\n31.6,11.7,h\n", "magic.data")
    table = read_table(path, names=["fLength", "fWidth", "class"])
    assert table["fLength"].tolist() == [28.8, 31.6]


def test_a_file_without_header_and_names_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(ReadError, match=r"no header line, so its 3 columns.*names="):
        read_table(written(tmp_path, "28.8,16.0,g\n31.6,11.7,h\n"))


def test_names_replace_a_header(tmp_path):
    table = read_table(written(tmp_path, "a,b\n1,2\n"), names=["x", "y"])
    assert table.columns == ["x", "y"]
    assert len(table) == 1


def test_the_number_of_names_must_fit(tmp_path):
    with pytest.raises(ReadError, match="2 column names were given for 3"):
        read_table(written(tmp_path, "1,2,3\n"), names=["x", "y"])


def test_keel_names_come_from_the_attribute_lines(tmp_path):
    text = (
        "% made by hand\n@relation magic\n@attribute FLength real [4.2835, 334.177]\n"
        "@attribute FSize real[1.94,5.32]\n@attribute NPix integer [0, 10]\n"
        "@attribute Class{g, h}\n@inputs FLength, FSize, NPix\n@outputs Class\n@data\n"
        "28.8, 2.6, 3, g\n31.6, <null>, 4, h\n"
    )
    table = read_table(written(tmp_path, text, "magic.dat"))
    assert table.columns == ["FLength", "FSize", "NPix", "Class"]
    np.testing.assert_array_equal(table["FSize"], [2.6, np.nan])
    assert table["Class"].tolist() == ["g", "h"]


def test_keel_without_data_line_is_refused(tmp_path):
    with pytest.raises(ReadError, match="no '@data' line"):
        read_table(written(tmp_path, "@relation magic\n@attribute a real\n", "magic.dat"))


@pytest.mark.parametrize("missing", ["", "NA", "nan", "NaN", "null", "?"])
def test_missing_numbers_are_nan(tmp_path, missing):
    table = read_table(written(tmp_path, f"x,y\n1.5,1\n{missing},2\n2.5,3\n"))
    np.testing.assert_array_equal(table["x"], [1.5, np.nan, 2.5])


@pytest.mark.parametrize("row", [0, 1, 700, 40_000])
def test_text_in_a_column_of_numbers_names_the_row(tmp_path, row):
    lines = [f"{j}.5,g" for j in range(50_000)]
    lines[row] = "oops,g"
    with pytest.raises(ReadError, match="'size' holds double, but here 'oops'") as caught:
        read_table(written(tmp_path, "size,class\n" + "\n".join(lines) + "\n"))
    assert caught.value.row == row
    assert caught.value.path == tmp_path / "t.csv"
    assert caught.value.remedy


@pytest.mark.parametrize("header", [True, False])
def test_a_ragged_row_names_the_row(tmp_path, header):
    text = ("a,b\n" if header else "") + "1,2\n3,4\n5\n7,8\n"
    with pytest.raises(ReadError, match="1 cells instead of 2") as caught:
        read_table(written(tmp_path, text), names=["a", "b"])
    assert caught.value.row == 2


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# only a comment\n"])
def test_a_file_without_rows_is_refused(tmp_path, content):
    with pytest.raises(ReadError):
        read_table(written(tmp_path, content))


def test_a_header_alone_is_an_empty_table(tmp_path):
    table = read_table(written(tmp_path, "a,b\n"))
    assert (len(table), table.columns) == (0, ["a", "b"])


def test_text_that_is_not_utf8_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(ReadError, match=r"not UTF-8.*iconv"):
        read_table(written(tmp_path, "x,name\n1,Müller\n".encode("latin-1")))


def test_repeated_names_are_refused(tmp_path):
    with pytest.raises(ReadError, match="occur twice: x"):
        read_table(written(tmp_path, "x,y,x\n1,2,3\n"))


def test_dates_stay_text(tmp_path):
    table = read_table(written(tmp_path, "t,x\n2014-10-24T21:41:00,1\n2014-10-25,2\n"))
    assert table["t"].tolist() == ["2014-10-24T21:41:00", "2014-10-25"]


def test_a_column_with_lists_of_numbers_is_text(tmp_path):
    """The NOAA regions of a SHARP: mostly one."""
    table = read_table(written(tmp_path, 'noaa_ars,x\n11423,1\n"11424,11427",2\n11428,3\n'))
    assert table["noaa_ars"].tolist() == ["11423", "11424,11427", "11428"]
    with pytest.raises(ReadError, match="'size' holds double, but here '1,234'"):
        read_table(written(tmp_path, 'size,x\n999,1\n"1,234",2\n12,3\n'))


def test_large_identifiers_stay_exact(tmp_path):
    identifier = 4_611_686_018_427_387_905  # float64 would make it ...904
    table = read_table(written(tmp_path, f"source_id,x\n{identifier},1\n"))
    assert int(table["source_id"][0]) == identifier


def test_quoted_cells_may_hold_separators_and_line_breaks(tmp_path):
    table = read_table(written(tmp_path, 'x,note\n1,"a, b\nc"\n2,"d ""e"""\n'))
    assert table["note"].tolist() == ["a, b\nc", 'd "e"']


def test_a_typing_error_in_a_column_names_the_nearest(tmp_path):
    with pytest.raises(ReadError, match=r"no column 'lenght'. Did you mean 'length'"):
        read_table(written(tmp_path, "length,width\n1,2\n"), columns=["lenght"])


def test_gzip_reads_like_the_plain_file(tmp_path):
    path = written(tmp_path, gzip.compress(b"a,b\n1,2\n"), "t.csv.gz")
    table = read_table(path)
    assert table["b"].tolist() == [2.0]
    assert table.meta["path"] == str(path)


def test_gzip_that_grows_too_much_is_refused(tmp_path):
    path = written(tmp_path, gzip.compress(b"a,b\n" + b"1,2\n" * 100_000), "t.csv.gz")
    with pytest.raises(ReadError, match="grows beyond 1,000 bytes"):
        read_table(path, max_decompressed=1000)


def test_gzip_of_an_unlikely_ratio_is_refused(tmp_path):
    path = written(tmp_path, gzip.compress(bytes(80 * 1024**2), 1), "t.csv.gz")
    with pytest.raises(ReadError, match="grows beyond"):
        read_table(path)


def test_gzip_cut_short_is_refused(tmp_path):
    whole = gzip.compress("\n".join(f"{j},{j * j}" for j in range(5000)).encode())
    with pytest.raises(ReadError, match="gzip file is damaged or cut short"):
        read_table(written(tmp_path, whole[: len(whole) // 2], "t.csv.gz"), names=["a", "b"])


def test_a_large_file_comes_in_batches_of_the_size_asked_for(tmp_path):
    text = "x\n" + "".join(f"{j}\n" for j in range(10_000))
    sizes = [len(batch) for batch in iter_table(written(tmp_path, text), batch_rows=3000)]
    assert sizes == [3000, 3000, 3000, 1000]


def test_a_byte_order_mark_is_not_part_of_the_name(tmp_path):
    table = read_table(written(tmp_path, b"\xef\xbb\xbfx,y\r\n1,2\r\n"))
    assert table.columns == ["x", "y"]


def test_a_form_feed_in_a_comment_is_no_line(tmp_path):
    text = "% page\x0c two\n@relation r\n@attribute a real\n@data\n1\n2\n"
    assert read_table(written(tmp_path, text, "t.dat"))["a"].tolist() == [1.0, 2.0]
