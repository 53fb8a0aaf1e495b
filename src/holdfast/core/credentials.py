"""Secrets and who they stand for: tokens, sign-in of users and clients, sessions."""

import hashlib
from collections.abc import Callable

import msgspec

from holdfast.core.errors import Conflict, Invalid, NotFound, Unauthenticated
from holdfast.core.model import EVERYTHING, Actor, Client, Scope, Token, User, has_control_characters
from holdfast.core.ports import (
    Catalog,
    ClientKey,
    ClientNameKey,
    Clock,
    Entropy,
    Page,
    Passwords,
    TokenKey,
    TokenQuery,
    Tx,
    UserIdKey,
    UserKey,
    Window,
)

_SECOND = 1_000_000
_MAX_SESSIONS = 500


class Grant(msgspec.Struct, frozen=True):
    """What a credential may do, and where: no scopes means the whole account."""

    permissions: frozenset[str] = frozenset({EVERYTHING})
    scopes: tuple[Scope, ...] = ()


class Session(msgspec.Struct, frozen=True):
    """A successful sign-in: the secrets to hand out once, and who has signed in.

    `expires_in` is in seconds, `expires_at` in microseconds since the epoch.
    """

    secret: str
    expires_in: int
    expires_at: int
    actor: Actor
    refresh: str | None = None


def digest(secret: str) -> bytes:
    """What is stored of a secret that has 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


class Credentials:
    """Recognises secrets and hands out new ones."""

    __slots__ = ("_catalog", "_clock", "_decoy", "_entropy", "_ids", "_passwords")

    def __init__(
        self, catalog: Catalog, passwords: Passwords, *, clock: Clock, entropy: Entropy, ids: Callable[[], str]
    ) -> None:
        self._catalog = catalog
        self._passwords = passwords
        self._clock = clock
        self._entropy = entropy
        self._ids = ids
        self._decoy: str | None = None

    # ------------------------------------------------------------ recognising

    async def identify(self, secret: str) -> Actor:
        """The actor behind a bearer secret. Looked up each time, so that revocation holds from the next request.

        Raises `Unauthenticated`.
        """
        token = await self._catalog.get(TokenKey(digest(secret)))
        if token is None or token.kind == "refresh":
            raise Unauthenticated
        return await self._actor(token)

    async def _actor(self, token: Token) -> Actor:
        if token.expires_at is not None and token.expires_at <= self._clock():
            raise Unauthenticated("The token has expired")
        if token.owner is None:
            return Actor(token.account, token.id, "token", token.name, token.permissions, token.scopes, token.id)
        user = await self._catalog.get(UserIdKey(token.owner))
        if user is not None and not user.disabled:
            return Actor(user.account, user.id, "user", user.name, user.permissions, user.scopes, token.id)
        client = None if user is not None else await self._catalog.get(ClientKey(token.owner))
        if client is None:
            raise Unauthenticated
        return Actor(client.account, client.id, "client", client.name, client.permissions, client.scopes, token.id)

    # ------------------------------------------------------------ signing in and out

    async def sign_in(
        self, email: str, password: str, *, lifetime: int, refresh: int | None = None, alone: bool = False
    ) -> Session:
        """A session for the user with this e-mail and password, for `lifetime` seconds.

        `refresh` asks for a refresh secret that lives that long; `alone` ends the user's other sessions. An unknown
        e-mail costs as much as a wrong password. Raises `Unauthenticated`.
        """
        user = await self._catalog.get(UserKey(email.lower()))
        right = await self._passwords.verify(password, user.password_hash if user else await self._decoy_hash())
        if user is None or user.disabled or not right:
            raise Unauthenticated("Wrong e-mail or password")
        return await self._begin(user, lifetime, refresh, alone=alone)

    async def sign_in_client(self, name_or_id: str, secret: str, *, lifetime: int) -> Session:
        """A session for a client. Raises `Unauthenticated`."""
        client = await self._catalog.get(ClientKey(name_or_id)) or await self._catalog.get(ClientNameKey(name_or_id))
        if client is None or client.secret_sha256 != digest(secret):
            raise Unauthenticated("Wrong client id or secret")
        return await self._begin(client, lifetime)

    async def renew(self, secret: str, *, lifetime: int, refresh: int) -> Session:
        """A new session for a refresh secret, which is used up. Raises `Unauthenticated`."""
        token = await self._catalog.get(TokenKey(digest(secret)))
        if token is None or token.kind != "refresh":
            raise Unauthenticated("The refresh token is not valid")
        actor = await self._actor(token)
        user = await self._catalog.get(UserIdKey(actor.id))
        if user is None:
            raise Unauthenticated("The refresh token is not valid")
        return await self._begin(user, lifetime, refresh, used=token)

    async def prolong(self, secret: str, *, lifetime: int) -> Session:
        """A further session for whoever has signed in with this one, which goes on. Raises `Unauthenticated`.

        An operator's token is nobody's session and cannot be prolonged.
        """
        token = await self._catalog.get(TokenKey(digest(secret)))
        if token is None or token.kind != "session":
            raise Unauthenticated
        actor = await self._actor(token)
        user = await self._catalog.get(UserIdKey(actor.id))
        owner = user if user is not None else await self._catalog.get(ClientKey(actor.id))
        if owner is None:
            raise Unauthenticated
        return await self._begin(owner, lifetime)

    async def sign_out(self, secret: str) -> None:
        """End the session or refresh token; an unknown secret is no error."""

        async def body(tx: Tx) -> None:
            token = await tx.get(TokenKey(digest(secret)))
            if token is not None and token.kind != "token":
                await tx.remove(token)

        await self._catalog.transact(body)

    async def _begin(
        self,
        owner: User | Client,
        lifetime: int,
        refresh: int | None = None,
        *,
        alone: bool = False,
        used: Token | None = None,
    ) -> Session:
        secret, renewal = self.secret(), self.secret() if refresh else None
        session = self._token(owner, "session", secret, lifetime)
        renewing = None if renewal is None or refresh is None else self._token(owner, "refresh", renewal, refresh)

        async def body(tx: Tx) -> None:
            if used is not None:
                if await tx.get(TokenKey(used.sha256)) is None:
                    raise Unauthenticated("The refresh token is not valid")
                await tx.remove(used)
            await self._make_room(tx, owner, alone=alone)
            await tx.add(session)
            if renewing is not None:
                await tx.add(renewing)

        await self._catalog.transact(body)
        return Session(secret, lifetime, session.expires_at or 0, await self._actor(session), renewal)

    async def _make_room(self, tx: Tx, owner: User | Client, *, alone: bool) -> None:
        """Drop the owner's sessions that are over, all of them if asked, and the oldest beyond a fair number."""
        now = self._clock()
        page = await tx.find(TokenQuery(owner.account, Window(limit=2 * _MAX_SESSIONS), owner=owner.id))
        for position, token in enumerate(page.items):
            over = token.expires_at is not None and token.expires_at <= now
            if alone or over or position >= _MAX_SESSIONS:
                await tx.remove(token)

    def _token(self, owner: User | Client, kind: str, secret: str, lifetime: int) -> Token:
        now = self._clock()
        return Token(
            owner.account,
            self._ids(),
            digest(secret),
            "refresh" if kind == "refresh" else "session",
            owner.name,
            owner.id,
            frozenset(),
            (),
            now,
            now + lifetime * _SECOND,
        )

    async def _decoy_hash(self) -> str:
        if self._decoy is None:
            self._decoy = await self._passwords.hash(self.secret())
        return self._decoy

    def secret(self) -> str:
        """A new secret: 256 random bits as 64 hex digits."""
        return self._entropy(32).hex()

    # ------------------------------------------------------------ issuing, for the operator

    async def issue_token(self, account: int, name: str, grant: Grant, expires_at: int | None = None) -> str:
        """A new token; its secret, shown once. Raises `Invalid`."""
        _check_name(name)
        secret = self.secret()
        token = Token(
            account, self._ids(), digest(secret), "token", name, None, grant.permissions, grant.scopes, self._clock(),
            expires_at,
        )  # fmt: skip

        async def body(tx: Tx) -> None:
            await tx.add(token)

        await self._catalog.transact(body)
        return secret

    async def tokens(self, account: int, window: Window) -> Page[Token]:
        """An account's tokens and sessions, newest first."""
        return await self._catalog.find(TokenQuery(account, window))

    async def revoke(self, account: int, id: str) -> Token:
        """End a token by its id, from the next request on. Raises `NotFound`."""

        async def body(tx: Tx) -> Token:
            window = Window(limit=500)
            while True:
                page = await tx.find(TokenQuery(account, window))
                for token in page.items:
                    if token.id == id:
                        await tx.remove(token)
                        return token
                if page.next is None:
                    raise NotFound("token")
                window = Window(limit=500, after=page.next)

        return await self._catalog.transact(body)

    async def add_user(self, account: int, email: str, name: str, password: str, grant: Grant) -> User:
        """A new user. Raises `Conflict` when the e-mail is in use anywhere in the installation, `Invalid`."""
        _check_name(name)
        if "@" not in email or has_control_characters(email) or len(email) > 254:
            raise Invalid("An e-mail address is needed", fields={"email": "not an address"})
        if not 8 <= len(password) <= 1024:
            raise Invalid("A password has 8 to 1024 characters", fields={"password": "too short or too long"})
        hashed = await self._passwords.hash(password)
        user = User(account, self._ids(), email.lower(), name, hashed, grant.permissions, grant.scopes, self._clock())

        async def body(tx: Tx) -> User:
            if await tx.get(UserKey(user.email)) is not None:
                raise Conflict(f"The e-mail {user.email} is already in use")
            await tx.add(user)
            return user

        return await self._catalog.transact(body)

    async def add_client(self, account: int, name: str, grant: Grant) -> tuple[Client, str]:
        """A new client and its secret, shown once. Raises `Conflict` when the name is in use, `Invalid`."""
        _check_name(name)
        secret = self.secret()
        client = Client(account, self._ids(), name, digest(secret), grant.permissions, grant.scopes, self._clock())

        async def body(tx: Tx) -> Client:
            if await tx.get(ClientNameKey(name)) is not None:
                raise Conflict(f"The client name {name} is already in use")
            await tx.add(client)
            return client

        return await self._catalog.transact(body), secret


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= 200 or has_control_characters(name):
        raise Invalid("A name has 1 to 200 characters", fields={"name": "empty, too long or control characters"})
