"""The command line."""

import gc
import sys


def main() -> None:
    """Run the command that the arguments name."""
    # Nothing that is loaded is garbage, and looking for some would be a fifth of the start.
    gc.disable()
    from holdfast.cli.commands import app  # noqa: PLC0415 -- not before

    gc.freeze()
    gc.enable()
    app(args=sys.argv[1:])
