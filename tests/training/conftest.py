"""A student of a few thousand weights with the nano tokenizer, and hand-written traces for it."""

import pytest

pytest.importorskip("trl")

from .hand import nano_tokenizer, small_student


@pytest.fixture(scope="session")
def tokenizer():
    return nano_tokenizer()


@pytest.fixture(scope="session")
def student_dir(tmp_path_factory):
    return small_student(tmp_path_factory.mktemp("student"))


@pytest.fixture
def student(tokenizer):
    from cort_data.profiles import load_profile
    from cort_data.training.tokens import Student

    return Student(tokenizer, load_profile("nano"))
