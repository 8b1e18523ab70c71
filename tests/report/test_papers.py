from cort_data.report.papers import canonical, published_rows


def test_sets_go_by_many_names():
    assert canonical("HuggingFaceH4/MATH-500") == canonical("math500") == "MATH500"
    assert canonical("nano") is None


def test_rows_stand_beside_ours_under_our_name_of_the_set():
    rows = {row.model: row.accuracy for row in published_rows(["aime_24", "nano"])}
    assert rows["Hint-Engineering-RFT-32B"] == {"aime_24": 76.7}
    assert rows["ToRL-7B"] == {"aime_24": 37.9}


def test_without_a_shared_set_no_row_stands_there():
    assert published_rows(["nano"]) == []
