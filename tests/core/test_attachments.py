"""Life of an attachment: it comes, is described, replaced, linked, trashed, restored and removed for good."""

import hashlib
import uuid

import pytest

from holdfast.core.attachments import Description, Expected, NewAttachment
from holdfast.core.errors import (
    Conflict,
    DigestMismatch,
    Incomplete,
    Invalid,
    NotFound,
    QuotaExceeded,
    Stale,
    TooLarge,
    UnsupportedType,
)
from holdfast.core.intake import check_type_on
from holdfast.core.links import Hook, LinkChange
from holdfast.core.model import Account, AccountSettings, ByteRange, RecordRef
from holdfast.core.ports import BlobKey
from tests.core.office import PAGE, Office, cut_stream, stream

LEASE = "Mietvertrag für Zoë — «final».pdf"


async def test_what_is_uploaded_comes_back_byte_for_byte_under_its_exact_name(office: Office) -> None:
    await office.record("contact:42")
    data = bytes(range(256)) * 5000
    attachment = await office.upload(LEASE, data, on="contact:42")
    assert (attachment.name, attachment.size, attachment.version, attachment.revision) == (LEASE, len(data), 1, 1)
    assert attachment.sha256 == hashlib.sha256(data).digest()
    assert uuid.UUID(attachment.id).version == 7
    assert await office.bytes_of(attachment.id) == data
    assert await office.names(record=RecordRef("contact", "42")) == [LEASE]


async def test_a_range_of_the_bytes(office: Office) -> None:
    attachment = await office.upload("a.bin", bytes(range(200)), folder="/")
    _, content = await office.desk().attachments.content(attachment.id)
    assert b"".join([chunk async for chunk in content.read(ByteRange(10, 5))]) == bytes(range(10, 15))


async def test_numbers_and_times_grow_with_each_attachment(office: Office) -> None:
    made = [await office.upload(f"{n}.txt", folder="/") for n in range(5)]
    assert [attachment.number for attachment in made] == [1, 2, 3, 4, 5]
    times = [attachment.created_at for attachment in made]
    assert times == sorted(set(times))


async def test_equal_bytes_are_stored_once_and_live_as_long_as_one_of_them(office: Office) -> None:
    first = await office.upload("a.txt", b"same", folder="/")
    second = await office.upload("b.txt", b"same", folder="/")
    await office.desk().attachments.purge(first.id)
    assert await office.bytes_of(second.id) == b"same"


@pytest.mark.parametrize("name", ["", "a/b", "..", ".", "nul\x00", "line\nbreak", "\x85", "x" * 256, "\ud800"])
async def test_a_name_that_cannot_be_kept_exactly_is_refused_and_nothing_stays(office: Office, name: str) -> None:
    before = await office.held()
    with pytest.raises(Invalid):
        await office.upload(name, folder="/")
    assert await office.held() == before


@pytest.mark.parametrize(
    "name", ["CON", "a.", "a ", " a", "..a", "日本語.pdf", "\u202egpj.exe", "%2F", "a\\b", "🙂" * 200]
)
async def test_a_strange_name_is_kept_as_it_is(office: Office, name: str) -> None:
    attachment = await office.upload(name, folder="/strange")
    assert (await office.desk().attachments.at(f"/strange/{name}")).id == attachment.id


async def test_twins_in_case_or_normal_form_are_different_files(office: Office) -> None:
    for name in ("Zürich", "Zu\u0308rich", "zürich"):
        await office.upload(name, folder="/")
    assert len(await office.names()) == 3


async def test_a_body_that_is_cut_leaves_nothing(office: Office) -> None:
    before = await office.held()
    with pytest.raises(Incomplete):
        async with await office.desk().attachments.receive() as intake:
            await intake.take(cut_stream(b"half of it"), name="cut.txt")
    assert await office.held() == before
    assert await office.names() == []


async def test_a_body_over_the_limit_is_refused_before_its_end(office: Office) -> None:
    await office.store.operator().accounts.configure("acme", {"max_file_bytes": 10})
    await office.upload("fits.txt", b"x" * 10, folder="/")
    with pytest.raises(TooLarge) as refused:
        await office.upload("too-large.txt", b"x" * 11, folder="/")
    assert refused.value.limit == 10


async def test_only_allowed_types_are_taken_and_the_bytes_decide(office: Office) -> None:
    await office.store.operator().accounts.configure("acme", {"allowed_types": ("application/pdf",)})
    await office.upload("real.pdf", b"%PDF-1.7 ...", folder="/")
    with pytest.raises(UnsupportedType):
        await office.upload("fake.pdf", b"<html><script>alert(1)</script>", folder="/")


@pytest.mark.parametrize(
    "near", ["image/png,text/html", "IMAGE/PNG", "image/png ", "image/pngx", "image/.*", "image/pn"]
)
async def test_a_type_is_allowed_by_exact_membership_alone(near: str) -> None:
    account = Account(1, "acme", 0, AccountSettings(allowed_types_on={"case": ("image/png", "image/x+y")}))
    check_type_on(account, "case", "image/png")
    check_type_on(account, "job", near)
    with pytest.raises(UnsupportedType):
        check_type_on(account, "case", near)


async def replaced(office: Office, id: str, data: bytes) -> None:
    async with await office.desk().attachments.receive() as intake:
        await intake.take(stream(data), name="new")
        await office.desk().attachments.replace(id, intake)


async def test_a_record_type_may_take_less_than_the_account(office: Office) -> None:
    accounts = office.store.operator().accounts
    await office.record("job:1")
    await office.record("case:1")
    page = await office.upload("page.html", b"<!doctype html>", folder="/")
    await accounts.configure("acme", {"allowed_types_on": {"job": ("application/pdf",), "case": ()}})
    report = await office.upload("real.pdf", b"%PDF-1.7 ...", on="job:1")
    for record in ("job", "case"):
        with pytest.raises(UnsupportedType):
            await office.upload("fake.pdf", b"<!doctype html>", on=f"{record}:1")
        with pytest.raises(UnsupportedType):
            await office.desk().links.hang(page.id, Hook(RecordRef(record, "1")))
    with pytest.raises(UnsupportedType):
        await replaced(office, report.id, b"<!doctype html>")
    await accounts.configure("acme", {"allowed_types_on": {"job": None}})
    await replaced(office, report.id, b"<!doctype html>")
    assert (await accounts.get("acme")).settings.allowed_types_on == {"case": ()}


async def test_an_announced_digest_must_be_right(office: Office) -> None:
    async with await office.desk().attachments.receive() as intake:
        await intake.take(stream(b"abc"), name="a.txt")
        intake.expect(hashlib.sha256(b"abc").digest())
        with pytest.raises(DigestMismatch):
            intake.expect(bytes(32))


async def test_quotas_hold_for_bytes_and_for_numbers(office: Office) -> None:
    await office.store.operator().accounts.configure("acme", {"quota_bytes": 10, "quota_attachments": 2})
    await office.upload("a.txt", b"12345678", folder="/")
    with pytest.raises(QuotaExceeded):
        await office.upload("b.txt", b"123", folder="/")
    await office.upload("c.txt", b"1", folder="/")
    with pytest.raises(QuotaExceeded):
        await office.upload("d.txt", b"2", folder="/")
    assert (await office.held())[:2] == (2, 9)


async def test_a_record_must_be_there_before_files_hang_on_it(office: Office) -> None:
    with pytest.raises(NotFound):
        await office.upload("a.txt", on="contact:unknown")
    assert await office.names() == []


async def test_a_path_is_taken_by_one_and_on_conflict_says_what_happens(office: Office) -> None:
    first = await office.upload("a.txt", b"1", folder="/in")
    with pytest.raises(Conflict):
        await office.upload("a.txt", b"2", folder="/in")
    renamed = await office.upload("a.txt", b"3", folder="/in", on_conflict="rename")
    assert renamed.path == "/in/a (2).txt"
    replaced = await office.upload("a.txt", b"4", folder="/in", on_conflict="replace")
    assert (replaced.id, replaced.version) == (first.id, 2)
    assert await office.bytes_of(first.id) == b"4"
    with pytest.raises(Conflict):
        await office.upload("in", folder="/")


async def test_a_file_cannot_be_a_folder(office: Office) -> None:
    await office.upload("file", folder="/")
    with pytest.raises(Invalid):
        await office.upload("a.txt", folder="/file/below")


async def test_versions_are_kept_and_an_old_one_can_come_back(office: Office) -> None:
    attachment = await office.upload("a.txt", b"one", folder="/")
    desk = office.desk()
    async with await desk.attachments.receive() as intake:
        await intake.take(stream(b"two"), name="a.txt")
        second = await desk.attachments.replace(attachment.id, intake)
    assert (second.version, second.revision) == (2, 2)
    restored = await desk.attachments.restore_version(attachment.id, 1)
    assert restored.version == 3
    assert [await office.bytes_of(attachment.id, n) for n in (1, 2, 3)] == [b"one", b"two", b"one"]
    history = await desk.attachments.versions(attachment.id, PAGE)
    assert [version.number for version in history.items] == [3, 2, 1]
    with pytest.raises(NotFound):
        await office.bytes_of(attachment.id, 4)


async def test_a_change_of_what_has_moved_on_is_refused(office: Office) -> None:
    attachment = await office.upload("a.txt", b"one", folder="/")
    desk = office.desk()
    first = Expected(revisions=frozenset({1}))
    await desk.attachments.describe(attachment.id, Description(description="now"), first)
    for change in (
        desk.attachments.describe(attachment.id, Description(description="then"), first),
        desk.attachments.trash(attachment.id, first),
        desk.attachments.purge(attachment.id, Expected(digests=frozenset({bytes(32)}))),
    ):
        with pytest.raises(Stale):
            await change
    assert (await desk.attachments.get(attachment.id)).description == "now"


async def test_describing_merges_properties_and_moves_by_path(office: Office) -> None:
    attachment = await office.upload("a.txt", folder="/one")
    desk = office.desk()
    change = Description(name="b.txt", folder="/two/three", properties={"kept": 1, "gone": 2})
    await desk.attachments.describe(attachment.id, change)
    described = await desk.attachments.describe(attachment.id, Description(properties={"gone": None, "new": "x"}))
    assert described.path == "/two/three/b.txt"
    assert described.properties == {"kept": 1, "new": "x"}
    assert (await desk.folders.get("/two/three")).path == "/two/three"


async def test_the_trash_hides_and_restores(office: Office) -> None:
    await office.record("contact:1")
    attachment = await office.upload("a.txt", b"kept", on="contact:1", folder="/f")
    desk = office.desk()
    await desk.attachments.trash(attachment.id)
    for read in (desk.attachments.get, desk.attachments.content, desk.attachments.trash):
        with pytest.raises(NotFound):
            await read(attachment.id)
    assert await office.names() == await office.names(record=RecordRef("contact", "1")) == []
    assert await office.names(trashed=True) == ["a.txt"]
    other = await office.upload("a.txt", b"other", folder="/f")
    with pytest.raises(Conflict):
        await desk.attachments.restore(attachment.id)
    await desk.attachments.trash(other.id)
    await desk.folders.delete("/f")
    await desk.attachments.restore(attachment.id)
    assert await office.bytes_of(attachment.id) == b"kept"
    assert await office.names(record=RecordRef("contact", "1")) == ["a.txt"]
    assert (await desk.folders.get("/f")).path == "/f"


async def test_purging_frees_what_the_account_held(office: Office) -> None:
    attachment = await office.upload("a.txt", b"12345", folder="/")
    await office.upload("a.txt", b"123", folder="/", on_conflict="replace")
    assert (await office.held())[:2] == (1, 8)
    await office.desk().attachments.trash(attachment.id)
    assert (await office.held())[:2] == (0, 8)
    await office.desk().attachments.purge(attachment.id)
    assert (await office.held())[:2] == (0, 0)
    with pytest.raises(NotFound):
        await office.desk().attachments.get(attachment.id, trashed=True)


async def test_one_file_hangs_on_many_records_and_goes_when_it_hangs_on_none(office: Office) -> None:
    for name in ("contact:1", "property:2"):
        await office.record(name)
    attachment = await office.upload("a.txt", on="contact:1")
    desk = office.desk()
    link = await desk.links.hang(attachment.id, Hook(RecordRef("property", "2"), "photo", "Front door"))
    with pytest.raises(Conflict):
        await desk.links.hang(attachment.id, Hook(RecordRef("property", "2"), "photo"))
    changed = await desk.links.change(link.id, LinkChange(position=3))
    assert (changed.caption, changed.position) == ("Front door", 3)
    first = next(each for each in (await desk.links.page(attachment.id, PAGE)).items if each.id != link.id)
    await desk.links.remove(first.id)
    assert await office.names() == ["a.txt"]
    await desk.links.remove(link.id)
    assert await office.names() == []
    assert await office.names(trashed=True) == ["a.txt"]


async def test_text_and_properties_have_limits(office: Office) -> None:
    attachment = await office.upload("a.txt", folder="/")
    desk = office.desk()
    for change in (
        Description(description="x" * 10_001),
        Description(description="bell\x07"),
        Description(properties={"": 1}),
        Description(properties={"k": "x" * 70_000}),
        Description(properties={"k": ["nested\x00"]}),
    ):
        with pytest.raises(Invalid):
            await desk.attachments.describe(attachment.id, change)
    assert (await desk.attachments.get(attachment.id)).revision == 1


async def test_creating_without_bytes_is_refused(office: Office) -> None:
    async with await office.desk().attachments.receive() as intake:
        with pytest.raises(Invalid):
            await office.desk().attachments.create(intake, NewAttachment("a.txt"))


async def test_bytes_of_a_change_that_is_refused_at_the_end_go_again(office: Office) -> None:
    """They are at rest when the path turns out to be taken."""
    await office.upload("a", b"x" * 300_000, folder="/")
    with pytest.raises(Conflict):
        await office.upload("a", b"y" * 300_000, folder="/")
    inventory = office.store._engines.inventory
    assert inventory is not None
    assert [stored.kind async for stored in inventory.scan()] == ["whole"]


async def test_bytes_are_held_once_by_each_version_that_has_them(office: Office) -> None:
    number, held = office.acme.number, []
    for name in ("one", "two", "three"):
        made = await office.upload(name, b"the same", folder="/")
        blob = await office.store._engines.catalog.get(BlobKey(number, made.sha256))
        held.append(blob and blob.refs)
    assert held == [1, 2, 3]
