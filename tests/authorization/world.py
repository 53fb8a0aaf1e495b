"""Two accounts furnished alike, the names of all their things, and a way to put everything back as it was."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import httpx

from holdfast.catalog.postgres.catalog import PostgresCatalog
from holdfast.core.model import RecordRef
from holdfast.core.ports import RecordQuery, Window
from holdfast.core.records import RecordChange
from holdfast.core.store import Desk
from tests.authorization.rows import PostgresRows, Rows, SqliteRows
from tests.engines.pairs import held_in
from tests.installation import Installation, idle

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63606060f80f00010401"
    "00a5f645400000000049454e44ae426082"
)

_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True)
class World:
    """What one account calls its things. `word` is in every name, so that it shows wherever a name shows."""

    word: str
    names: Mapping[str, str]

    def blank(self, text: str) -> str:
        """The text without the names of this account."""
        for name in sorted(self.names.values(), key=len, reverse=True):
            if len(name) > 2:
                text = text.replace(name, "*")
        return text


def nowhere(like: World) -> World:
    """Names of the same shapes, of which there is nothing."""
    made: dict[str, str] = {}
    for n, (key, name) in enumerate(sorted(like.names.items())):
        made[key] = _unlike(name, n)
    for key, of in (("4hse", "4hse project"), ("4hse linked", "4hse project")):
        made[key] = made[key].replace(_project(made[key]), made[of])
        made[f"{key} id"] = md5(made[key].encode(), usedforsecurity=False).hexdigest()
    return World("nowhere", made)


def _project(path: str) -> str:
    return path.split("/")[2]


def _unlike(name: str, n: int) -> str:
    if name.isdigit():
        return str(int(name) + 5)
    if name.startswith("/projects/"):
        return f"/projects/{_fresh(n)}/{'/'.join(name.split('/')[3:])}"
    if name.startswith("/"):
        return "/" + "x" * (len(name) - 1)
    return _fresh(n) if len(name) == 36 else "f" * len(name)


def _fresh(n: int) -> str:
    return f"01a20494-31ed-76b0-8{n:03x}-25b6ffcdc1ac"


class Furnisher:
    """Makes the things of one account."""

    def __init__(self, house: Installation, http: httpx.AsyncClient, desk: Desk, word: str, digit: int) -> None:
        self.house, self.http, self.desk, self.word, self.digit = house, http, desk, word, digit
        self.names: dict[str, str] = {}

    async def furnish(self) -> World:
        await self.records()
        await self.navarik()
        await self.four_hse()
        await self.under_one_roof()
        await self.files()
        return World(self.word, self.names)

    async def post(self, path: str, told: Any) -> dict[str, Any]:
        answer = await self.http.post(path, json=told)
        assert answer.status_code in {200, 201}, (path, answer.text)
        return dict(answer.json())

    async def put(self, type: str, id: str, *parents: str, **attributes: Any) -> str:
        told = {"attributes": {"name": f"{self.word} {type}", **attributes}, "parents": parents}
        answer = await self.http.put(f"/v1/records/{type}/{id}", json=told)
        assert answer.status_code == 201, answer.text
        return f"{type}:{id}"

    async def records(self) -> None:
        """The branch above all, another above nothing, and the records of the dialects whose ids hosts give."""
        names = self.names
        names["top"], names["other"] = f"{self.digit}001", f"{self.digit}991"
        top = await self.put("branch", names["top"])
        await self.put("branch", names["other"])
        for key in ("contact", "property", "case", "job", "person_office", "contractor"):
            names[key] = str(uuid.uuid4())
            await self.put(key, names[key], top)
        names["case_note"] = str(uuid.uuid4())
        await self.put("case_note", names["case_note"], f"job:{names['job']}", note_text=self.word)
        names["leaf"] = str(uuid.uuid4())
        await self.put("contact", names["leaf"], top)

    async def navarik(self) -> None:
        sides = {}
        for side, category in (("client", "shipper"), ("vendor", "inspector")):
            made = await self.post("/v2/organizations", {"name": f"{self.word} {side}", "category": category})
            sides[side] = {"id": made["id"]}
            self.names[side] = made["id"]
        told = {"description": self.word, "parties": sides}
        self.names["workspace"] = (await self.post("/v2/workspaces", told))["id"]
        path = f"/v2/workspaces/{self.names['workspace']}/documents"
        told = {"type": "inspection.report", "body": {"title": self.word}}
        document = await self.post(path, told)
        self.names["document"], self.names["document version"] = document["id"], document["version_id"]

    async def four_hse(self) -> None:
        names = self.names

        async def made(kind: str, key: str, **told: Any) -> None:
            names[key] = (await self.post(f"/v2/{kind}/create", told))[f"{kind.replace('-', '_')}_id"]

        await made("project", "4hse project", name=f"{self.word} p", country="IT")
        project = names["4hse project"]
        await made("office", "4hse office", name=f"{self.word} o", project_id=project)
        of = {"tenant_id": project, "action_type": "TRAINING"}
        await made("certificate", "4hse certificate", name=self.word, date_release="2026-01-31",
                   resource_id=names["4hse office"], **of)  # fmt: skip
        await made("action", "4hse action", name=self.word, subtenant_id=names["4hse office"], **of)
        await made("person-office", "4hse person", office_id=names["4hse office"], person_id=str(uuid.uuid4()),
                   project_id=project, person_first_name=self.word)  # fmt: skip

    async def under_one_roof(self) -> None:
        """Every record that lies below nothing lies below the top branch, so that one scope covers them all."""
        top = RecordRef("branch", self.names["top"])
        page = await self.desk.records.find(RecordQuery(self.desk.actor.account, Window(500)))
        for record in page.items:
            if not record.parents and record.type != "branch":
                await self.desk.records.change(record.ref, RecordChange(parents=(top,)))

    async def upload(self, key: str, *, record: str = "", path: str = "", role: str = "document") -> str:
        fields = {"name": f"{self.word}-{key}.png".replace(" ", "-"), "role": role, "record": record, "path": path}
        if path:
            del fields["name"]
        data = {name: value for name, value in fields.items() if value}
        content = PNG + f"{self.word} {key}".encode()
        answer = await self.http.post("/v1/attachments", data=data, files={"file": ("x.png", content, "image/png")})
        assert answer.status_code == 201, answer.text
        self.names[key] = answer.json()["id"]
        self.names[f"{key} sha256"] = answer.json()["sha256"]
        return str(self.names[key])

    async def files(self) -> None:
        names = self.names
        for key in ("contact", "property", "case", "job", "case_note", "document"):
            await self.upload(f"file of {key}", record=f"{key}:{names[key]}")
        await self.upload("file of branch", record=f"branch:{names['top']}")
        await self.upload("photo", record=f"job:{names['job']}", role="photo")
        await self.versions()
        names["trashed"] = await self.upload("trashed", record=f"contact:{names['contact']}")
        assert (await self.http.delete(f"/v1/attachments/{names['trashed']}")).status_code == 204
        names["folder"] = f"/{self.word}"
        await self.upload("placed", path=f"{names['folder']}/{self.word}.png")
        await self.upload("shared", record=f"contact:{names['contact']}", path=f"/{self.word}-shared/file.png")
        for key in ("4hse", "4hse linked"):
            path = f"/projects/{names['4hse project']}/{self.word}-{key.replace(' ', '-')}.png"
            await self.upload(key, path=path)
            names[key] = path
            names[f"{key} id"] = md5(path.encode(), usedforsecurity=False).hexdigest()
        told = {"attachment_path": names["4hse linked"], "entity_id": names["4hse certificate"]}
        names["4hse link"] = (await self.post("/v2/entity-attachment/create", told))["entity_attachment_id"]

    async def versions(self) -> None:
        """A file with two versions and one link."""
        names = self.names
        names["file"] = await self.upload("file", record=f"contact:{names['contact']}")
        second = PNG + b"second " + self.word.encode()
        assert (await self.http.put(f"/v1/attachments/{names['file']}/content", content=second)).status_code == 200
        (link,) = (await self.http.get(f"/v1/attachments/{names['file']}/links")).json()["items"]
        names["link"] = link["id"]


async def furnished(house: Installation, slug: str, word: str, digit: int) -> World:
    """The account with everything in it."""
    async with await house.client(account=slug) as http:
        return await Furnisher(house, http, await house.desk(slug), word, digit).furnish()


# ---------------------------------------------------------------- all that there is, and back to it


class State:
    """The rows and bytes of an installation: whether they changed, and how to put the rows back."""

    def __init__(self, house: Installation) -> None:
        self._store = house.store
        catalog = house.store._engines.catalog
        self._rows: Rows = PostgresRows(catalog) if isinstance(catalog, PostgresCatalog) else SqliteRows(house)
        self._blobs = held_in(house.settings)
        self._files: list[tuple[str, int]] = []
        self._folders: list[Path] = []
        self._seen: tuple[object, list[int]] = (0, [])
        self._look()

    async def restore(self) -> None:
        """Put every row back to where it was at the beginning, once nothing is written any more."""
        await idle(self._store)
        self._rows.restore()
        self._look()

    def forget(self) -> None:
        """Let nothing that was read before be remembered, as after a commit."""
        self._rows.forget()

    def moved(self) -> bool:
        """Whether any transaction was committed, or any file came or went, since this was last asked."""
        seen, files, now = self._seen, self._files, self._stamp()
        self._seen = now
        if seen == now:
            return False
        self._look()
        return seen[0] != now[0] or files != self._files

    def _look(self) -> None:
        self._files = _files(self._blobs)
        self._folders = [self._blobs, *(path for path in self._blobs.rglob("*") if path.is_dir())]
        self._seen = self._stamp()

    def _stamp(self) -> tuple[object, list[int]]:
        """A value that every commit changes, and those that a file which comes or goes changes in its folder."""
        return self._rows.stamp(), [folder.stat().st_mtime_ns for folder in self._folders if folder.exists()]

    def digest(self) -> str:
        """One digest of every row of every table and of the list of stored files."""
        whole = sha256()
        for table, rows in self._rows.tables():
            whole.update(repr((table, sorted(map(repr, rows)))).encode())
        whole.update(repr(_files(self._blobs)).encode())
        return whole.hexdigest()

    def holding_nul(self) -> list[str]:
        """The tables with a NUL in some text, as it is or as JSON writes it."""
        found = []
        for table, rows in self._rows.tables():
            for row in rows:
                texts = [value for value in row if isinstance(value, str)]
                if any("\0" in text or _ESCAPED_NUL.search(text) for text in texts):
                    found.append(table)
        return found

    def close(self) -> None:
        self._rows.close()


def _files(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_size) for path in folder.rglob("*") if path.is_file())
