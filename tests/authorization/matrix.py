"""The cells: who asks, from within which scope, for whose things, in which form; and what must come of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

import msgspec

from holdfast.core.model import ADMIN, PURGE, READ, RECORDS_READ, RECORDS_WRITE, WRITE
from holdfast.dialects import ALL
from holdfast.dialects.case_iq.shapes import workflow_id
from holdfast.dialects.propops.sessions import csrf_token
from holdfast.web.dialect import Dialect, Route
from tests.authorization.table import REFUSED, ROWS, Row
from tests.authorization.world import PNG, World
from tests.installation import Installation
from tests.web.asgi import Answer, Client

EVERYTHING = "*"
ROLES: Mapping[str, tuple[str, ...]] = {
    "reader": (READ, RECORDS_READ),
    "writer": (READ, WRITE, RECORDS_READ),
    "purger": (READ, PURGE),
    "record reader": (RECORDS_READ,),
    "record writer": (RECORDS_READ, RECORDS_WRITE),
    "admin": (ADMIN,),
    "another key": ("api.somewhere.else.manage",),
    "*": (EVERYTHING,),
}
KEY = "its key"
STRANGERS = ("no token", "a wrong token", "a revoked token")
SCOPES: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "in": ("record:branch:{top}",),
    "out": ("record:branch:{other}",),
    "path": ("path:/",),
    "type": ("type:branch",),
}
COVERED: Mapping[str, frozenset[str]] = {
    "none": frozenset({"record", "path", "account", "anywhere"}),
    "in": frozenset({"record", "anywhere"}),
    "out": frozenset({"anywhere"}),
    "path": frozenset({"path", "anywhere"}),
    "type": frozenset({"record", "anywhere"}),
}
"""Which places each scope reaches."""

BOUNDARY = "q7Wc0"
FIELD = re.compile(r"\{(\w+)(?::path)?\}")
NAME = re.compile(r"\{([a-z0-9_ ]+)\}")
VARYING = frozenset({"x-request-id", "date", "x-response-time-ms", "x-db-query-time-ms", "x-ratelimit-remaining"})


@dataclass(frozen=True)
class Exercise:
    """One row of the table at its route. `form` is how it is asked: as it is, by HEAD, for a range."""

    dialect: Dialect
    route: Route
    row: Row
    label: str
    form: str = "plain"

    @property
    def method(self) -> str:
        return "HEAD" if self.form == "head" else self.route.method

    @property
    def writes(self) -> bool:
        return self.row.target == "change"

    def forms(self) -> Iterator["Exercise"]:
        yield self
        if self.route.method == "GET":
            yield replace(self, form="head")
        if self.row.ranged:
            yield replace(self, form="range")


def exercises() -> list[Exercise]:
    """Every row, at the route that it names."""
    found = []
    for dialect in ALL:
        routes = {f"{route.method} {route.path}": route for route in dialect.routes}
        for label, row in ROWS[dialect.name].items():
            name, _, query = label.partition("?")
            name = " ".join(name.split(" ")[:2])
            joined = "&".join(filter(None, (query if "=" in query else "", row.query)))
            found.append(Exercise(dialect, routes[name], replace(row, query=joined), f"{dialect.name} {label}"))
    return found


def uncovered() -> list[str]:
    """Routes that need a caller and have no row."""
    covered = {id(exercise.route) for exercise in exercises()}
    routes = [(dialect, route) for dialect in ALL for route in dialect.routes if not route.public]
    return [f"{dialect.name} {route.method} {route.path}" for dialect, route in routes if id(route) not in covered]


# ---------------------------------------------------------------- who asks


@dataclass(frozen=True)
class Caller:
    """Somebody with a secret, and what the table has to know of it."""

    role: str
    scope: str
    secret: str | None
    permissions: frozenset[str]

    @property
    def known(self) -> bool:
        return self.role not in STRANGERS


@dataclass
class Callers:
    """Tokens, made when first wanted."""

    house: Installation
    world: World
    revoked: str
    _made: dict[tuple[tuple[str, ...], str], str] = field(default_factory=dict)

    async def of(self, role: str, scope: str, route: Route) -> Caller:
        if role in STRANGERS:
            secrets = {"no token": None, "a wrong token": "0" * 64, "a revoked token": self.revoked}
            return Caller(role, scope, secrets[role], frozenset())
        permissions = (route.keys[0],) if role == KEY else ROLES[role]
        if (permissions, scope) not in self._made:
            scopes = [text.format_map(self.world.names) for text in SCOPES[scope]]
            self._made[permissions, scope] = await self.house.token(*permissions, scopes=scopes)
        return Caller(role, scope, self._made[permissions, scope], frozenset(permissions))


def people(route: Route) -> Iterator[tuple[str, str]]:
    """Every role in every scope; strangers have none."""
    yield from ((role, "none") for role in STRANGERS)
    roles = (*ROLES, KEY) if route.keys else tuple(ROLES)
    yield from ((role, scope) for role in roles for scope in SCOPES)


# ---------------------------------------------------------------- what must come of it


@dataclass(frozen=True)
class Expected:
    """`status` of the answer, and whether what the row shows is in it (None: nothing to look for)."""

    status: int
    shown: bool | None = None


def expected(exercise: Exercise, caller: Caller) -> Expected:
    """What the table says of a caller who asks for things of its own account."""
    row, route = exercise.row, exercise.route
    forbidden, outside = REFUSED[exercise.dialect.name]
    if not caller.known:
        return Expected(401)
    granted = caller.permissions
    if not granted.isdisjoint(route.keys):
        granted |= set(route.grants)
    status = row.outside.get(caller.scope) if isinstance(row.outside, Mapping) else row.outside
    if row.first and not _may(granted, row.first):
        return Expected(forbidden)
    covered = COVERED[caller.scope]
    if row.first and covered.isdisjoint(row.first_places or row.places):
        return Expected(status or outside)
    if not _may(granted, row.needs) or not _may(granted, row.either[:1] if granted.isdisjoint(row.either) else ()):
        return Expected(forbidden)
    reached = covered.issuperset(row.places) if exercise.writes else not covered.isdisjoint(row.places)
    if row.target == "list":
        return Expected(_ok(exercise), reached)
    return Expected(_ok(exercise)) if reached else Expected(status or outside)


def _may(granted: frozenset[str], needs: tuple[str, ...]) -> bool:
    return EVERYTHING in granted or granted.issuperset(needs)


def _ok(exercise: Exercise) -> int:
    return 206 if exercise.form == "range" else exercise.row.ok


# ---------------------------------------------------------------- asking


def request(exercise: Exercise, world: World, secret: str | None, account: int) -> dict[str, Any]:
    """The request of a row for the things of a world: target, body, headers."""
    row = exercise.row
    names = {**world.names, "csrf": csrf_token(secret or ""), "workflow": str(workflow_id(account))}

    def fill(text: str) -> str:
        return NAME.sub(lambda found: names[found[1]], text)

    def value(name: str) -> str:
        said = row.fields[name]
        return fill(said[1:]) if said.startswith("=") else names[said]

    path = FIELD.sub(lambda found: quote(value(found[1]).lstrip("/"), safe="/"), exercise.route.path)
    if "+" in row.fields:
        path += f"/{row.fields['+'][1:]}"
    query = "&".join(
        f"{key}={quote(fill(text), safe='')}"
        for key, _, text in (part.partition("=") for part in row.query.split("&"))
        if key
    )
    headers = dict(row.headers)
    if secret is not None:
        headers["Authorization"] = f"Bearer {secret}"
    if exercise.form == "range":
        headers["Range"] = "bytes=1-2"
    body, kind = _body(row, fill)
    if kind:
        headers["Content-Type"] = kind
    return {"target": path + (f"?{query}" if query else ""), "body": body, "headers": headers}


def _body(row: Row, fill: Any) -> tuple[bytes, str]:
    if row.raw is not None:
        return row.raw, "application/octet-stream"
    if row.json is not None:
        return fill_deep(row.json, fill), "application/json"
    if row.form is None and not row.file:
        return b"", ""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fill(text)}\r\n'.encode()
        for name, text in (row.form or {}).items()
    ]
    if row.file:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{row.file}"; filename="new.png"\r\n'
        parts.append(head.encode() + b"Content-Type: image/png\r\n\r\n" + PNG + b"new\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


def fill_deep(value: Any, fill: Any) -> bytes:
    """The JSON of a value with names filled in."""

    def deep(part: Any) -> Any:
        if isinstance(part, str):
            return fill(part)
        if isinstance(part, dict):
            return {key: deep(each) for key, each in part.items()}
        return [deep(each) for each in part] if isinstance(part, list) else part

    return msgspec.json.encode(deep(value))


async def ask(client: Client, exercise: Exercise, world: World, caller: Caller, account: int) -> Answer:
    asked = request(exercise, world, caller.secret, account)
    return await client(exercise.method, asked["target"], asked["body"], headers=asked["headers"])


def told(answer: Answer, world: World) -> tuple[int, list[tuple[str, str]], str]:
    """An answer without what differs from one to the next, and without the names of the world asked for."""
    headers = [(name.decode(), world.blank(value.decode("latin-1"))) for name, value in answer.raw_headers]
    kept = sorted(pair for pair in headers if pair[0] not in VARYING)
    return answer.status, kept, world.blank(answer.body.decode("latin-1"))


def counts_what_it_lists(answer: Answer) -> bool:
    """Whether a total, where the answer has one, is that of the items; nobody here has more than a page of anything."""
    told = answer.get("x-pagination-total-count")
    if told is not None:
        return int(told) == len(answer.json)
    if answer.get("content-type") != "application/json" or not answer.body.startswith(b'{"data":['):
        return True
    document = answer.json
    total = document.get("meta", {}).get("pagination", {}).get("total", document.get("count"))
    return total is None or total == len(document["data"])
