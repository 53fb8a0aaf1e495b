"""The module in the recipe is one that works."""

import importlib.util
import re
from pathlib import Path

import pytest

from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord
from holdfast.web.dialect import Dialect
from holdfast.web.openapi import describe
from tests.house.source import PROJECT
from tests.installation import installed


@pytest.fixture
def shelf(tmp_path: Path) -> Dialect:
    page = (PROJECT / "docs" / "dialects" / "adding-one.md").read_text(encoding="utf-8")
    block = re.search(r"^```python module\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    (tmp_path / "shelf.py").write_text(block[1], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("shelf", tmp_path / "shelf.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Dialect = module.SHELF
    return found


async def test_the_recipe_works(shelf: Dialect, tmp_path: Path) -> None:
    async with installed(tmp_path / "data", dialects=(shelf,)) as house:
        client = await house.client("shelf.view", "shelf.put")
        unknown = await client.post("/shelf/boxes/7/items", files={"file": ("a", b"x")})
        assert (unknown.status_code, unknown.json()) == (404, {"error": "Box not found"})
        await (await house.desk()).records.create(NewRecord(RecordRef("box", "7")))
        made = await client.post("/shelf/boxes/7/items", files={"file": ("naïve.txt", b"words")})
        assert (made.status_code, made.json()["title"]) == (201, "naïve.txt")
        assert (await client.get("/shelf/boxes/7/items")).json() == [made.json()]
        place = f"/shelf/items/{made.json()['key']}"
        assert (await client.get(place, headers={"Range": "bytes=1-3"})).content == b"ord"
        two = [("file", ("a", b"x")), ("file", ("b", b"y"))]
        refused = await client.post("/shelf/boxes/7/items", files=two)
        assert (refused.status_code, refused.json()) == (400, {"error": "One file is expected"})
        reader = await house.client("shelf.view")
        assert (await reader.post("/shelf/boxes/7/items", files={"file": ("a", b"x")})).status_code == 403
        elsewhere = await house.client(account="other")
        assert (await elsewhere.get(place)).status_code == 404
        assert (await client.delete(place)).status_code == 405
        assert len((await client.get("/shelf/boxes/7/items")).json()) == 1


def test_the_recipe_describes_itself(shelf: Dialect) -> None:
    assert set(describe(shelf)["paths"]) == {"/shelf/boxes/{box}/items", "/shelf/items/{key}"}
