"""Every command and option has a test, says what it does, and refuses nonsense in one line."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from holdfast.cli.commands import app
from tests.serving import attempt, run

STARTERS = frozenset({"attempt", "run", "served"})


def offered() -> dict[str, list[str]]:
    """Every command with its options, as `--help` prints them."""
    found: dict[str, list[str]] = {}

    def walk(command: object, path: tuple[str, ...]) -> None:
        for name, below in getattr(command, "commands", {}).items():
            walk(below, (*path, name))
        if path and not hasattr(command, "commands"):
            parameters = getattr(command, "params", ())
            found[" ".join(path)] = [each.opts[0] for each in parameters if each.opts[0].startswith("--")]

    walk(typer.main.get_command(app), ())
    return found


def named_together(commands: frozenset[str]) -> set[tuple[str, str]]:
    """Pairs of a command and an option that one test function names both."""
    pairs = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef) and function.name.startswith(("test_", "make_")):
                texts = {node.value for node in ast.walk(function) if isinstance(node, ast.Constant)}
                options = {text for text in texts if isinstance(text, str) and text.startswith("--")}
                pairs |= {(command, option) for command in started(function) & commands for option in (*options, "")}
    return pairs


def started(function: ast.FunctionDef) -> set[str]:
    """The commands that a test runs: the first one or two words of a call."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in STARTERS:
            if node.func.id == "served":
                found.add("serve")
            words = [each.value for each in node.args[:2] if isinstance(each, ast.Constant)]
            texts = [word for word in words if isinstance(word, str)]
            found |= {" ".join(texts[:count]) for count in (1, 2)}
    return found


def test_every_command_and_option_has_a_test() -> None:
    commands = offered()
    named = named_together(frozenset(commands))
    wanted = {(command, option) for command, options in commands.items() for option in (*options, "")}
    # How the settings file is found and read is the settings' own matter; one command stands for all.
    wanted -= {(command, "--config") for command in commands if command != "serve"}
    assert sorted(wanted - named) == []


def every_help() -> Iterator[tuple[str, ...]]:
    yield ()
    for command in offered():
        yield tuple(command.split())
    yield from {(command.split()[0],) for command in offered() if " " in command}


@pytest.mark.parametrize("command", sorted(every_help()), ids=lambda command: " ".join(command) or "holdfast")
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    assert shown.stdout.startswith("Usage: ")
    for option in offered().get(" ".join(command), ()):
        assert option in shown.stdout


USES = ("--data", "d", "--account", "acme")
WRONG_USES = [
    ("nosuch",),
    ("token", "nosuch"),
    ("serve", "--nosuch"),
    ("serve", "--port", "abc"),
    ("serve", "--port", "99999"),
    ("serve", "--workers", "0"),
    ("serve", "--workers", "many"),
    ("serve", "--host", "nosuch.invalid"),
    ("serve", "--host", ""),
    ("serve", "--config", "nosuch.toml"),
    ("serve", "--data", ""),
    ("token", "create", *USES, "--name", "n"),
    ("token", "create", *USES, "--allow", "*"),
    ("token", "create", "--data", "d", "--name", "n", "--allow", "*"),
    ("token", "create", *USES, "--name", "n", "--allow", "not a permission"),
    ("token", "create", *USES, "--name", "n", "--allow", "attachment.read"),
    ("token", "create", *USES, "--name", "n", "--allow", "*", "--scope", "nonsense"),
    ("token", "create", *USES, "--name", "n", "--allow", "*", "--scope", "path:relative"),
    ("token", "create", *USES, "--name", "n", "--allow", "*", "--days", "0"),
    ("token", "create", *USES, "--name", "n", "--allow", "*", "--days", "99999999999"),
    ("token", "revoke", *USES),
    ("user", "create", *USES, "--allow", "*"),
    ("client", "create", *USES, "--allow", "*"),
    ("account", "set"),
    ("account", "set", "acme", "--quota-bytes", "lots"),
    ("account", "set", "acme", "--quota-attachments", "-3"),
    ("account", "set", "acme", "--max-file-bytes", "5 parsecs"),
    ("account", "set", "acme", "--trash-days", "1.5"),
    ("account", "show"),
    ("import", *USES),
    ("import", *USES, "nosuch"),
    ("import", *USES, "--to", "relative", "."),
    ("import", *USES, "--record", "noseparator", "."),
    ("export", *USES),
    ("export", *USES, "--from", "relative", "out"),
    ("verify", "--data", "nosuch"),
    ("verify", "--data", "nosuch", "--rate", "fast"),
    ("verify", "--grace-hours", "-1"),
    ("collect", "--data", "nosuch"),
    ("collect", "--compact-below", "101"),
    ("collect", "--grace-hours", "soon"),
    ("backup",),
    ("backup", "--data", "nosuch", "target"),
    ("restore",),
    ("restore", "nosuch"),
    ("restore", "--data", "d", "."),
    ("restore", "--drill", "."),
    ("restore", "--scratch", ".", "."),
    ("restore", ".", "--drill", "--scratch", "nosuch"),
    ("account", "set", "acme", "--allowed-types-on", "case"),
    ("openapi", "nosuch"),
]


@pytest.mark.parametrize("command", WRONG_USES, ids=" ".join)
def test_wrong_use_ends_with_2_and_one_line(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(app, command)
    lines = ended.stderr.strip().splitlines()
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert lines[-1].startswith(("Error: ", "holdfast: "))
    assert len(lines) == 1 or lines[0].startswith("Usage: ")
    assert not list(tmp_path.iterdir()), "a command that refuses makes nothing"


FAILURES = [
    ("token", "create", "--account", "No Slug", "--name", "n", "--allow", "*"),
    ("token", "create", "--account", "acme", "--name", "", "--allow", "*"),
    ("token", "list", "--account", "nosuch"),
    ("token", "revoke", "--account", "acme", "nosuch"),
    ("user", "create", "--account", "acme", "--email", "noaddress", "--allow", "*", "--password-stdin"),
    ("client", "create", "--account", "acme", "--name", "", "--allow", "*"),
    ("account", "set", "acme", "--allowed-types", "nonsense"),
    ("account", "set", "No Slug"),
    ("account", "show", "nosuch"),
    ("import", "--account", "acme", "--record", "case:nosuch", "."),
    ("export", "--account", "nosuch", "out"),
    ("export", "--account", "acme", "--from", "/nosuch", "out"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands") / "data"
    run("token", "create", "--data", folder, "--account", "acme", "--name", "first", "--allow", "*")
    return folder


@pytest.mark.parametrize("command", FAILURES, ids=" ".join)
def test_what_cannot_be_done_ends_with_1_and_one_line(
    command: tuple[str, ...], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(app, [*command, "--data", str(data)], input="long enough")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith("holdfast: ")
    assert ended.stderr.count("\n") == 1


def test_the_program_ends_as_its_commands_do() -> None:
    ended = attempt("serve", "--port", "99999")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "holdfast: --port: expected a whole number from 0 to 65535, not 99999\n"
    assert run("--version").startswith("holdfast ")


@pytest.mark.parametrize("command", ["serve", "account list", "doctor", "migrate"])
def test_a_setting_that_is_misspelt_is_refused_by_name(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_UPLOAD_LIMITS", "1")
    ended = CliRunner().invoke(app, [*command.split(), "--data", str(tmp_path / "d")])
    assert ended.exit_code == 2
    assert "the closest is HOLDFAST_UPLOAD_LIMIT\n" in ended.stderr


@pytest.mark.parametrize("command", ["serve", "account list", "doctor", "migrate"])
def test_a_data_folder_that_cannot_be_made_is_refused(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ended = CliRunner().invoke(app, [*command.split(), "--data", str(tmp_path / "file" / "d")])
    assert ended.exit_code in {1, 2}
    assert str(tmp_path / "file") in ended.output
    assert not isinstance(ended.exception, OSError)
