"""The import contract of a room: what it may import is listed, and all else is refused.

The linter's own contracts can only list what is forbidden, which leaves every library nobody thought of allowed.
"""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from importlinter import Contract, ContractCheck, fields, output

if TYPE_CHECKING:
    from grimp import ImportGraph

ROOT = "holdfast"


class RoomContract(Contract):
    """Modules of `room` import only each other, the standard library and what `may_import` names."""

    type_name = "room"

    room = fields.StringField()
    may_import = fields.SetField(subfield=fields.StringField())

    def check(self, graph: "ImportGraph", verbose: bool) -> ContractCheck:
        """Report every import that the room's row does not allow; a room that does not exist has none."""
        broken = sorted(self._refused(graph))
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print a line for each refused import."""
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} may not import {imported}", bold=False)

    def _refused(self, graph: "ImportGraph") -> Iterator[tuple[str, str]]:
        room = cast("str", self.room)
        allowed = {room, *cast("set[str]", self.may_import)}
        for importer in graph.modules:
            if _within(importer, room):
                for imported in graph.find_modules_directly_imported_by(importer):
                    if not _is_free(imported) and not any(_within(imported, name) for name in allowed):
                        yield importer, imported


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _is_free(module: str) -> bool:
    """Everyone may read the version and the standard library."""
    return module == ROOT or module.split(".", maxsplit=1)[0] in sys.stdlib_module_names
