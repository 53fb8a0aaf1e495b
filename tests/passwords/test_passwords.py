"""The password adapter: right is right, and nothing odd is an error."""

import asyncio
import subprocess
import sys
import threading

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import passwords
from holdfast.core.ports import Passwords
from holdfast.passwords import MAX_PASSWORD_BYTES, Argon2Passwords


@pytest.mark.parametrize("password", ["", "correct horse", "pässwörd 密码", "a\0b", "\ud800", "x" * MAX_PASSWORD_BYTES])
def test_only_the_same_password_fits(password: str) -> None:
    async def story() -> None:
        adapter: Passwords = Argon2Passwords()
        first, second = await adapter.hash(password), await adapter.hash(password)
        assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert first != second
        assert await adapter.verify(password, first)
        assert not await adapter.verify(password + "x", first)

    asyncio.run(story())


HASH = asyncio.run(Argon2Passwords().hash("secret"))


ODD = {
    "nothing": "",
    "a password": "secret",
    "a beginning": "$argon2id$",
    "cut": HASH[:-1],
    "too long": HASH + "A",
    "another kind": HASH.replace("argon2id", "argon2i"),
    "another time": HASH.replace("t=2", "t=3"),
    "more memory than there is": HASH.replace("m=19456", "m=4294967295"),
    "no version": HASH.replace("v=19", "v=x"),
    "other separators": HASH.replace("$", "§"),
    "a letter before it": "é" + HASH,
    "a null before it": "\0" + HASH,
    "half a character": "\ud800",
    "separators alone": "$" * 10_000,
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_hash_fits_nothing(odd: str) -> None:
    assert asyncio.run(Argon2Passwords().verify("secret", odd)) is False


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=120) | st.text(max_size=60).map(lambda tail: HASH[:40] + tail))
def test_any_text_may_be_offered_as_a_hash(odd: str) -> None:
    assert asyncio.run(Argon2Passwords().verify("secret", odd)) is False


def test_a_hash_made_with_other_settings_still_fits() -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash("secret")
    assert asyncio.run(Argon2Passwords().verify("secret", weaker))


def test_a_password_without_end_is_refused() -> None:
    async def story() -> None:
        adapter = Argon2Passwords()
        assert not await adapter.verify("x" * (MAX_PASSWORD_BYTES + 1), HASH)
        with pytest.raises(ValueError, match="too long"):
            await adapter.hash("x" * (MAX_PASSWORD_BYTES + 1))

    asyncio.run(story())


def test_one_at_a_time_and_never_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[int] = []
    most = 0
    real = passwords._fits

    def counted(secret: bytes, hash: str) -> bool:
        nonlocal most
        assert threading.current_thread() is not threading.main_thread()
        running.append(1)
        most = max(most, len(running))
        try:
            return real(secret, hash)
        finally:
            running.pop()

    monkeypatch.setattr(passwords, "_fits", counted)

    async def story() -> None:
        adapter = Argon2Passwords()
        given_up = [asyncio.create_task(adapter.verify("secret", HASH)) for _ in range(3)]
        await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        assert all(await asyncio.gather(*(adapter.verify("secret", HASH) for _ in range(6))))

    asyncio.run(story())
    assert most == 1


def test_the_library_is_loaded_on_first_use() -> None:
    code = "import sys, holdfast.passwords; sys.exit('argon2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
