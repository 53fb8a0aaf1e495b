"""Searching the path tree: files and folders in one list, narrowed by conditions and by places."""

from hashlib import md5

import pytest

from holdfast.core.model import Attachment
from holdfast.core.ports import EntryQuery, Where
from tests.core.office import PAGE, Office


def digest(path: str) -> str:
    return md5(path.encode(), usedforsecurity=False).hexdigest()


async def found(office: Office, **parts: object) -> list[str]:
    query = EntryQuery(office.acme.number, PAGE, **parts)  # type: ignore[arg-type]
    return [entry.path or "" for entry in (await office.desk().folders.find(query)).items]


@pytest.fixture
async def tree(office: Office) -> Office:
    await office.upload("Fire plan.txt", folder="/p/one/fire")
    await office.upload("list.txt", folder="/p/two")
    await office.upload("list.txt", folder="/p/twofold")
    return office


async def test_a_condition_on_name_or_path_holds_on_folders_too(tree: Office) -> None:
    named = (Where("name", "contains", "FIRE"),)
    assert await found(tree, where=named) == ["/p/one/fire", "/p/one/fire/Fire plan.txt"]
    assert await found(tree, where=(Where("path", "in", ("/p", "/p/two/list.txt")),)) == ["/p", "/p/two/list.txt"]
    assert await found(tree, parent="/p/one", where=named) == ["/p/one/fire"]


async def test_a_condition_on_anything_else_leaves_only_files(tree: Office) -> None:
    assert await found(tree, under=("/p/one",), where=(Where("size", "eq", 5),)) == ["/p/one/fire/Fire plan.txt"]


async def test_an_entry_is_found_by_the_digest_of_its_path_wherever_it_moves(tree: Office) -> None:
    for path in ("/p", "/p/two", "/p/two/list.txt"):
        assert await found(tree, where=(Where("path_md5", "eq", digest(path)),)) == [path]
    await tree.desk().folders.move("/p", "/é")
    for path in ("/é", "/é/two", "/é/one/fire", "/é/two/list.txt"):
        assert await found(tree, where=(Where("path_md5", "eq", digest(path)),)) == [path]
    assert await found(tree, where=(Where("path_md5", "eq", digest("/p")),)) == []


async def test_within_means_at_a_path_or_below_it(tree: Office) -> None:
    assert await found(tree, within=("/p/two",)) == ["/p/two", "/p/two/list.txt"]
    assert await found(tree, within=("/p/two/list.txt", "/p/two", "/none")) == ["/p/two", "/p/two/list.txt"]
    assert await found(tree, within=()) == []
    assert await found(tree, within=("/p/two", "/p/one"), under=("/p/one",)) == [
        "/p/one/fire",
        "/p/one/fire/Fire plan.txt",
    ]
    assert await found(tree, within=("/p/two",), parent="/p") == ["/p/two"]
    assert len(await found(tree, within=("/",))) == len(await found(tree)) == 8


async def test_many_places_are_one_query(tree: Office) -> None:
    places = tuple(f"/none/{number}" for number in range(99))
    assert await found(tree, within=(*places, "/p/two")) == ["/p/two", "/p/two/list.txt"]
    assert await found(tree, within=(*places, "/p/two"), under=("/p",)) == ["/p/two", "/p/two/list.txt"]


async def test_files_and_folders_come_as_what_they_are(tree: Office) -> None:
    page = await tree.desk().folders.find(EntryQuery(tree.acme.number, PAGE, within=("/p/two",)))
    assert [isinstance(entry, Attachment) for entry in page.items] == [False, True]
