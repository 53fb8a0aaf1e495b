"""Who may do what: permissions, scopes, and accounts that never see each other."""

from collections.abc import Awaitable, Callable

import pytest

from holdfast.core.access import parse_scope
from holdfast.core.attachments import Attachments, Description
from holdfast.core.errors import Forbidden, Invalid, NotFound, OutOfScope, PartlyOutOfScope
from holdfast.core.events import Events
from holdfast.core.folders import Folders
from holdfast.core.links import Hook, Links
from holdfast.core.model import RecordRef
from holdfast.core.ports import AttachmentQuery, EntryQuery, RecordQuery
from holdfast.core.records import NewRecord, RecordChange, Records
from holdfast.core.renditions import Renditions
from holdfast.core.store import Desk
from tests.core.office import PAGE, Office

ID = "01a20494-31ed-76b0-871f-25b6ffcdc1ac"
REF = RecordRef("contact", "1")

CALLS: dict[str, Callable[[Desk], Awaitable[object]]] = {
    "attachments.get": lambda desk: desk.attachments.get(ID),
    "attachments.at": lambda desk: desk.attachments.at("/a"),
    "attachments.find": lambda desk: desk.attachments.find(AttachmentQuery(1, PAGE)),
    "attachments.content": lambda desk: desk.attachments.content(ID),
    "attachments.content_at": lambda desk: desk.attachments.content_at("/a"),
    "attachments.version": lambda desk: desk.attachments.version(ID, 1),
    "attachments.versions": lambda desk: desk.attachments.versions(ID, PAGE),
    "links.page": lambda desk: desk.links.page(ID, PAGE),
    "links.of": lambda desk: desk.links.of((ID,)),
    "links.get": lambda desk: desk.links.get(ID),
    "attachments.receive": lambda desk: desk.attachments.receive(),
    "attachments.may_place": lambda desk: desk.attachments.may_place("/a", "b"),
    "links.may_hang": lambda desk: desk.links.may_hang((Hook(REF),)),
    "attachments.describe": lambda desk: desk.attachments.describe(ID, Description()),
    "attachments.trash": lambda desk: desk.attachments.trash(ID),
    "attachments.restore": lambda desk: desk.attachments.restore(ID),
    "attachments.purge": lambda desk: desk.attachments.purge(ID),
    "attachments.restore_version": lambda desk: desk.attachments.restore_version(ID, 1),
    "links.hang": lambda desk: desk.links.hang(ID, Hook(REF)),
    "links.remove": lambda desk: desk.links.remove(ID),
    "renditions.thumbnail": lambda desk: desk.renditions.thumbnail(ID, 256),
    "renditions.facts": lambda desk: desk.renditions.facts(()),
    "records.get": lambda desk: desk.records.get(REF),
    "records.find": lambda desk: desk.records.find(RecordQuery(1, PAGE)),
    "records.tally": lambda desk: desk.records.tally((REF,)),
    "records.create": lambda desk: desk.records.create(NewRecord(REF)),
    "records.create_all": lambda desk: desk.records.create_all((NewRecord(REF),)),
    "records.put": lambda desk: desk.records.put(NewRecord(REF)),
    "records.change": lambda desk: desk.records.change(REF, RecordChange()),
    "records.delete": lambda desk: desk.records.delete(REF),
    "folders.get": lambda desk: desk.folders.get("/a"),
    "folders.find": lambda desk: desk.folders.find(EntryQuery(1, PAGE)),
    "folders.create": lambda desk: desk.folders.create("/a"),
    "folders.move": lambda desk: desk.folders.move("/a", "/b"),
    "folders.preview": lambda desk: desk.folders.preview("/a"),
    "folders.links": lambda desk: desk.folders.links("/a", PAGE),
    "folders.delete": lambda desk: desk.folders.delete("/a"),
    "events.after": lambda desk: desk.events.after(0, 10),
    "usage": lambda desk: desk.usage(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_every_call_on_a_desk_is_refused_to_an_actor_without_permissions(
    office: Office, call: Callable[[Desk], Awaitable[object]]
) -> None:
    before = await office.held()
    with pytest.raises(Forbidden):
        await call(office.desk("nothing"))
    assert await office.held() == before


@pytest.mark.parametrize(
    "part",
    [
        ("attachments", Attachments),
        ("links", Links),
        ("renditions", Renditions),
        ("records", Records),
        ("folders", Folders),
        ("events", Events),
    ],
)
def test_no_call_on_a_desk_is_left_out_of_that_list(part: tuple[str, type]) -> None:
    name, kind = part
    through_intake = {"attachments.create", "attachments.replace", "links.change"}
    public = {f"{name}.{call}" for call in vars(kind) if not call.startswith("_")}
    assert public - set(CALLS) <= through_intake


async def test_an_upload_needs_its_permission_before_a_byte_is_taken(office: Office) -> None:
    with pytest.raises(Forbidden):
        await office.upload("a.txt", folder="/", desk=office.desk("attachments.read"))


async def test_a_vendors_key_opens_what_its_route_grants_and_nothing_more(office: Office) -> None:
    actor = office.desk("api.system.attachment.view").actor
    attachment = await office.upload("a.txt", folder="/")
    keys, grants = ("api.system.attachment.view",), ("attachments.read",)
    assert (await office.store.desk(actor, keys, grants).attachments.get(attachment.id)).name == "a.txt"
    with pytest.raises(Forbidden):
        await office.store.desk(actor, keys, grants).attachments.trash(attachment.id)
    with pytest.raises(Forbidden):
        await office.store.desk(actor, ("another.key",), grants).attachments.get(attachment.id)


async def test_another_accounts_things_are_not_there(office: Office) -> None:
    await office.record("contact:1")
    await office.record("contact:1", account=office.umbra)
    attachment = await office.upload("secret.txt", on="contact:1", folder="/f")
    stranger = office.desk(account=office.umbra)
    for call in (
        stranger.attachments.get(attachment.id),
        stranger.attachments.content(attachment.id),
        stranger.attachments.at("/f/secret.txt"),
        stranger.attachments.trash(attachment.id),
        stranger.attachments.versions(attachment.id, PAGE),
        stranger.links.hang(attachment.id, Hook(REF)),
        stranger.folders.get("/f"),
    ):
        with pytest.raises(NotFound):
            await call
    assert await office.names(account=office.umbra) == []
    assert await office.names(account=office.umbra, words="secret") == []
    assert (await stranger.records.tally((REF,)))[REF] == 0


class TestScopes:
    async def test_a_records_scope_covers_all_below_it_and_nothing_beside(self, office: Office) -> None:
        await office.record("branch:1")
        await office.record("branch:2")
        await office.record("job:10", "branch:1")
        await office.record("case_note:100", "job:10")
        await office.record("job:20", "branch:2")
        below = await office.upload("below.txt", on="case_note:100")
        beside = await office.upload("beside.txt", on="job:20")
        agent = office.desk(scopes=["record:branch:1"])
        assert await office.names(agent) == ["below.txt"]
        assert await office.bytes_of(below.id, desk=agent) == b"hello"
        for call in (
            agent.attachments.get(beside.id),
            agent.attachments.trash(beside.id),
            agent.records.get(RecordRef("job", "20")),
            agent.records.get(RecordRef("branch", "2")),
        ):
            with pytest.raises(OutOfScope):
                await call
        found = await agent.records.find(RecordQuery(office.acme.number, PAGE))
        assert {str(record.ref) for record in found.items} == {"branch:1", "job:10", "case_note:100"}

    async def test_two_parties_see_what_lies_below_both(self, office: Office) -> None:
        await office.record("organization:ship")
        await office.record("organization:inspect")
        await office.record("workspace:w", "organization:ship", "organization:inspect")
        await office.upload("coa.pdf", on="workspace:w")
        for party in ("ship", "inspect"):
            assert await office.names(office.desk(scopes=[f"record:organization:{party}"])) == ["coa.pdf"]

    async def test_reading_needs_one_link_in_scope_and_changing_needs_all(self, office: Office) -> None:
        await office.record("contact:1")
        await office.record("contact:2")
        attachment = await office.upload("a.txt", on="contact:1")
        await office.desk().links.hang(attachment.id, Hook(RecordRef("contact", "2")))
        actor = office.desk(scopes=["record:contact:1"])
        assert (await actor.attachments.get(attachment.id)).name == "a.txt"
        links = await actor.links.page(attachment.id, PAGE)
        assert [str(link.record) for link in links.items] == ["contact:1"]
        for call in (
            actor.attachments.trash(attachment.id),
            actor.attachments.describe(attachment.id, Description(name="b.txt")),
        ):
            with pytest.raises(OutOfScope):
                await call

    async def test_linking_needs_the_target_in_scope(self, office: Office) -> None:
        await office.record("contact:1")
        await office.record("contact:2")
        attachment = await office.upload("a.txt", on="contact:1")
        actor = office.desk(scopes=["record:contact:1"])
        with pytest.raises(OutOfScope):
            await actor.links.hang(attachment.id, Hook(RecordRef("contact", "2")))
        with pytest.raises(OutOfScope):
            await office.upload("b.txt", on="contact:2", desk=actor)

    async def test_a_paths_scope_is_a_folder_and_not_its_namesakes(self, office: Office) -> None:
        inside = await office.upload("in.txt", folder="/a/b")
        outside = await office.upload("out.txt", folder="/a/bc")
        actor = office.desk(scopes=["path:/a/b"])
        assert await office.names(actor) == ["in.txt"]
        assert (await actor.attachments.at("/a/b/in.txt")).id == inside.id
        for call in (
            actor.attachments.get(outside.id),
            actor.attachments.at("/a/bc/out.txt"),
            actor.folders.get("/a/bc"),
            actor.folders.get("/nowhere"),
            actor.folders.create("/a/c"),
            actor.folders.move("/a/b", "/z"),
            actor.attachments.describe(inside.id, Description(folder="/a")),
        ):
            with pytest.raises(OutOfScope):
                await call
        await office.upload("new.txt", folder="/a/b/deeper", desk=actor)

    async def test_links_below_a_folder_show_only_records_within_scope(self, office: Office) -> None:
        await office.record("contact:1")
        await office.record("contact:2")
        attachment = await office.upload("a.txt", on="contact:1", folder="/a/b")
        await office.desk().links.hang(attachment.id, Hook(RecordRef("contact", "2")))
        actor = office.desk(scopes=["path:/a", "record:contact:1"])
        for links in ((await actor.folders.links("/a", PAGE)).items, (await actor.folders.preview("/a")).links):
            assert [str(link.record) for link in links] == ["contact:1"]
        assert len((await office.desk().folders.preview("/a")).links) == 2

    async def test_a_types_scope_is_all_records_of_it_and_below(self, office: Office) -> None:
        await office.record("case:1")
        await office.record("contact:1")
        await office.upload("case.txt", on="case:1")
        await office.upload("contact.txt", on="contact:1")
        actor = office.desk(scopes=["type:case"])
        assert await office.names(actor) == ["case.txt"]
        await actor.records.create(NewRecord(RecordRef("case", "2")))
        with pytest.raises(OutOfScope):
            await actor.records.create(NewRecord(RecordRef("contact", "2")))

    async def test_a_homeless_upload_is_not_for_scoped_actors(self, office: Office) -> None:
        with pytest.raises(OutOfScope):
            await office.upload("a.txt", desk=office.desk(scopes=["type:case"]))

    async def test_the_log_and_the_figures_speak_of_the_whole_account(self, office: Office) -> None:
        actor = office.desk(scopes=["type:case"])
        for call in (actor.events.after(0, 10), actor.usage()):
            with pytest.raises(OutOfScope):
                await call

    @pytest.mark.parametrize(
        "text", ["", "record", "record:x", "path:a", "type:", "type:a:b", "everything", "record:a b:c"]
    )
    def test_a_scope_that_cannot_be_read_is_refused(self, text: str) -> None:
        with pytest.raises(Invalid):
            parse_scope(text)


async def test_who_sees_a_file_hears_why_it_may_not_be_changed_and_nobody_else(office: Office) -> None:
    """A file in two folders' reach, or on a record too: whoever may not read it is told nothing of it."""
    await office.record("case:1")
    file = await office.upload("x", folder="/open", on="case:1")
    change = Description(description="new")
    reader = office.desk("attachments.read", "attachments.write", scopes=["path:/open"])
    with pytest.raises(PartlyOutOfScope, match="not change it"):
        await reader.attachments.describe(file.id, change)
    with pytest.raises(PartlyOutOfScope):
        await reader.folders.delete("/open")
    for scope, permissions in (("path:/open", ["attachments.write"]), ("path:/closed", ["*"])):
        with pytest.raises(OutOfScope) as refused:
            await office.desk(*permissions, scopes=[scope]).attachments.describe(file.id, change)
        assert not isinstance(refused.value, PartlyOutOfScope)


async def test_what_lies_at_a_path_is_told_only_within_scope(office: Office) -> None:
    await office.upload("x", b"secret", folder="/closed")
    await office.upload("x", b"told", folder="/open")
    scoped = office.desk(scopes=["path:/open"])
    assert (await scoped.attachments.at("/open/x")).name == "x"
    for ask in (scoped.attachments.at, scoped.attachments.content_at):
        with pytest.raises(OutOfScope):
            await ask("/closed/x")
        with pytest.raises(NotFound):
            await ask("/open/y")
