"""Keeping an installation sound: verify and collect."""

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.opening import FAILED, USAGE, Config, Data, existing, fail, printable, read_settings, with_store
from holdfast.cli.progress import watched
from holdfast.settings import Settings, SettingsError, read_size

if TYPE_CHECKING:
    from holdfast.core.store import Store
    from holdfast.core.upkeep.collecting import Collected
    from holdfast.core.upkeep.repairing import Repaired
    from holdfast.core.upkeep.verifying import Finding, Verified

_HOUR = 3600

Grace = Annotated[
    float | None,
    typer.Option("--grace-hours", min=0, help="Hours that bytes without a use stay. Default: the setting."),
]


def verify(
    quick: Annotated[bool, typer.Option("--quick", help="Look at lengths only, do not read contents.")] = False,
    rate: Annotated[str | None, typer.Option("--rate", help="Bytes a second to read at most, such as 50MiB.")] = None,
    repair: Annotated[
        str | None,
        typer.Option("--repair", metavar="SOURCE", help="Bring lost bytes back from a backup or a second blob store."),
    ] = None,
    recount: Annotated[bool, typer.Option("--recount", help="Set wrong counts to what the rows add up to.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do what the plan says without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and change nothing.")] = False,
    grace_hours: Grace = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Hold rows against bytes, both ways, and rows against each other; say what is wrong and mend it if asked.

    Works while a server runs. Bytes found damaged are marked, and from then on not served. Exit code 1 if something is
    wrong and was not mended.
    """
    settings = existing(read_settings(config, data=data))
    if (repair or recount) and not (yes or dry_run or sys.stdin.isatty()):
        fail("nobody is there to be asked: give --yes to do what the plan says, or --dry-run to see it", USAGE)
    problems = () if quick else _catalog_damage(settings)
    for problem in problems:
        typer.echo(f"catalog     {printable(problem)}")
    grace = settings.collect_grace_hours if grace_hours is None else grace_hours
    pace = 0 if rate is None else _rate(rate)

    async def work(store: "Store") -> int:
        from holdfast.core.upkeep.verifying import Reading  # noqa: PLC0415 -- the command line starts without it

        upkeep = store.operator().upkeep
        with watched("Verifying", *await upkeep.extent()) as step:
            done = await upkeep.verify(Reading(pace, quick, grace * _HOUR, mark=not dry_run), step)
        _show(done)
        left = [each for each in done.findings if not _would_mend(each, repair, recount)]
        plan = _plan(done.findings, repair, recount)
        if plan:
            typer.echo("plan:")
            for line in plan:
                typer.echo(f"  {line}")
        if plan and not dry_run and (yes or typer.confirm("Do this?")):
            return len(left) + await _mend(store, settings, done.findings, repair, recount)
        return len(done.findings)

    if with_store(settings, work) or problems:
        raise typer.Exit(FAILED)


def collect(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go and change nothing.")] = False,
    compact_below: Annotated[
        int | None,
        typer.Option("--compact-below", min=0, max=100, help="Percent in use below which a shared file is rewritten."),
    ] = None,
    grace_hours: Grace = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Remove for good what nobody can ask for any more: expired trash, unused bytes, leftovers of broken uploads.

    Works while a server runs. Only what is older than the grace time goes.
    """
    settings = existing(read_settings(config, data=data))
    grace = settings.collect_grace_hours if grace_hours is None else grace_hours
    share = settings.compact_below_percent if compact_below is None else compact_below

    async def work(store: "Store") -> "Collected":
        from holdfast.core.upkeep.collecting import Rules  # noqa: PLC0415 -- the command line starts without it

        with watched("Collecting") as step:
            return await store.operator().upkeep.collect(Rules(grace * _HOUR, share / 100, dry_run), step)

    done = with_store(settings, work)
    verb = "would go" if dry_run else "removed"
    typer.echo(f"{done.expired} attachments past their time in the trash {verb}")
    typer.echo(f"{done.blobs} unused contents {verb} ({done.blob_bytes} bytes)")
    typer.echo(f"{done.orphans} orphaned files {verb} ({done.orphan_bytes} bytes)")
    typer.echo(f"{done.temporaries} leftovers of broken uploads {verb}")
    typer.echo(f"{done.dropped} empty shared files {verb} ({done.dropped_bytes} bytes)")
    typer.echo(f"{done.compacted} shared files {'to be ' if dry_run else ''}rewritten ({done.moved} contents)")
    if done.postponed:
        typer.echo("a backup is running: the bytes that it may need stay until it is done")


def _catalog_damage(settings: Settings) -> tuple[str, ...]:
    from holdfast.compose import InstallationError, catalog_damage, migrate  # noqa: PLC0415 -- opens the heavy rooms

    try:
        migrate(settings)
        return catalog_damage(settings)
    except InstallationError as error:
        fail(str(error), USAGE)


def _rate(text: str) -> int:
    try:
        return int(read_size(text))
    except SettingsError as error:
        fail(f"--rate: {error.problem}", USAGE)


def _show(done: "Verified") -> None:
    for finding in done.findings:
        typer.echo(f"{finding.kind:<11} {printable(finding.subject)}: {printable(finding.detail)}")
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(f.kind for f in done.findings).items()))
    typer.echo(
        f"{done.blobs} contents and {done.attachments} attachments looked at, {done.bytes} bytes read: "
        f"{counted or 'all is well'}"
    )


def _would_mend(finding: "Finding", repair: str | None, recount: bool) -> bool:
    from holdfast.core.upkeep.repairing import BYTES, COUNTS  # noqa: PLC0415

    return (repair is not None and finding.kind in BYTES) or (recount and finding.kind in COUNTS)


def _plan(findings: "list[Finding]", repair: str | None, recount: bool) -> list[str]:
    from holdfast.core.upkeep.repairing import BYTES, COUNTS  # noqa: PLC0415

    lost = [each for each in findings if each.kind in BYTES]
    wrong = [each for each in findings if each.kind in COUNTS]
    plan = []
    if repair is not None and lost:
        plan.append(f"bring {len(lost)} contents ({sum(each.size for each in lost)} bytes) back from {repair}")
    if recount and wrong:
        plan.append(f"count again what {len(wrong)} rows add up to")
    return plan


async def _mend(
    store: "Store", settings: Settings, findings: "list[Finding]", repair: str | None, recount: bool
) -> int:
    """Do what the plan says; how many findings are left."""
    upkeep = store.operator().upkeep
    left = 0
    if repair is not None:
        done = await _refill(store, settings, findings, repair)
        typer.echo(f"{done.blobs} contents brought back ({done.bytes} bytes), {len(done.left)} not found there")
        left += len(done.left)
    if recount:
        typer.echo(f"{(await upkeep.recount(findings)).counts} counts set right")
    return left


async def _refill(store: "Store", settings: Settings, findings: "list[Finding]", repair: str) -> "Repaired":
    from holdfast.compose import InstallationError, open_spare  # noqa: PLC0415
    from holdfast.core.upkeep.repairing import BYTES, Spare  # noqa: PLC0415

    try:
        spare = open_spare(repair, settings)
    except InstallationError as error:
        fail(f"--repair: {error}", USAGE)
    lost = [each for each in findings if each.kind in BYTES]
    try:
        with watched("Repairing", len(lost), sum(each.size for each in lost)) as step:
            return await store.operator().upkeep.refill(lost, Spare(spare, spare), step)
    finally:
        await spare.close()
