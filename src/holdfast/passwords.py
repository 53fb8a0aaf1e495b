"""Argon2id for the passwords of people. Tokens and client secrets are random and need no slow hash."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
"""The smallest of the argon2id settings that OWASP's password storage cheat sheet holds equal to its others; its 19 MiB
fit into a small server."""

MAX_MEMORY_KIB = 64 * 1024
MAX_PASSES = 8
"""A stored hash may ask for more than we ask for today, never for so much that checking it starves the server."""

MAX_PASSWORD_BYTES = 4096
"""Far above any passphrase; hashing starts with a pass over all of it."""

MAX_HASH_CHARACTERS = 512
"""Our own hashes are 97 characters long."""


class Argon2Passwords:
    """Adapter of the `Passwords` port: one hash at a time, in a thread of its own, so that a burst of sign-ins costs
    19 MiB, not 19 MiB each, and leaves the other cores to the server.

    The single thread, and not a semaphore, is the limit: it holds even when callers give up in the middle.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="argon2")

    async def hash(self, password: str) -> str:
        """A salted hash in PHC text form. Raises `ValueError` for a password over 4096 bytes."""
        secret = _encoded(password)
        if len(secret) > MAX_PASSWORD_BYTES:
            raise ValueError("password too long")
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: _hasher().hash(secret))

    async def verify(self, password: str, hash: str) -> bool:
        """Whether the password has this hash; False, never an error, for a hash that is none, or asks for too much."""
        secret = _encoded(password)
        if len(secret) > MAX_PASSWORD_BYTES or len(hash) > MAX_HASH_CHARACTERS:
            return False
        return await asyncio.get_running_loop().run_in_executor(self._thread, _fits, secret, hash)


def _encoded(password: str) -> bytes:
    # Half of a surrogate pair can arrive by JSON; it is a character like any other here.
    return password.encode("utf-8", "surrogatepass")


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # noqa: PLC0415

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


def _fits(secret: bytes, hash: str) -> bool:
    from argon2 import extract_parameters  # noqa: PLC0415
    from argon2.exceptions import Argon2Error, InvalidHashError  # noqa: PLC0415

    try:
        asked = extract_parameters(hash)
        if asked.memory_cost > MAX_MEMORY_KIB or asked.time_cost > MAX_PASSES or asked.parallelism > LANES:
            return False
        return _hasher().verify(hash, secret)
    except (Argon2Error, InvalidHashError, ValueError):
        return False
