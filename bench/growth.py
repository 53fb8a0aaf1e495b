"""What an installation of any size takes: a small model whose inputs were measured. `python -m bench.growth`.

Nothing here is a promise: rates come from one small machine under load, and prices of stores are left to the reader.
"""

from dataclasses import dataclass

GIB = 2**30
TIB = 2**40
SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Measured:
    """What was seen: bytes in PostgreSQL for each attachment with its version, its link and all indexes; bytes a second
    that one process reads and digests; rows a second that a move reads and compares on both sides."""

    row_bytes: int
    digested_a_second: int
    compared_a_second: int


@dataclass(frozen=True)
class Assumed:
    """What the plan assumes: mean size of a content, share of `row_bytes` in indexes that answer hot requests, share of
    attachments that are asked for in a month, rows and bytes that one database and one partition should hold."""

    content_bytes: int = 1_000_000
    hot_share: float = 0.05
    rows_a_partition: int = 50_000_000
    rows_a_database: int = 500_000_000


@dataclass(frozen=True)
class Installation:
    """What so many attachments take."""

    attachments: int
    content: int
    catalog: int
    hot: int
    partitions: int
    databases: int
    verify_days: float
    verify_processes: int
    move_hours: float


def grown(attachments: int, measured: Measured, assumed: Assumed | None = None, verify_days: int = 90) -> Installation:
    """The figures for so many attachments; every content is to be verified once in `verify_days`."""
    plan = assumed or Assumed()
    content = attachments * plan.content_bytes
    catalog = attachments * measured.row_bytes
    alone = content / measured.digested_a_second / SECONDS_A_DAY
    return Installation(
        attachments=attachments,
        content=content,
        catalog=catalog,
        hot=int(catalog * plan.hot_share),
        partitions=-(-attachments // plan.rows_a_partition),
        databases=-(-attachments // plan.rows_a_database),
        verify_days=alone,
        verify_processes=max(1, -(-int(alone * 1000) // (verify_days * 1000))),
        move_hours=2 * attachments * ROWS_AN_ATTACHMENT / measured.compared_a_second / 3600,
    )


ROWS_AN_ATTACHMENT = 5
"""Attachment, version, blob, link and event."""

SEEN = Measured(row_bytes=3_746, digested_a_second=176_000_000, compared_a_second=6_200)
"""On the machine and day of docs/scale.md."""

SIZES = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)


def table(measured: Measured = SEEN) -> str:
    """The plan as a Markdown table."""
    lines = [
        (
            "| attachments | contents | catalog | of it hot | partitions | databases | digesting all, one process | "
            "processes for a round in 90 days | a move's two passes, in use |"
        ),
        "|" + "---|" * 9,
    ]
    for size in SIZES:
        each = grown(size, measured)
        lines.append(
            f"| {size:,} | {each.content / TIB:,.1f} TiB | {each.catalog / GIB:,.0f} GiB | {each.hot / GIB:,.1f} GiB "
            f"| {each.partitions} | {each.databases} | {each.verify_days:,.1f} days | {each.verify_processes} "
            f"| {each.move_hours:,.1f} h |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
