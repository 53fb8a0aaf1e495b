"""What RedBot and httplint say of URLs. Runs in RedBot's own environment (tests/parts/redbot.sh), on its own.

Takes a JSON list of {"url", "method", "headers", "probe"} from the standard input; for each, RedBot asks for it, and
asks again with conditions, ranges and codings, and httplint judges every answer. Writes one JSON line for each note:
url, probe, request, level, note, subject, summary.
"""

import json
import sys
from configparser import ConfigParser
from typing import Any

import thor  # type: ignore[import-not-found]
from httplint.note import Note  # type: ignore[import-not-found]
from redbot.resource import HttpResource  # type: ignore[import-not-found]

_LEVELS = frozenset({"warning", "bad"})


def main() -> None:
    """Judge one after another, so that each answer is whole."""
    asked: list[dict[str, Any]] = json.load(sys.stdin)
    config = ConfigParser()
    config.read_dict({"redbot": {"enable_local_access": "True"}})

    def following() -> None:
        if not asked:
            thor.stop()
            return
        wanted = asked.pop(0)
        resource = HttpResource(config["redbot"])
        resource.set_request(wanted["url"], wanted.get("method", "GET"), list(wanted["headers"].items()))

        def done() -> None:
            report({"url": wanted["url"], "probe": wanted["probe"]}, resource)
            following()

        resource.once("check_done", done)
        resource.check()

    thor.schedule(0, following)
    thor.run()


def report(asked: dict[str, str], resource: Any) -> None:
    """Every note on the answer to the plain request and to the probing ones; and that they were made."""
    fetches = {"plain": resource, **resource.subreqs}
    statuses = {name: fetch.response.status_code for name, fetch in fetches.items() if fetch.fetch_started}
    write(**asked, request="", level="made", note="", subject="", summary=json.dumps(statuses))
    for name, fetch in fetches.items():
        if fetch.fetch_error is not None:
            write(**asked, request=name, level="bad", note="ERROR", subject="", summary=str(fetch.fetch_error))
        for note in fetch.response.notes:
            tell({**asked, "request": name}, note)


def tell(of: dict[str, str], note: Note) -> None:
    """One note and those below it."""
    if note.level.value in _LEVELS:
        write(**of, level=note.level.value, note=type(note).__name__, subject=note.subject, summary=str(note))
    for inner in note.subnotes:
        tell(of, inner)


def write(**line: str) -> None:
    """One line."""
    sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
