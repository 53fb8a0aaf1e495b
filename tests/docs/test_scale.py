"""The plan in docs/scale.md is what its model says."""

from bench.growth import SEEN, SIZES, Assumed, grown, table
from tests.house.source import PROJECT


def test_the_table_of_the_plan_is_that_of_the_model() -> None:
    assert table() in (PROJECT / "docs" / "scale.md").read_text(encoding="utf-8")


def test_what_is_twice_as_large_takes_twice_as_much() -> None:
    for size in SIZES:
        one, two = grown(size, SEEN), grown(2 * size, SEEN)
        assert (two.content, two.catalog) == (2 * one.content, 2 * one.catalog)
        assert two.verify_processes >= one.verify_processes >= 1
        assert two.partitions * Assumed().rows_a_partition >= two.attachments
