"""Functions and files stay short enough to be read in one go."""

from pathlib import Path

import pytest

from tests.house.source import PROJECT, SOURCE, TESTS, function_lengths, percentile, python_files

LONGEST_FUNCTION = 60
MOST_FUNCTIONS = 40
LONGEST_FILE = 700

both_folders = pytest.mark.parametrize("folder", [SOURCE, TESTS], ids=["src", "tests"])


def lengths_of(folder: Path) -> dict[str, int]:
    return {
        f"{path.relative_to(PROJECT)}:{name}": length
        for path in python_files(folder)
        for name, length in function_lengths(path.read_text(encoding="utf-8")).items()
    }


@both_folders
def test_no_function_is_too_long(folder: Path) -> None:
    assert {name: length for name, length in lengths_of(folder).items() if length > LONGEST_FUNCTION} == {}


@both_folders
def test_nearly_all_functions_are_short(folder: Path) -> None:
    assert percentile(list(lengths_of(folder).values()), 0.95) <= MOST_FUNCTIONS


@both_folders
def test_no_file_is_too_long(folder: Path) -> None:
    lengths = {str(path.relative_to(PROJECT)): path.read_bytes().count(b"\n") for path in python_files(folder)}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_lengths_count_nested_and_async_functions() -> None:
    source = "class A:\n    async def b(self):\n        def c():\n            pass\n\n        c()\n"
    assert function_lengths(source) == {"b:2": 5, "c:3": 2}


def test_the_percentile_is_a_value_that_occurs() -> None:
    assert percentile([*range(1, 101)], 0.95) == 95
    assert percentile([7], 0.95) == 7
    assert percentile([1, 1, 90], 0.95) == 90
