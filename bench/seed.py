"""Puts attachment rows straight into the catalog of a stopped Holdfast: `python -m bench.seed --data DIR --rows N`.

Run with the interpreter that has the package. Rows are named seed-0.pdf to seed-(N-1).pdf, of 51,200 bytes each, and
hang on the record job:bench; they share one stored blob, because the lists that use them never read contents.
"""

import argparse
from pathlib import Path


def seed(data: Path, account: str, rows: int) -> None:
    """Insert `rows` attachments into the catalog under `data`, in batches, printing progress to stderr."""
    raise NotImplementedError("the catalog has no bulk door yet")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.seed", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the server's data folder; no server may run on it")
    parser.add_argument("--account", default="bench", help="the account that owns the rows (default: bench)")
    parser.add_argument("--rows", type=int, required=True, help="how many attachments to add")
    given = parser.parse_args()
    seed(given.data, given.account, given.rows)


if __name__ == "__main__":
    main()
