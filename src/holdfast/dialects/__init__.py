"""One module for each API that Holdfast speaks, listed here and nowhere else."""

from holdfast.web.dialect import Dialect

ALL: tuple[Dialect, ...] = ()
