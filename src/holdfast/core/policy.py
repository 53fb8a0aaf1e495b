"""What the operator has decided for the whole installation."""

from typing import Literal

import msgspec


class Policy(msgspec.Struct, frozen=True):
    """Defaults that an account's own settings may narrow.

    `upload_limit` is in bytes. `records`: with "strict" a record must exist before files hang on it, with "open" its
    reference is created on first use. `trash_days` is how long a trashed attachment can be restored.
    `render_on_upload`: thumbnails and facts of new contents are made in the background, not only when asked for.
    """

    upload_limit: int = 5 << 30
    records: Literal["strict", "open"] = "strict"
    trash_days: int = 30
    render_on_upload: bool = True
