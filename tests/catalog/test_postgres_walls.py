"""Row-level security: a second wall between accounts, for the owner of the tables and for a role that only serves."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from holdfast.catalog.postgres.catalog import open_postgres
from holdfast.catalog.postgres.inspection import facts_of
from holdfast.catalog.postgres.migrations import Unsuitable
from holdfast.core.ports import AttachmentKey, AttachmentQuery, Catalog, TokenKey, Window
from tests.catalog import rows
from tests.catalog.worlds import adding, fill, world
from tests.engines.postgres import fresh_database, server, serving_role

WORLDS = {1: world(1, 1), 2: world(2, 2)}
APART = (
    *("ledgers", "users", "clients", "tokens", "records", "record_parents", "record_ancestors", "attachments"),
    *("attachment_properties", "attachment_names", "versions", "blobs", "links", "folders", "events", "answers"),
    *("renditions", "media_facts"),
)
LOOKED_UP = ("users", "clients", "tokens", "blobs")
"""Tables in which something is found before the account is known."""


@pytest.fixture(params=["owner", "server"])
def dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database as an ordinary role sees it that owns the tables, or has but the rights to serve from them."""
    with fresh_database() as made, serving_role(made, owner=request.param == "owner") as role:
        yield role


@pytest.fixture
async def catalog(dsn: str) -> AsyncIterator[Catalog]:
    opened = open_postgres(dsn)
    for account, made in WORLDS.items():
        await fill(opened, account, made)
        first = made.attachments[0]
        more: list[Any] = [
            rows.user(1, account),
            rows.client(1, account),
            rows.token(1, account),
            rows.event(1, account),
        ]
        more += [rows.answer(1, account), rows.blob(1, account), rows.rendition(1, account=account)]
        await opened.transact(adding([*more, rows.facts(1, account=account), rows.version(first)]))
    yield opened
    await opened.close()


def seen(dsn: str, account: str | None, table: str) -> set[int]:
    """The accounts whose rows a statement without any condition meets."""
    column = "number" if table == "accounts" else "account"
    with psycopg.connect(dsn, autocommit=True) as connection:
        if account is not None:
            connection.execute("SELECT set_config('holdfast.account', %s, false)", (account,))
        return {int(row[0]) for row in connection.execute(f"SELECT {column} FROM {table}".encode()).fetchall()}


@pytest.mark.parametrize("table", ["accounts", *APART])
async def test_a_statement_meets_the_rows_of_one_account_alone(catalog: Catalog, dsn: str, table: str) -> None:
    assert seen(dsn, "1", table) == {1}
    assert seen(dsn, "2", table) == {2}
    assert [seen(dsn, account, table) for account in ("3", "", "1; 2", "-1", None)] == [set()] * 5
    assert seen(dsn, "*", table) == ({1, 2} if table in {"accounts", *LOOKED_UP} else set())


async def test_every_table_with_an_account_has_the_wall(catalog: Catalog, dsn: str) -> None:
    facts = facts_of(dsn)
    assert (facts.without_wall, facts.without_rights, facts.passes_walls) == ((), (), False)
    with psycopg.connect(dsn) as connection:
        named = connection.execute("SELECT table_name FROM information_schema.columns WHERE column_name = 'account'")
        assert {str(row[0]) for row in named.fetchall()} == set(APART)


@pytest.mark.parametrize("account", ["1", "*"])
async def test_nothing_of_another_account_is_written(catalog: Catalog, dsn: str, account: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT set_config('holdfast.account', %s, false)", (account,))
        assert connection.execute("UPDATE attachments SET account = account WHERE account = 2").rowcount == 0
        assert connection.execute("DELETE FROM tokens WHERE account = 2").rowcount == 0
        assert connection.execute("DELETE FROM users WHERE account = 2").rowcount == 0
        for stolen in (
            "INSERT INTO blobs (account, sha256, size, locator, refs, created_at) VALUES (2, 'x', 1, 'x', 1, 1)",
            "INSERT INTO links SELECT * FROM links",
            "UPDATE tokens SET account = 2",
            "UPDATE tokens SET permissions = '[\"*\"]' WHERE account = 2",
            "UPDATE attachments SET account = 2",
        ):
            try:
                assert connection.execute(stolen.encode()).rowcount == 0
            except (errors.InsufficientPrivilege, errors.GeneratedAlways):
                continue
    assert await catalog.get(TokenKey(rows.token(1, 2).sha256)) == rows.token(1, 2)


async def test_the_catalog_works_from_behind_the_wall(catalog: Catalog) -> None:
    for account, made in WORLDS.items():
        live = [each for each in made.attachments if each.trashed_at is None]
        assert (await catalog.find(AttachmentQuery(account, Window(1000, total=True)))).total == len(live)
        assert await catalog.get(AttachmentKey(account, live[0].id)) == live[0]


async def test_a_role_without_rights_is_refused_in_one_line() -> None:
    with fresh_database() as made, serving_role(made, owner=False) as dsn:
        database = str(psycopg.conninfo.conninfo_to_dict(made)["dbname"])
        server().execute("REVOKE INSERT ON attachments FROM PUBLIC", database)
        server().execute(
            f'REVOKE INSERT ON attachments FROM "{psycopg.conninfo.conninfo_to_dict(dsn)["user"]}"', database
        )
        with pytest.raises(Unsuitable, match="attachments") as refused:
            open_postgres(dsn)
        assert len(str(refused.value).splitlines()) == 1
