"""A record that is answered with several tables has all of them published."""


def test_tables_of_one_record_do_not_take_one_another_s_place(toy):
    toy.put("a.json", value=3, do="answer other")
    assert toy.run()["done"] == 1
    assert len(list(toy.found.glob("night=*/part-*"))) == 1  # lines of JSON hold both

    toy.put("b.json", value=4, do="answer other")
    assert toy.run(format="parquet")["done"] == 2
    assert toy.values_and_texts() == ["3", "3", "4", "4"]
    assert len(list(toy.found.glob("night=*/part-*.parquet"))) == 2
