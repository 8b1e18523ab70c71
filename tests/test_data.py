"""The folders that travel with the package."""

import pytest

from cort_data import data
from cort_data.errors import CortError


def test_a_checkout_has_them_beside_the_package():
    assert (data.data_dir("hints") / "open.md").is_file()


def test_an_installed_package_has_them_inside(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "_PACKAGE", tmp_path / "cort_data")
    with pytest.raises(CortError, match="install cort-data again"):
        data.data_dir("hints")
    inside = tmp_path / "cort_data" / "_data" / "hints"
    inside.mkdir(parents=True)
    assert data.data_dir("hints") == inside
