"""PostgreSQL for tests: a server of its own that lives as long as the test run, and a new database for each test.

The server named by `HOLDFAST_TEST_POSTGRES` is used if there is one (a connection string of a role that may create
databases and roles); else the machine's own programs start one in a temporary folder, as a user without rights.
"""

import atexit
import functools
import itertools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from holdfast.catalog.postgres.catalog import PostgresCatalog, open_postgres
from holdfast.catalog.postgres.migrations import migrate_database
from holdfast.catalog.postgres.settings import Limits
from tests.ports import free_port

VARIABLE = "HOLDFAST_TEST_POSTGRES"
REMEDY = "The tests need PostgreSQL. Type: apt-get install --no-install-recommends postgresql"
START_SECONDS = 60.0
GRANT = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"


class Cluster:
    """A server of the tests' own, in a folder that nothing else uses."""

    def __init__(self, folder: Path, programs: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = free_port()
        self.password = secrets.token_hex(8)
        self._programs = programs
        self._durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make an empty cluster."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        give_away(self.folder, secret)
        options = ("--encoding=UTF8", "--locale=C", "--username=postgres", f"--pwfile={secret}")
        self.run("initdb", f"--pgdata={self.data}", "--auth-local=trust", "--auth-host=scram-sha-256", *options)

    def run(self, program: str, *args: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        done = subprocess.run(
            [str(self._programs / program), *args], cwd=self.folder, capture_output=True, check=False, **as_nobody()
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")

    def start(self, *settings: str) -> None:
        """Start the server and wait until it answers."""
        options = [f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}"]
        options += ["max_connections=60", "shared_buffers=64MB", "logging_collector=off", "timezone=UTC"]
        if not self._durable:
            options += ["fsync=off", "full_page_writes=off"]
        command = [str(self._programs / "postgres"), "-D", str(self.data)]
        command += [part for option in (*options, *settings) for part in ("-c", option)]
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True, **as_nobody()
            )
        self.wait()

    def wait(self) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                dead = self._process is None or self._process.poll() is not None
                if dead or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:]) from None
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """The first process of the running server."""
        assert self._process is not None
        return self._process.pid

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT waits for nobody, SIGQUIT leaves recovery to the next start, SIGKILL more so."""
        process = self._process
        if process is None:
            return
        children = _children(process.pid)
        process.send_signal(how)
        process.wait(START_SECONDS)
        # After SIGKILL the children notice by themselves, and hold the memory until they have.
        deadline = time.monotonic() + START_SECONDS
        while any(map(_is_running, children)) and time.monotonic() < deadline:
            time.sleep(0.01)
        self._process = None

    def dsn(self, database: str, **changes: Any) -> str:
        """A connection string through the socket in the cluster's folder."""
        parts = {"host": str(self.folder), "port": self.port, "user": "postgres", "dbname": database, **changes}
        return make_conninfo(**parts)

    def url(self, database: str, user: str = "postgres", password: str | None = None, port: int | None = None) -> str:
        """A connection string over TCP, as an operator would write it."""
        secret = self.password if password is None else password
        return f"postgresql://{user}:{secret}@127.0.0.1:{port or self.port}/{database}"


def programs() -> Path:
    """The folder of PostgreSQL's programs. Raises `RuntimeError` with the line to type if there is none."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(found, key=lambda path: int(path.parts[4]), default=None)
    if newest is not None:
        return newest.parent
    named = shutil.which("postgres")
    if named is None:
        raise RuntimeError(REMEDY)
    return Path(named).resolve().parent


def as_nobody() -> dict[str, Any]:
    """What makes a child process run as a user without rights; PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user = _nobody()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def give_away(*paths: Path) -> None:
    """Let that user own the paths."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, _nobody().pw_uid, _nobody().pw_gid)


def _nobody() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("There is neither a user postgres nor a user nobody to start PostgreSQL as")


def _children(pid: int) -> Sequence[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return ()


def _is_running(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    # One that has ended and was not waited for by anybody holds nothing any more.
    return state not in {"Z", "X"}


@contextmanager
def own_cluster(*settings: str, durable: bool = False) -> Iterator[Cluster]:
    """A started server that one test may do anything to; `settings` as name=value."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-postgres-"))
    folder.chmod(0o755)
    cluster = Cluster(folder, programs(), durable=durable)
    try:
        cluster.create()
        cluster.start(*settings)
        yield cluster
    finally:
        cluster.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    """Where tests make their databases: a migrated template, and copies of it."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._numbers = itertools.count(1)
        self._prefix = f"holdfast_test_{os.getpid()}_{secrets.token_hex(3)}"
        self._template: str | None = None
        self._password = secrets.token_hex(8)

    def dsn(self, database: str, **changes: Any) -> str:
        """A connection string for one of the databases."""
        return make_conninfo(self._dsn, dbname=database, **changes)

    def empty(self) -> str:
        """A new database without anything in it; its name."""
        name = f"{self._prefix}_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING UTF8')
        return name

    def fresh(self) -> str:
        """A new database with the schema; its name."""
        if self._template is None:
            self._template = self.empty()
            migrate_database(self.dsn(self._template))
            self.execute(f"CREATE ROLE {self._prefix} LOGIN PASSWORD '{self._password}' NOSUPERUSER NOBYPASSRLS")
            self.execute(GRANT.format(role=self._prefix), self._template)
        name = f"{self._prefix}_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        return name

    def as_server(self, dsn: str) -> str:
        """The same database for a role that has no more than the rights to serve from it."""
        return make_conninfo(dsn, user=self._prefix, password=self._password)

    def url(self, dsn: str) -> str:
        """The same as `as_server`, as settings write it."""
        parts = conninfo_to_dict(self.as_server(dsn))
        user, secret, database = parts.pop("user"), parts.pop("password"), parts.pop("dbname")
        return f"postgresql://{user}:{secret}@/{database}?{urlencode(parts)}"

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def close(self) -> None:
        """Remove the template and the role."""
        if self._template is not None:
            self.drop(self._template)
            self.execute(f"DROP ROLE {self._prefix}")

    def execute(self, statement: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run a statement as the server's owner; its rows."""
        dsn = self._dsn if database is None else self.dsn(database)
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@functools.cache
def server() -> Server:
    """The server of this test run, started at its first use and stopped at the end of the process."""
    given = os.environ.get(VARIABLE)
    if given:
        shared = Server(given)
        atexit.register(shared.close)
        return shared
    started = own_cluster()
    cluster = started.__enter__()
    atexit.register(started.__exit__, None, None, None)
    return Server(cluster.dsn("postgres"))


def url_of(dsn: str) -> str:
    """A connection string as a setting takes it."""
    parts = conninfo_to_dict(dsn)
    database = parts.pop("dbname")
    return f"postgresql:///{database}?{urlencode({name: str(value) for name, value in parts.items()})}"


@contextmanager
def fresh_database() -> Iterator[str]:
    """The connection string of a new database with the schema, removed afterwards."""
    name = server().fresh()
    try:
        yield server().dsn(name)
    finally:
        server().drop(name)


@contextmanager
def serving_role(dsn: str, *, owner: bool) -> Iterator[str]:
    """The same database for a new ordinary role, which owns its tables or has the rights that serving takes."""
    database, role, password = (
        str(conninfo_to_dict(dsn)["dbname"]),
        f"holdfast_{secrets.token_hex(4)}",
        secrets.token_hex(8),
    )
    server().execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}' NOSUPERUSER NOBYPASSRLS")
    try:
        if owner:
            tables = server().execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", database)
            for (table,) in tables:
                server().execute(f"ALTER TABLE {table} OWNER TO {role}", database)
        else:
            server().execute(GRANT.format(role=role), database)
        yield make_conninfo(dsn, user=role, password=password)
    finally:
        server().execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}", database)
        server().execute(f"DROP ROLE {role}")


@asynccontextmanager
async def fresh_catalog(limits: Limits | None = None) -> AsyncIterator[PostgresCatalog]:
    """A catalog on a new database, served by an ordinary role, closed and removed afterwards."""
    with fresh_database() as dsn:
        catalog = open_postgres(server().as_server(dsn), limits)
        try:
            yield catalog
        finally:
            await catalog.close()
