"""The links of many attachments at once, as lists need them."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.attachments import NewAttachment
from holdfast.core.errors import Forbidden
from holdfast.core.links import Hook
from holdfast.core.model import Actor, RecordRef, RecordScope
from holdfast.core.records import NewRecord
from holdfast.core.store import Desk
from tests.installation import Installation, installed

RED, BLUE = RecordRef("binder", "red"), RecordRef("binder", "blue")


@pytest.fixture
async def house(tmp_path: Path, engines: Mapping[str, Any]) -> AsyncIterator[Installation]:
    async with installed(tmp_path, **engines) as installation:
        desk = await installation.desk()
        await desk.records.create_all((NewRecord(RED), NewRecord(BLUE)))
        yield installation


async def keep(desk: Desk, name: str, *hooks: Hook) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield name.encode()

    async with await desk.attachments.receive() as intake:
        await intake.take(chunks(), name=name)
        return (await desk.attachments.create(intake, NewAttachment(name, hooks=hooks))).id


async def scoped(house: Installation, *permissions: str) -> Desk:
    account = await house.account()
    return house.store.desk(Actor(account.number, "x", "token", "x", frozenset(permissions), (RecordScope(RED),)))


async def test_each_attachment_has_its_own_links_by_position(house: Installation) -> None:
    desk = await house.desk()
    both = await keep(desk, "both", Hook(RED, position=2), Hook(BLUE, position=1))
    blue = await keep(desk, "blue", Hook(BLUE))
    none = await keep(desk, "none")
    found = await desk.links.of((both, blue, none))
    assert {id: [link.record for link in links] for id, links in found.items()} == {
        both: [BLUE, RED],
        blue: [BLUE],
        none: [],
    }
    assert await desk.links.of(()) == {}


async def test_more_links_than_one_page_come_all(house: Installation) -> None:
    desk = await house.desk()
    hooks = [Hook(RED, role=f"role {number}") for number in range(401)]
    ids = [await keep(desk, str(number), *hooks) for number in range(3)]
    found = await desk.links.of(tuple(ids))
    assert [len(found[id]) for id in ids] == [401, 401, 401]


async def test_links_out_of_scope_are_left_out(house: Installation) -> None:
    desk = await house.desk()
    both = await keep(desk, "both", Hook(RED), Hook(BLUE))
    blue = await keep(desk, "blue", Hook(BLUE))
    found = await (await scoped(house, "attachments.read")).links.of((both, blue))
    assert [link.record for link in found[both]] == [RED]
    assert found[blue] == ()
    with pytest.raises(Forbidden):
        await (await scoped(house, "attachments.write")).links.of((both,))


async def test_another_accounts_attachments_have_none(house: Installation) -> None:
    both = await keep(await house.desk(), "both", Hook(RED))
    assert await (await house.desk("rival")).links.of((both,)) == {both: ()}
