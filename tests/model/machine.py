"""Hypothesis tries to make the store and the reference disagree."""

import asyncio
import traceback
from collections import Counter
from collections.abc import Coroutine, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from holdfast.compose import open_store
from holdfast.core.access import parse_scope
from holdfast.core.model import PURGE, READ, RECORDS_READ, RECORDS_WRITE, WRITE, Actor, RecordRef
from holdfast.core.ports import AttachmentQuery, EntryQuery, Order, RecordQuery, Where, Window
from holdfast.core.store import Store
from holdfast.settings import Settings
from tests.model.pair import Pair, Step

T = TypeVar("T")

MOST = 40
"""Attachments, trashed ones too, that one example works with: more find nothing new and compare slower."""

TYPES, NUMBERS = ("contact", "case", "job"), ("1", "2")
FOLDERS = ("/", "/a", "/a/b", "/ab", "/a/b/c", "/é")
NAMES = ("a", "b.txt", "B.txt", "Bericht №1.pdf")
DATA = (b"", b"one", b"two", b"x" * 300)
ROLES = ("document", "photo")
WHO = {
    "all": ("*",),
    "reader": (READ, RECORDS_READ),
    "writer": (READ, WRITE, RECORDS_READ, RECORDS_WRITE),
    "purger": (PURGE,),
}
SCOPES = (("record:contact:1",), ("type:case",), ("path:/a",), ("path:/a/b", "record:job:1"))
CASE, CONTACT, JOB = RecordRef("case", "1"), RecordRef("contact", "1"), RecordRef("job", "1")
FIRST: tuple[tuple[str, dict[str, Any]], ...] = (
    ("register", {"ref": CONTACT, "parents": (), "attributes": {"k": 1}}),
    ("register", {"ref": CASE, "parents": (), "attributes": {}}),
    ("register", {"ref": JOB, "parents": (CONTACT, CASE), "attributes": {}}),
    *(
        ("create", {"name": name, "data": b"one", "hooks": hooks, "folder": folder, "on_conflict": "fail"})
        for name, hooks, folder in (
            ("a", [(CONTACT, "document")], None),
            ("b.txt", [(JOB, "photo"), (CASE, "photo")], "/a"),
            ("B.txt", [], "/a/b"),
            ("a", [(CASE, "document")], "/"),
        )
    ),
    ("trash", {"id": 3, "revision": None}),
    ("replace", {"id": 0, "data": b"two", "revision": None}),
    ("restore_version", {"id": 0, "number": 1, "revision": None}),
    ("make_folder", {"path": "/ab"}),
    ("move_folder", {"source": "/ab", "target": "/é"}),
)
"""What every example begins with. It holds what chance alone might never bring about."""

index = st.integers(0, 9)
refs = st.builds(RecordRef, st.sampled_from(TYPES), st.sampled_from(NUMBERS))
actors = st.sampled_from(("all", "all", "all", "all", "writer", "reader", "purger"))
scopes = st.just(()) | st.sampled_from(((), *SCOPES))
folders, names, data, roles = map(st.sampled_from, (FOLDERS, NAMES, DATA, ROLES))
parents = st.just(()) | st.lists(refs, max_size=2).map(tuple)
attributes = st.dictionaries(st.sampled_from(("k", "l")), st.sampled_from((1, "v", None)), max_size=2)
stale = st.sampled_from((None, None, None, "right", "wrong"))

VERBS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "create": {
        "name": names,
        "data": data,
        "hooks": st.just([]) | st.lists(st.tuples(refs, roles), max_size=2),
        "folder": st.none() | folders,
        "on_conflict": st.sampled_from(("fail", "rename", "replace")),
    },
    "replace": {"id": index, "data": data, "revision": stale},
    "restore_version": {"id": index, "number": st.integers(1, 3), "revision": stale},
    "describe": {
        "id": index,
        "change": st.fixed_dictionaries(
            {}, optional={"name": names, "folder": st.none() | folders, "properties": attributes, "description": names}
        ),
        "revision": stale,
    },
    "trash": {"id": index, "revision": stale},
    "restore": {"id": index},
    "purge": {"id": index, "revision": stale},
    "link": {"id": index, "ref": refs, "role": roles},
    "relink": {"link": index, "to": refs, "position": st.integers(0, 2)},
    "unlink": {"link": index},
    "make_folder": {"path": folders},
    "move_folder": {"source": folders, "target": folders},
    "delete_folder": {"path": folders},
    "register": {"ref": refs, "parents": parents, "attributes": attributes},
    "put_record": {"ref": refs, "parents": parents, "attributes": attributes},
    "change_record": {"ref": refs, "parents": parents, "attributes": attributes},
    "delete_record": {"ref": refs, "cascade": st.booleans()},
}
WEIGHTS = {
    "create": 5, "register": 3, "link": 4, "describe": 2, "restore": 2, "unlink": 2, "relink": 2, "move_folder": 2,
}  # fmt: skip

orders = st.builds(
    lambda field, down: (Order(field, descending=down),),
    st.sampled_from(("created_at", "updated_at", "name", "size", "number", "path")),
    st.booleans(),
)
wheres = st.sampled_from(
    ((), (), (Where("property.k", "in", (1, "v")),), (Where("size", "gt", 2),), (Where("path", "prefix", "/a"),))
)
NOWHERE = Window(0)
LOOKS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "find": {
        "query": st.builds(
            AttachmentQuery,
            st.just(0),
            st.just(NOWHERE),
            record=st.none() | refs,
            roles=st.sampled_from(((), ("photo",))),
            words=st.none() | st.sampled_from(("b", "txt", "№1 bericht", "(2)")),
            folder=st.none() | folders,
            under=st.sampled_from(((), (), ("/a",), ("/a/b", "/é"))),
            where=wheres,
            trashed=st.booleans(),
            order=orders,
        )
    },
    "entries": {
        "query": st.builds(
            lambda where, words, down: EntryQuery(0, NOWHERE, **where, words=words, descending=down),
            st.sampled_from(({}, *({"parent": folder} for folder in FOLDERS), {"under": ("/a",)}, {"under": ("/é",)})),
            st.none() | st.sampled_from(("a", "b")),
            st.booleans(),
        )
    },
    "records": {
        "query": st.builds(RecordQuery, st.just(0), st.just(NOWHERE), parent=st.none() | refs),
    },
    "read": {"id": index, "version": st.none() | st.integers(1, 3)},
    "links": {"id": index},
}

Drawn = tuple[str, str, tuple[str, ...], dict[str, Any]]


def _drawn(verbs: dict[str, dict[str, st.SearchStrategy[Any]]]) -> st.SearchStrategy[Drawn]:
    def of(verb: str) -> st.SearchStrategy[Drawn]:
        return st.tuples(st.just(verb), actors, scopes, st.fixed_dictionaries(verbs[verb]))

    return st.one_of([of(verb) for verb in verbs for _ in range(WEIGHTS.get(verb, 1))])


changes, looks = _drawn(VERBS), _drawn(LOOKS)


class Workshop:
    """One store for many examples: each has two accounts of its own. `engines` are settings that name its engines."""

    def __init__(self, folder: Path, engines: Mapping[str, Any] = MappingProxyType({})) -> None:
        self.runner = asyncio.Runner()
        self.store: Store = self.runner.run(self._open(Settings(data=folder, **engines)))
        self.counts: Counter[str] = Counter()
        self.steps = 0
        self.failures: list[str] = []

    @staticmethod
    async def _open(settings: Settings) -> Store:
        return open_store(settings)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it now. What it raises is kept too: one that depends on the order of concurrent steps may not come again
        when Hypothesis tries to make it smaller, and would be lost."""
        try:
            return self.runner.run(work)
        except Exception:
            self.failures.append(traceback.format_exc())
            raise

    def pairs(self) -> tuple[Pair, Pair]:
        self.counts["examples"] += 1
        slug = f"e{self.counts['examples']}"
        return self.run(self._pair(slug)), self.run(self._pair(f"{slug}-other"))

    async def _pair(self, slug: str) -> Pair:
        return Pair(self.store, await self.store.operator().accounts.ensure(slug))

    def close(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()


def machine_of(workshop: Workshop) -> type[RuleBasedStateMachine]:  # noqa: C901 -- a machine is one class
    """The machine that works in this workshop."""

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.ours, self.theirs = workshop.pairs()

        def step(self, pair: Pair, drawn: Drawn) -> Step:
            other = self.theirs if pair is self.ours else self.ours
            return resolved(pair, other, drawn)

        def take(self, pair: Pair, *steps: Drawn) -> None:
            if len(pair.reference.world.attachments) >= MOST:
                steps = tuple(step for step in steps if step[0] != "create")
            ready = [self.step(pair, drawn) for drawn in steps]
            outcomes = workshop.run(pair.take(*ready))
            workshop.steps += len(outcomes)
            workshop.counts["at once"] += len(outcomes) > 1
            for step, outcome in zip(ready, outcomes, strict=True):
                workshop.counts[f"{step.verb} {outcome[0]}"] += 1

        @initialize(first=st.lists(changes, max_size=4))
        def begin(self, first: list[Drawn]) -> None:
            for verb, what in FIRST:
                for pair in (self.ours, self.theirs):
                    workshop.run(pair.take(self.step(pair, (verb, "all", (), what))))
            for verb, _, _, what in first:
                self.take(self.ours, (verb, "all", (), what))

        @rule(drawn=changes)
        def change(self, drawn: Drawn) -> None:
            self.take(self.ours, drawn)

        @rule(drawn=changes)
        def change_next_door(self, drawn: Drawn) -> None:
            self.take(self.theirs, drawn)

        @rule(drawn=st.lists(changes, min_size=2, max_size=5))
        def change_at_once(self, drawn: list[Drawn]) -> None:
            self.take(self.ours, *drawn)

        @rule(drawn=looks)
        def look(self, drawn: Drawn) -> None:
            self.take(self.ours, drawn)

        @rule(bytes=st.none() | st.integers(0, 700), attachments=st.none() | st.integers(0, 6))
        def set_quotas(self, bytes: int | None, attachments: int | None) -> None:
            workshop.run(set_quotas(self.ours, bytes, attachments))

        @rule()
        def count(self) -> None:
            workshop.run(self.ours.tallies())

    return Machine


async def set_quotas(pair: Pair, bytes: int | None, attachments: int | None) -> None:
    change = {"quota_bytes": bytes, "quota_attachments": attachments}
    await pair.store.operator().accounts.configure(pair.account.slug, change)
    pair.reference.most_bytes, pair.reference.most_attachments = bytes, attachments


# ---------------------------------------------------------------- from numbers to what is there


def resolved(pair: Pair, other: Pair, drawn: Drawn) -> Step:
    verb, who, scopes, what = drawn
    number = pair.account.number
    actor = Actor(number, f"{who}-{len(scopes)}", "user", who, frozenset(WHO[who]), tuple(map(parse_scope, scopes)))
    args = dict(what)
    if "id" in args:
        args["id"] = _target(pair, other, args["id"], trashed=verb in {"restore", "purge"})
    if "link" in args:
        args["link"] = _link(pair, args["link"])
    if args.get("revision") is not None:
        rows = [row.revision for row in pair.reference.world.attachments if row.id == args["id"]]
        args["revision"] = (rows or [1])[0] + (args["revision"] == "wrong")
    if "query" in args:
        args["query"] = msgspec.structs.replace(args["query"], account=number)
    return Step(verb, actor, args)


def _target(pair: Pair, other: Pair, at: int, *, trashed: bool) -> str:
    """An attachment of the account, mostly one that suits the verb; 9 is another account's, 8 one that never was."""
    world = pair.reference.world
    if at == 9 and other.reference.world.attachments:
        return other.reference.world.attachments[0].id
    suitable = [row.id for row in world.attachments if (row.trashed_at is not None) == trashed]
    chosen = suitable if suitable and at < 6 else [row.id for row in world.attachments]
    return chosen[at % len(chosen)] if chosen and at < 8 else "01a20494-31ed-76b0-871f-25b6ffcdc1ac"


def _link(pair: Pair, at: int) -> str:
    links = pair.reference.world.links
    return links[at % len(links)].id if links else "none"
