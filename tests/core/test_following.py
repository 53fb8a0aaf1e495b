"""Folders that follow their records, and links whose ends change."""

import pytest

from holdfast.core.errors import Conflict, NotFound, OutOfScope
from holdfast.core.links import Hook, LinkChange
from holdfast.core.model import RecordRef
from holdfast.core.records import NewRecord, RecordChange
from tests.core.office import PAGE, Office

SITE = RecordRef("office", "1")
LINK = "576331b6-fee8-4949-8bd9-d839202fb6e0"


async def test_a_record_is_registered_together_with_its_folder(office: Office) -> None:
    records, folders = office.desk().records, office.desk().folders
    await records.create(NewRecord(SITE, folder="/sites/Milan"))
    assert (await folders.get("/sites/Milan")).path == "/sites/Milan"
    await records.create(NewRecord(RecordRef("office", "2"), folder="/sites/Milan"))
    with pytest.raises(Conflict):
        await records.create(NewRecord(SITE, folder="/sites/Rome"))
    with pytest.raises(NotFound):
        await folders.get("/sites/Rome")


async def test_a_folder_follows_its_record(office: Office) -> None:
    records = office.desk().records
    await records.create(NewRecord(SITE, folder="/sites/Milan"))
    await office.upload("plan.txt", folder="/sites/Milan")
    await records.change(SITE, RecordChange({"name": "Monza"}, moves=("/sites/Milan", "/sites/Monza")))
    assert (await office.desk().attachments.at("/sites/Monza/plan.txt")).name == "plan.txt"
    await records.change(SITE, RecordChange({"name": "Rome"}, moves=("/sites/nowhere", "/sites/Rome")))
    await office.desk().folders.create("/sites/Taken")
    with pytest.raises(Conflict):
        await records.change(SITE, RecordChange({"name": "Taken"}, moves=("/sites/Monza", "/sites/Taken")))
    assert (await records.get(SITE)).attributes == {"name": "Rome"}


async def test_the_host_may_name_a_link(office: Office) -> None:
    await office.record("contact:1")
    await office.record("contact:2")
    links, file = office.desk().links, await office.upload("a.txt", folder="/f")
    link = await links.hang(file.id, Hook(RecordRef("contact", "1"), id=LINK))
    assert link == await links.get(LINK)
    with pytest.raises(Conflict):
        await links.hang(file.id, Hook(RecordRef("contact", "2"), id=LINK))


async def test_both_ends_of_a_link_may_change(office: Office) -> None:
    for id in ("1", "2"):
        await office.record(f"contact:{id}")
    links = office.desk().links
    homeless = await office.upload("old.txt", on="contact:1")
    other = await office.upload("new.txt", folder="/f")
    link = (await links.page(homeless.id, PAGE)).items[0]
    change = LinkChange(attachment=other.id, record=RecordRef("contact", "2"))
    changed = await links.change(link.id, change)
    assert (changed.id, changed.attachment, str(changed.record)) == (link.id, other.id, "contact:2")
    assert await office.names(record=RecordRef("contact", "2")) == ["new.txt"]
    assert await office.names(trashed=True) == ["old.txt"]
    await office.upload("third.txt", on="contact:1")
    with pytest.raises(NotFound):
        await links.change(link.id, LinkChange(record=RecordRef("contact", "3")))
    scoped = office.desk(scopes=["path:/f", "record:contact:2"]).links
    with pytest.raises(OutOfScope):
        await scoped.change(link.id, LinkChange(record=RecordRef("contact", "1")))
