"""Records of the host application and the path tree."""

import pytest

from holdfast.core.errors import Conflict, Invalid, NotFound, Stale
from holdfast.core.model import RecordRef
from holdfast.core.ports import EntryQuery, RecordFilter, RecordQuery, Where, Window
from holdfast.core.records import NewRecord, RecordChange
from tests.core.office import PAGE, Office

BRANCH, JOB, NOTE = RecordRef("branch", "1"), RecordRef("job", "10"), RecordRef("case_note", "100")


async def chain(office: Office) -> None:
    await office.record("branch:1")
    await office.record("job:10", "branch:1")
    await office.record("case_note:100", "job:10")


async def test_a_record_is_registered_once_and_numbered_within_its_type(office: Office) -> None:
    records = office.desk().records
    numbers = [(await office.record(name)).number for name in ("case:a", "case:b", "job:a")]
    assert numbers == [1, 2, 1]
    with pytest.raises(Conflict):
        await records.create(NewRecord(RecordRef("case", "a")))


async def test_put_registers_then_replaces_and_honours_the_revision(office: Office) -> None:
    records = office.desk().records
    created, new = await records.put(NewRecord(BRANCH, {"name": "Harbour", "old": 1}))
    assert (new, created.revision) == (True, 1)
    replaced, new = await records.put(NewRecord(BRANCH, {"name": "Harbour"}), frozenset({1}))
    assert (new, replaced.revision, replaced.attributes) == (False, 2, {"name": "Harbour"})
    for revisions in (frozenset({0}), frozenset({1})):
        with pytest.raises(Stale):
            await records.put(NewRecord(BRANCH), revisions)


async def test_a_change_merges_attributes(office: Office) -> None:
    records = office.desk().records
    await records.create(NewRecord(BRANCH, {"a": 1, "b": 2, "null": None}))
    changed = await records.change(BRANCH, RecordChange({"b": None, "c": 3}, state="open"))
    assert (changed.attributes, changed.state) == ({"a": 1, "c": 3, "null": None}, "open")


async def test_parents_exist_and_make_no_circle(office: Office) -> None:
    await chain(office)
    records = office.desk().records
    for parents in ((RecordRef("branch", "unknown"),), (NOTE,), (JOB,), (BRANCH, BRANCH)):
        with pytest.raises(Invalid):
            await records.change(JOB, RecordChange(parents=parents))
    assert (await records.get(JOB)).parents == (BRANCH,)


async def test_moving_a_record_moves_what_lies_below_it(office: Office) -> None:
    await chain(office)
    await office.record("branch:2")
    await office.upload("a.txt", on="case_note:100")
    await office.desk().records.change(JOB, RecordChange(parents=(RecordRef("branch", "2"),)))
    assert await office.names(office.desk(scopes=["record:branch:1"])) == []
    assert await office.names(office.desk(scopes=["record:branch:2"])) == ["a.txt"]


async def test_a_record_with_others_below_it_is_deleted_only_with_them(office: Office) -> None:
    await chain(office)
    records = office.desk().records
    with pytest.raises(Conflict):
        await records.delete(BRANCH)
    deleted = await records.delete(BRANCH, cascade=True)
    assert {record.ref for record in deleted} == {BRANCH, JOB, NOTE}
    with pytest.raises(NotFound):
        await records.get(NOTE)


async def test_deleting_a_record_trashes_what_hangs_nowhere_else(office: Office) -> None:
    await office.record("contact:1")
    await office.record("contact:2")
    await office.upload("only-here.txt", on="contact:1")
    await office.upload("in-a-folder.txt", on="contact:1", folder="/f")
    await office.desk().records.delete(RecordRef("contact", "1"))
    assert await office.names() == ["in-a-folder.txt"]
    assert await office.names(trashed=True) == ["only-here.txt"]


@pytest.mark.parametrize(
    ("type", "id"),
    [("", "1"), ("a b", "1"), ("x" * 65, "1"), ("contact", ""), ("contact", "a/b"), ("contact", "x" * 201)],
)
async def test_a_reference_follows_its_grammar(office: Office, type: str, id: str) -> None:
    with pytest.raises(Invalid):
        await office.desk().records.create(NewRecord(RecordRef(type, id)))


async def test_records_are_found_by_attribute_and_parent(office: Office) -> None:
    records = office.desk().records
    await office.record("branch:1")
    for number, name in enumerate(("Ada", "ada lovelace", "Grace")):
        await records.create(NewRecord(RecordRef("contact", str(number)), {"name": name, "n": number}, (BRANCH,)))
    account = office.acme.number

    async def found(*where: Where) -> list[str]:
        query = RecordQuery(account, PAGE, RecordFilter(("contact",), where), BRANCH)
        return [record.id for record in (await records.find(query)).items]

    assert await found() == ["2", "1", "0"]
    assert await found(Where("attribute.name", "contains", "ADA")) == ["1", "0"]
    assert await found(Where("attribute.n", "ge", 1), Where("attribute.n", "lt", 2)) == ["1"]


class TestFolders:
    async def tree(self, office: Office, parent: str = "/") -> list[str]:
        query = EntryQuery(office.acme.number, PAGE, under=(parent,))
        return [entry.path or "" for entry in (await office.desk().folders.find(query)).items]

    async def test_a_folder_is_made_with_those_above_it_once(self, office: Office) -> None:
        folders = office.desk().folders
        await folders.create("/a/b/c/")
        assert await self.tree(office) == ["/a", "/a/b", "/a/b/c"]
        for path in ("/a/b/c", "/"):
            with pytest.raises(Conflict):
                await folders.create(path)

    async def test_a_move_takes_everything_along_and_nothing_beside(self, office: Office) -> None:
        folders = office.desk().folders
        await office.upload("x.txt", b"x", folder="/a/b")
        trashed = await office.upload("gone.txt", b"gone", folder="/a/b")
        await office.desk().attachments.trash(trashed.id)
        await office.upload("y.txt", folder="/ab")
        await folders.move("/a", "/z/a")
        assert await self.tree(office) == ["/ab", "/ab/y.txt", "/z", "/z/a", "/z/a/b", "/z/a/b/x.txt"]
        moved = await office.desk().attachments.at("/z/a/b/x.txt")
        assert (await office.bytes_of(moved.id), moved.revision) == (b"x", 2)
        assert (await office.desk().attachments.restore(trashed.id)).path == "/z/a/b/gone.txt"

    async def test_moves_that_cannot_be(self, office: Office) -> None:
        folders = office.desk().folders
        await folders.create("/a/b")
        await folders.create("/c")
        await office.upload("n" * 200, folder="/a/" + "d" * 200 + "/" + "e" * 200 + "/" + "f" * 200)
        for target, error in (
            ("/a/b/inside", Invalid),
            ("/c", Conflict),
            ("/a", Conflict),
            ("/", Invalid),
            ("/" + "x" * 250, Invalid),
        ):
            with pytest.raises(error):
                await folders.move("/a", target)
        with pytest.raises(NotFound):
            await folders.move("/nowhere", "/somewhere")
        assert (await folders.get("/a/b")).path == "/a/b"

    async def test_deleting_shows_first_and_then_takes_all_below(self, office: Office) -> None:
        folders = office.desk().folders
        await office.record("certificate:1")
        await office.upload("x.txt", on="certificate:1", folder="/a/b")
        await office.upload("kept.txt", folder="/ab")
        preview = await folders.preview("/a")
        assert (preview.folders, preview.attachments, [str(link.record) for link in preview.links]) == (
            2,
            1,
            ["certificate:1"],
        )
        assert await self.tree(office) == ["/a", "/a/b", "/a/b/x.txt", "/ab", "/ab/kept.txt"]
        assert await folders.delete("/a") == preview
        assert await self.tree(office) == ["/ab", "/ab/kept.txt"]
        assert await office.names(trashed=True) == ["x.txt"]

    @pytest.mark.parametrize("path", ["", "a", "/a//b", "/a/../b", "/.", "/a\x00", "/" + "x" * 1024])
    async def test_a_path_follows_its_grammar(self, office: Office, path: str) -> None:
        with pytest.raises(Invalid):
            await office.desk().folders.create(path)


async def test_the_log_has_every_change_once_in_order(office: Office) -> None:
    await office.record("contact:1")
    attachment = await office.upload("a.txt", on="contact:1", folder="/f")
    await office.desk().attachments.trash(attachment.id)
    events = office.desk().events
    page = await events.after(0, 100)
    assert [event.kind for event in page.items] == [
        "record.created",
        "folder.created",
        "attachment.created",
        "attachment.linked",
        "attachment.trashed",
    ]
    assert [event.number for event in page.items] == [1, 2, 3, 4, 5]
    assert [event.number for event in (await events.after(3, 1)).items] == [4]
    times = [event.at for event in page.items]
    assert times == sorted(times)


async def test_pages_go_on_where_they_ended_while_rows_are_added(office: Office) -> None:
    for number in range(5):
        await office.record(f"job:{number}")
    records = office.desk().records
    query = RecordQuery(office.acme.number, Window(limit=2))
    first = await records.find(query)
    await office.record("job:new")
    second = await records.find(RecordQuery(office.acme.number, Window(limit=2, after=first.next)))
    assert [record.id for record in (*first.items, *second.items)] == ["4", "3", "2", "1"]


async def test_a_cascade_takes_what_becomes_childless_on_the_way_once(office: Office) -> None:
    for name, *parents in (("job:1",), ("note:1", "job:1"), ("case:1", "job:1")):
        await office.record(name, *parents)
    change = RecordChange(parents=(RecordRef("job", "1"), RecordRef("case", "1")))
    await office.desk().records.change(RecordRef("note", "1"), change)
    deleted = await office.desk().records.delete(RecordRef("job", "1"), cascade=True)
    assert sorted(str(record.ref) for record in deleted) == ["case:1", "job:1", "note:1"]
