"""Medians over the rounds, ratios, and the table: for a terminal or for the docs."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OURS = "holdfast"


@dataclass(frozen=True)
class Line:
    """One line of the table: a figure of a workload, and the figure that stands in brackets beside it."""

    workload: str
    key: str
    title: str
    beside: str | None = None
    unit: str = ""
    less_is_better: bool = False


def _rate(workload: str, what: str, prefix: str = "") -> tuple[Line, ...]:
    return (
        Line(workload, f"{prefix}rps", f"{what}, per s (CPU of each)", f"{prefix}cpu_us", "µs"),
        Line(workload, f"{prefix}p50_ms", f"{what}, p50 ms", less_is_better=True),
        Line(workload, f"{prefix}p99_ms", f"{what}, p99 ms", less_is_better=True),
    )


LINES = (
    Line("W1", "uploads_s", "50 KiB uploads, per s (CPU of each)", "cpu_us", "µs"),
    Line("W1", "p50_ms", "50 KiB uploads, p50 ms", less_is_better=True),
    Line("W1", "p99_ms", "50 KiB uploads, p99 ms", less_is_better=True),
    Line("W2", "mb_s", "{big} upload, MB/s (CPU for a GiB)", "cpu_s_gib", "s"),
    Line("W2", "peak_rss_mib", "{big} upload, peak RSS MiB", less_is_better=True),
    Line("W2", "largest_rss_mib", "{big} upload, peak RSS of the largest process, MiB", less_is_better=True),
    Line("W3", "mb_s", "{big} download, MB/s (CPU for a GiB)", "cpu_s_gib", "s"),
    Line("W3", "peak_rss_mib", "{big} download, peak RSS MiB", less_is_better=True),
    Line("W3", "largest_rss_mib", "{big} download, peak RSS of the largest process, MiB", less_is_better=True),
    *_rate("W4", "50 KiB downloads"),
    *_rate("W5", "metadata"),
    *_rate("W6", "list of 50 from {rows}, first page", "first."),
    *_rate("W6", "list, deep page", "deep."),
    *_rate("W6", "list, name search", "search."),
    Line("W6", "deep_over_first", "deep page, times the cost of the first", less_is_better=True),
    Line(
        "W6",
        "first_counted.rps",
        "first page with a count of all rows, per s (CPU of each)",
        "first_counted.cpu_us",
        "µs",
    ),
    Line(
        "W6", "deep_counted.rps", "deep page with a count of all rows, per s (CPU of each)", "deep_counted.cpu_us", "µs"
    ),
    Line("W7", "first_ms", "first thumbnail of 12 megapixels, ms", less_is_better=True),
    Line("W7", "over_pillow", "first thumbnail, times a bare Pillow call", less_is_better=True),
    *_rate("W7", "cached thumbnail"),
    Line("W8", "cold_start_s", "cold start, s", less_is_better=True),
    Line("W8", "pss_mib", "idle PSS, MiB", less_is_better=True),
    *(
        line
        for way, what in (("up", "uploads"), ("down", "downloads"))
        for line in (
            Line("W10", f"{way}.mb_s", f"200 {what} at once, MB/s (CPU for a GiB)", f"{way}.cpu_s_gib", "s"),
            Line("W10", f"{way}.peak_rss_mib", f"200 {what} at once, peak RSS MiB", less_is_better=True),
        )
    ),
    Line("W9", "acknowledged", "kill -9: uploads acknowledged"),
    Line("W9", "missing", "kill -9: of these missing"),
    Line("W9", "corrupt", "kill -9: of these corrupt"),
    Line("FS", "calls", "calls for each upload"),
)
COUNTED = frozenset({"missing", "corrupt", "acknowledged"})
WITHOUT_RATIO = COUNTED | {"deep_over_first"}


class Results:
    """What a run measured, as it is written to .cache/bench/last.json."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    @classmethod
    def read(cls, path: Path) -> "Results":
        return cls(json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.document, indent=1, ensure_ascii=False) + "\n")

    @property
    def peers(self) -> list[str]:
        return list(self.document["peers"])

    @property
    def compared(self) -> list[tuple[str, str]]:
        """The pairs whose ratios are told: what is above, and what is below the line."""
        others = [peer for peer in self.peers if peer != OURS] if OURS in self.peers else []
        return [(above, below) for above, below in self.document.get("compared", [(OURS, peer) for peer in others])]

    def values(self, workload: str, peer: str, key: str) -> list[Any]:
        measures = self.document["measures"]
        chosen = (each for each in measures if each["workload"] == workload and each["peer"] == peer)
        return [each["figures"][key] for each in chosen if key in each["figures"]]

    def middle(self, workload: str, peer: str, key: str) -> float | str | None:
        """The median of the rounds; losses and acknowledgements are added up, words are taken from the last round."""
        values = self.values(workload, peer, key)
        if not values:
            return None
        if isinstance(values[-1], str):
            return values[-1]
        return float(sum(values)) if key in COUNTED else float(statistics.median(values))

    def workers(self, workload: str) -> str:
        """As "2 · 2 · 1": one number for each peer in the order of the columns."""
        by_peer = {each["peer"]: each["workers"] for each in self.document["measures"] if each["workload"] == workload}
        return " · ".join(str(by_peer.get(peer, "–")) for peer in self.peers)


def _number(value: float | str | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cell(results: Results, line: Line, peer: str) -> str:
    shown = _number(results.middle(line.workload, peer, line.key))
    beside = results.middle(line.workload, peer, line.beside) if line.beside else None
    if beside is None or line.beside is None:
        return shown
    # What the server's database spent on each request, where it was watched.
    database = results.middle(line.workload, peer, line.beside.replace("cpu_us", "database_us"))
    added = "" if database is None or line.unit != "µs" else f" + {_number(database)}"
    return f"{shown} ({_number(beside)}{added} {line.unit})"


def _ratio(results: Results, line: Line, above: str, below: str) -> str:
    ours, theirs = (results.middle(line.workload, name, line.key) for name in (above, below))
    if line.key in WITHOUT_RATIO or not isinstance(ours, float) or not isinstance(theirs, float) or theirs == 0:
        return "–"
    return f"{ours / theirs:.2f}" + (" ↓" if line.less_is_better else "")


def table(results: Results) -> list[list[str]]:
    peers, options = results.peers, results.document["options"]
    pairs = results.compared
    rows = [["", "work", *peers, *(f"{above}/{below}" for above, below in pairs), "workers"]]
    words = {"rows": f"{options['rows']:,}", "big": _size(int(options["big_mib"]))}
    for line in LINES:
        cells = [_cell(results, line, peer) for peer in peers]
        if any(cell != "–" for cell in cells):
            ratios = [_ratio(results, line, *pair) for pair in pairs]
            rows.append([line.workload, line.title.format(**words), *cells, *ratios, results.workers(line.workload)])
    return rows


def _size(mib: int) -> str:
    return f"{mib // 1024} GiB" if mib % 1024 == 0 else f"{mib} MiB"


def as_text(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        left = f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}"
        right = "  ".join(f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:], strict=True))
        lines.append(f"{left}  {right}".rstrip())
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def doubts(results: Results) -> list[str]:
    """What a reader must know before believing the figures."""
    found = list(results.document["failures"])
    for each in results.document["measures"]:
        where, figures = f"{each['workload']} {each['peer']} round {each['round']}", each["figures"]
        if figures.get("errors"):
            found.append(f"{where}: {figures['errors']:.0f} requests failed")
        if figures.get("other_cores", 0) > 0.3:
            found.append(f"{where}: the rest of the machine used {figures['other_cores']:.1f} cores meanwhile")
    return found


def render(results: Results, markdown: bool) -> str:
    document = results.document
    versions = ", ".join(f"{name}: {version}" for name, version in document["versions"].items() if version)
    arrow = "↓: less is better. Workers: one number for each server, in the order of the columns."
    about = f"{document['date']}, {document['machine']}; medians, rounds: {document['options']['rounds']}. {versions}."
    rows = table(results)
    parts = [as_markdown(rows) if markdown else as_text(rows), f"{about} {arrow}", *doubts(results)]
    return ("\n\n" if markdown else "\n").join(parts)
