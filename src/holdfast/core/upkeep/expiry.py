"""The end of the trash: what was deleted and not restored in time goes for good."""

from functools import partial

from holdfast.core.access import Work
from holdfast.core.attachments import purge
from holdfast.core.leases import Tenure
from holdfast.core.model import PURGE, Account, Attachment
from holdfast.core.policy import Policy
from holdfast.core.ports import AttachmentKey, AttachmentQuery, Order, Where, Window
from holdfast.core.upkeep.stock import Stock, accounts, fence, pages

_DAY = 24 * 3600
_PAGE = 100
_TOGETHER = 10


async def expire(stock: Stock, policy: Policy, tenure: Tenure | None = None, *, dry_run: bool = False) -> int:
    """Purge what has been in the trash longer than its account keeps it; how many attachments.

    Each transaction takes a few, so that nobody waits long for it. Raises `LeaseLost`.
    """
    count = 0
    for account in await accounts(stock.catalog):
        before = stock.before(trash_days(account, policy) * _DAY)
        async for page in pages(stock.catalog, partial(_due, account, before), _PAGE):
            if dry_run:
                count += len(page)
                continue
            for start in range(0, len(page), _TOGETHER):
                count += await _purge(stock, account, page[start : start + _TOGETHER], before, tenure)
    return count


def trash_days(account: Account, policy: Policy) -> int:
    """How many days the account keeps what was deleted."""
    own = account.settings.trash_days
    return policy.trash_days if own is None else own


def _due(account: Account, before: int, window: Window) -> AttachmentQuery:
    late = Where("trashed_at", "lt", before)
    return AttachmentQuery(account.number, window, trashed=True, where=(late,), order=(Order("created_at"),))


async def _purge(
    stock: Stock, account: Account, found: tuple[Attachment, ...], before: int, tenure: Tenure | None
) -> int:
    async def body(work: Work) -> int:
        await fence(tenure, work.tx)
        count = 0
        for each in found:
            # It may have been restored, or deleted anew, since it was found.
            attachment = await work.get(AttachmentKey(account.number, each.id))
            if attachment is not None and attachment.trashed_at is not None and attachment.trashed_at < before:
                await purge(work, attachment)
                count += 1
        return count

    return await stock.change(account.number, PURGE, body)
