"""Every command and option has a test, says what it does, and refuses nonsense in one line."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from holdfast.cli import app
from tests.e2e.program import output, refusal, run

STARTERS = frozenset({"output", "refusal", "run", "serving"})


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
            if node.func.id == "serving":
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
    text = output(*command, "--help")
    assert text.startswith("Usage: ")
    for option in offered().get(" ".join(command), ()):
        assert option in text


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
    ("openapi", "nosuch"),
]


@pytest.mark.parametrize("command", WRONG_USES, ids=" ".join)
def test_wrong_use_ends_with_2_and_one_line(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, line = refusal(*command)
    assert code == 2
    assert line.startswith(("Error: ", "holdfast: "))
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
    output("token", "create", "--data", folder, "--account", "acme", "--name", "first", "--allow", "*")
    return folder


@pytest.mark.parametrize("command", FAILURES, ids=" ".join)
def test_what_cannot_be_done_ends_with_1_and_one_line(command: tuple[str, ...], data: Path, tmp_path: Path) -> None:
    ended = run(*command, "--data", data, stdin="long enough", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("holdfast: ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "account list", "doctor", "migrate"])
def test_a_setting_that_is_misspelt_is_refused_by_name(command: str, tmp_path: Path) -> None:
    environ = {"HOLDFAST_UPLOAD_LIMITS": "1"}
    code, line = refusal(*command.split(), "--data", tmp_path / "d", environ=environ)
    assert code == 2
    assert "HOLDFAST_UPLOAD_LIMIT" in line


@pytest.mark.parametrize("command", ["serve", "account list", "doctor", "migrate"])
def test_a_data_folder_that_cannot_be_made_is_refused(command: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ended = run(*command.split(), "--data", tmp_path / "file" / "d")
    assert ended.returncode in {1, 2}
    assert "Traceback" not in ended.stderr
