"""Secrets: tokens, users, clients, sessions."""

import msgspec
import pytest

from holdfast.core.access import parse_scope
from holdfast.core.credentials import Grant
from holdfast.core.errors import Conflict, Invalid, Unauthenticated
from holdfast.core.ports import Tx, Window
from tests.core.office import Office

READER = Grant(frozenset({"attachments.read"}), (parse_scope("type:case"),))
PASSWORD = "correct horse battery staple"


async def test_a_token_stands_for_its_grant_until_it_is_revoked(office: Office) -> None:
    credentials = office.store.operator().credentials
    secret = await credentials.issue_token(office.acme.number, "importer", READER)
    actor = await office.store.identify(secret)
    assert (actor.account, actor.kind, actor.name) == (office.acme.number, "token", "importer")
    assert (actor.permissions, actor.scopes) == (READER.permissions, READER.scopes)
    assert len(secret) == 64
    await credentials.revoke(office.acme.number, actor.credential)
    with pytest.raises(Unauthenticated):
        await office.store.identify(secret)


async def test_an_expired_token_is_no_token(office: Office) -> None:
    secret = await office.store.operator().credentials.issue_token(office.acme.number, "old", READER, expires_at=1)
    with pytest.raises(Unauthenticated):
        await office.store.identify(secret)


@pytest.mark.parametrize("secret", ["", "x", "0" * 64, "\x00", "\ud800", "é" * 9000])
async def test_an_unknown_secret_is_refused(office: Office, secret: str) -> None:
    with pytest.raises(Unauthenticated):
        await office.store.identify(secret)


async def test_a_user_signs_in_renews_and_signs_out(office: Office) -> None:
    credentials = office.store.operator().credentials
    user = await credentials.add_user(office.acme.number, "Ada@Example.com", "Ada", PASSWORD, READER)
    for email, password in (("ada@example.com", "wrong"), ("grace@example.com", PASSWORD)):
        with pytest.raises(Unauthenticated):
            await office.store.sign_in(email, password, lifetime=60)
    session = await office.store.sign_in("ADA@example.com", PASSWORD, lifetime=60, refresh=600)
    actor = await office.store.identify(session.secret)
    assert (actor.id, actor.kind, actor.permissions) == (user.id, "user", READER.permissions)
    assert session.refresh is not None
    with pytest.raises(Unauthenticated):
        await office.store.identify(session.refresh)
    renewed = await office.store.renew(session.refresh, lifetime=60, refresh=600)
    with pytest.raises(Unauthenticated):
        await office.store.renew(session.refresh, lifetime=60, refresh=600)
    await office.store.sign_out(renewed.secret)
    with pytest.raises(Unauthenticated):
        await office.store.identify(renewed.secret)


async def test_signing_in_alone_ends_the_other_sessions(office: Office) -> None:
    await office.store.operator().credentials.add_user(office.acme.number, "a@b.c", "A", PASSWORD, READER)
    first = await office.store.sign_in("a@b.c", PASSWORD, lifetime=60)
    second = await office.store.sign_in("a@b.c", PASSWORD, lifetime=60, alone=True)
    with pytest.raises(Unauthenticated):
        await office.store.identify(first.secret)
    assert (await office.store.identify(second.secret)).name == "A"


async def test_a_client_signs_in_by_name_or_id(office: Office) -> None:
    client, secret = await office.store.operator().credentials.add_client(office.acme.number, "svc-import", READER)
    for name in (client.id, "svc-import"):
        session = await office.store.sign_in_client(name, secret, lifetime=60)
        assert (await office.store.identify(session.secret)).kind == "client"
    with pytest.raises(Unauthenticated):
        await office.store.sign_in_client("svc-import", "wrong", lifetime=60)


async def test_emails_and_client_names_are_unique_in_the_installation(office: Office) -> None:
    credentials = office.store.operator().credentials
    await credentials.add_user(office.acme.number, "a@b.c", "A", PASSWORD, READER)
    await credentials.add_client(office.acme.number, "svc", READER)
    with pytest.raises(Conflict):
        await credentials.add_user(office.umbra.number, "A@B.C", "B", PASSWORD, READER)
    with pytest.raises(Conflict):
        await credentials.add_client(office.umbra.number, "svc", READER)


@pytest.mark.parametrize(("email", "password"), [("nobody", PASSWORD), ("a@b.c", "short"), ("a\x00@b.c", PASSWORD)])
async def test_a_user_has_an_address_and_a_decent_password(office: Office, email: str, password: str) -> None:
    with pytest.raises(Invalid):
        await office.store.operator().credentials.add_user(office.acme.number, email, "A", password, READER)


async def test_no_secret_is_stored_as_it_is(office: Office) -> None:
    credentials = office.store.operator().credentials
    secret = await credentials.issue_token(office.acme.number, "t", READER)
    tokens = await credentials.tokens(office.acme.number, Window(limit=10))
    assert secret not in repr(tokens)
    assert bytes.fromhex(secret) not in {token.sha256 for token in tokens.items}


@pytest.mark.parametrize("slug", ["", "Acme", "a b", "-a", "a-", "x" * 41, "ä", "a/b"])
async def test_an_accounts_slug_follows_its_grammar(office: Office, slug: str) -> None:
    with pytest.raises(Invalid):
        await office.store.operator().accounts.ensure(slug)


async def test_settings_change_one_by_one(office: Office) -> None:
    accounts = office.store.operator().accounts
    await accounts.configure("acme", {"quota_bytes": 5})
    changed = await accounts.configure("acme", {"trash_days": 7})
    assert (changed.settings.quota_bytes, changed.settings.trash_days) == (5, 7)
    for wrong in (
        {"quota_bytes": -1},
        {"allowed_types": ("not a type",)},
        {"allowed_types_on": {"case": ("image/*",)}},
        {"allowed_types_on": {"no type": ()}},
    ):
        with pytest.raises(Invalid):
            await accounts.configure("acme", wrong)


async def test_the_sessions_of_a_disabled_user_end_with_it(office: Office) -> None:
    credentials = office.store.operator().credentials
    user = await credentials.add_user(office.acme.number, "ada@example.com", "Ada", "correct horse", Grant())
    session = await office.store.sign_in("ada@example.com", "correct horse", lifetime=60)
    assert (await office.store.identify(session.secret)).id == user.id

    async def disable(tx: Tx) -> None:
        await tx.save(msgspec.structs.replace(user, disabled=True))

    await office.store._engines.catalog.transact(disable)
    with pytest.raises(Unauthenticated):
        await office.store.identify(session.secret)
    with pytest.raises(Unauthenticated):
        await office.store.sign_in("ada@example.com", "correct horse", lifetime=60)
