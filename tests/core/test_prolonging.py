"""A session may be carried over into a longer one by its owner, and by nobody else."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.credentials import Grant
from holdfast.core.errors import Unauthenticated
from tests.installation import Installation, installed

PASSWORD = "correct horse"


@pytest.fixture
async def installation(tmp_path: Path, engines: Mapping[str, Any]) -> AsyncIterator[Installation]:
    async with installed(tmp_path, **engines) as found:
        account = (await found.account()).number
        grant = Grant(frozenset({"attachments.read"}))
        await found.operator.credentials.add_user(account, "ada@example.com", "Ada", PASSWORD, grant)
        yield found


async def test_a_session_is_prolonged_by_a_second_one(installation: Installation) -> None:
    store = installation.store
    first = await store.sign_in("ada@example.com", PASSWORD, lifetime=60)
    second = await store.prolong(first.secret, lifetime=600)
    assert second.secret != first.secret
    assert second.expires_at - first.expires_at >= 540 * 1_000_000
    assert {(await store.identify(session.secret)).name for session in (first, second)} == {"Ada"}


async def test_what_was_prolonged_ends_with_the_next_sign_in_alone(installation: Installation) -> None:
    store = installation.store
    first = await store.sign_in("ada@example.com", PASSWORD, lifetime=60)
    second = await store.prolong(first.secret, lifetime=600)
    await store.sign_in("ada@example.com", PASSWORD, lifetime=60, alone=True)
    for session in (first, second):
        with pytest.raises(Unauthenticated):
            await store.identify(session.secret)


async def test_tokens_refresh_secrets_and_sessions_that_are_over_are_not_prolonged(installation: Installation) -> None:
    store = installation.store
    renewable = await store.sign_in("ada@example.com", PASSWORD, lifetime=60, refresh=600)
    over = await store.sign_in("ada@example.com", PASSWORD, lifetime=60)
    await store.sign_out(over.secret)
    token = await installation.token()
    for secret in (renewable.refresh or "", over.secret, token, "", "0" * 64):
        with pytest.raises(Unauthenticated):
            await store.prolong(secret, lifetime=600)
