"""Accounts: made on first use, their settings, and what they hold."""

import itertools
import re
from collections.abc import Mapping

import msgspec

from holdfast.core.errors import Invalid, NotFound
from holdfast.core.model import Account, AccountSettings, Ledger, RecordRef
from holdfast.core.ports import AccountQuery, Catalog, Clock, LedgerKey, SlugKey, Tx, UsageQuery, Window

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")


class Accounts:
    """The operator's view of all accounts."""

    __slots__ = ("_catalog", "_clock")

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    async def get(self, slug: str) -> Account:
        """One account. Raises `NotFound`."""
        found = await self._catalog.get(SlugKey(slug))
        if found is None:
            raise NotFound("account", f"There is no account {slug}")
        return found

    async def ensure(self, slug: str) -> Account:
        """The account of that slug, made now if need be. Raises `Invalid` for a slug that cannot be one."""
        if not _SLUG.fullmatch(slug):
            raise Invalid("An account's slug is 1 to 40 lower-case letters, digits and inner hyphens")

        async def body(tx: Tx) -> Account:
            found = await tx.get(SlugKey(slug))
            if found is None:
                newest = await tx.find(AccountQuery(Window(limit=1, total=True)))
                found = Account((newest.total or 0) + 1, slug, self._clock())
                await tx.add(found)
                await tx.add(Ledger(found.number))
            return found

        present = await self._catalog.get(SlugKey(slug))
        return await self._catalog.transact(body) if present is None else present

    async def all(self) -> tuple[Account, ...]:
        """Every account by slug."""
        found: list[Account] = []
        window = Window(limit=500)
        while True:
            page = await self._catalog.find(AccountQuery(window))
            found.extend(page.items)
            if page.next is None:
                return tuple(found)
            window = Window(limit=500, after=page.next)

    async def usage(self, account: Account) -> Ledger:
        """What the account holds now."""
        return (await self._catalog.find(UsageQuery(account.number))).items[0]

    async def configure(self, slug: str, change: Mapping[str, object]) -> Account:
        """Change those of the account's settings that are named. Raises `NotFound`, `Invalid`.

        `allowed_types_on` is merged into what is set; None for a record type removes its rule.
        """

        async def body(tx: Tx) -> Account:
            account = await tx.get(SlugKey(slug))
            if account is None:
                raise NotFound("account", f"There is no account {slug}")
            await tx.get(LedgerKey(account.number))
            settings = _changed(account.settings, change)
            _check(settings)
            changed = msgspec.structs.replace(account, settings=settings)
            await tx.save(changed)
            return changed

        return await self._catalog.transact(body)


def _changed(settings: AccountSettings, change: Mapping[str, object]) -> AccountSettings:
    merged: dict[str, tuple[str, ...] | None] = dict(settings.allowed_types_on)
    told = change.get("allowed_types_on")
    if isinstance(told, Mapping):
        merged.update(told)
    rules = {type: allowed for type, allowed in merged.items() if allowed is not None}
    return msgspec.structs.replace(settings, **{**change, "allowed_types_on": rules})


def _check(settings: AccountSettings) -> None:
    figures = (settings.quota_bytes, settings.quota_attachments, settings.max_file_bytes, settings.trash_days)
    if any(figure is not None and figure < 0 for figure in figures):
        raise Invalid("Limits are not negative")
    for type in settings.allowed_types_on:
        RecordRef.checked(type, "any")
    for media_type in itertools.chain(settings.allowed_types or (), *settings.allowed_types_on.values()):
        if not _MEDIA_TYPE.fullmatch(media_type):
            raise Invalid(f"{media_type} is not a media type", fields={"allowed_types": media_type})
