"""The bench on PostgreSQL: its table, and a short round of uploads."""

import sys
from pathlib import Path
from typing import Any

import pytest

import bench.postgres
from bench.postgres import KEYS, PUBLISHED, Asked, arguments, column, measure, results, told
from bench.report import LINES, table
from bench.workloads import Scale
from tests.engines.postgres import server, url_of

ASKED = Asked(Path("holdfast"), (1, 2), 1, Scale(10, 1, 1, 2000))


def measured(key: str, processes: int, **figures: float) -> dict[str, Any]:
    return {"workload": key, "peer": column(processes), "round": 1, "workers": processes, "figures": figures}


def test_the_table_has_what_was_measured_what_is_published_and_the_ratio() -> None:
    found = results(ASKED, "holdfast 1", [measured("W5", 2, rps=5945.0, cpu_us=100.0, database_us=20.0)], [])
    head, *rows = table(found)
    assert head == ["", "work", "1 process", "2 processes", "supabase", "1 process/supabase", "2 processes/supabase",
                    "workers"]  # fmt: skip
    metadata = next(row for row in rows if row[1].startswith("metadata, per s"))
    assert metadata[2:7] == ["–", "5,945 (100 + 20 µs)", "1,189", "–", "5.00"]
    assert "another run, same machine class" in told(found)


def test_every_published_figure_has_its_line() -> None:
    shown = {(line.workload, line.key) for line in LINES}
    assert {(key, figure) for key, figures in PUBLISHED.items() for figure in figures} <= shown
    assert sorted(PUBLISHED) == sorted(KEYS)


def test_the_short_look_is_shorter() -> None:
    (short, none), (whole, _) = arguments(["--quick"]), arguments([])
    assert none is None
    assert short.rounds < whole.rounds
    assert all(few < many for few, many in zip(_amounts(short), _amounts(whole), strict=True))
    with pytest.raises(SystemExit):
        arguments(["--processes", "none"])


def _amounts(asked: Asked) -> tuple[int, ...]:
    return asked.scale.uploads, asked.scale.seconds, asked.scale.rows


def test_a_round_of_uploads_goes_over_a_real_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.postgres, "CACHE", tmp_path)
    program = Path(sys.executable).with_name("holdfast")
    name = server().empty()
    try:
        # COPY takes the superuser whom the tests' own server has.
        found = measure(Asked(program, (2,), 1, Scale(20, 1, 1, 300), keys=("W1",)), url_of(server().dsn(name)), None)
    finally:
        server().drop(name)
    assert found.document["failures"] == []
    assert found.middle("W1", column(2), "uploads_s")
    assert found.values("W1", column(2), "errors") == [0]
    assert not list(tmp_path.glob("postgres/*"))
