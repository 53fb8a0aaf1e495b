"""Write the generated pages of this folder: `make docs`. The tests fail when one is out of date."""

from pathlib import Path

from holdfast.settings import Setting, describe_settings

FOLDER = Path(__file__).parent

SETTINGS_INTRODUCTION = """\
# Settings

A value comes from the last of these that gives one: the default, the file, the environment, the command line.

- **File**: `holdfast.toml` in the data folder, or the one that `--config` or `HOLDFAST_CONFIG` names. A relative
  `data` in it is relative to the file.
- **Environment**: `HOLDFAST_` and the name in capitals, such as `HOLDFAST_UPLOAD_LIMIT`. An empty variable counts as
  not given. A list is written with commas.

A name that does not exist is an error, in the file and in the environment: a misspelt limit never goes unnoticed.
Sizes are bytes, or carry a unit: KB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB of 1024.
"""


def settings_page() -> str:
    """Render the table of all settings."""
    head = ["| Name | Takes | Default | What it does |", "|---|---|---|---|"]
    return "\n".join([SETTINGS_INTRODUCTION, *head, *map(settings_row, describe_settings()), ""])


def settings_row(setting: Setting) -> str:
    """Render one setting."""
    default = f"`{setting.default}`" if setting.default else ""
    return f"| `{setting.name}` | {setting.values} | {default} | {setting.help} |"


def pages() -> dict[Path, str]:
    """Render every generated page, by its path."""
    return {FOLDER / "settings.md": settings_page()}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.name)
