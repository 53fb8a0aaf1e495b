"""What no file of the project may do, and that each rule is noticed when it is broken."""

import pytest

from tests.house.source import (
    PROJECT,
    SOURCE,
    environment_reads,
    foreign_words,
    module_state,
    project_files,
    python_files,
    undocumented,
)


def test_no_file_names_a_registry_a_machine_or_the_tools_of_its_makers() -> None:
    found = {}
    for path in project_files():
        name = str(path.relative_to(PROJECT))
        words = foreign_words(name) + foreign_words(path.read_bytes().decode("utf-8", errors="replace"))
        if words:
            found[name] = words
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "https://py" + "pi.org/simple",
        "files.python" + "hosted.org",
        "registry.npm" + "js.org",
        "deb.debi" + "an.org",
        "see '/wo" + "rk/shared'",
        "cd /ro" + "ot/x",
        "written by Clau" + "de",
        "the sub" + "agent",
    ],
)
def test_such_words_are_noticed(text: str) -> None:
    assert len(foreign_words(text)) == 1


@pytest.mark.parametrize("text", ["src/work/x", "a Debian package", "npm install", "PyPI", "/workspace/x", "agent"])
def test_ordinary_words_are_not(text: str) -> None:
    assert foreign_words(text) == []


def test_all_public_names_of_the_core_have_docstrings() -> None:
    core = SOURCE / "core"
    found = {path.name: undocumented(path.read_text(encoding="utf-8"), methods=False) for path in python_files(core)}
    assert {name: missing for name, missing in found.items() if missing} == {}


def test_every_verb_of_a_port_states_its_contract() -> None:
    ports = (SOURCE / "core" / "ports.py").read_text(encoding="utf-8")
    assert undocumented(ports, methods=True) == []


def test_missing_docstrings_are_noticed() -> None:
    source = (
        'class A:\n    """Yes."""\n    def b(self): ...\n    def _c(self): ...\nasync def d(): ...\ndef _e(): ...\n'
    )
    assert undocumented(source, methods=False) == ["d"]
    assert undocumented(source, methods=True) == ["A.b", "d"]


def test_no_module_keeps_state() -> None:
    found = {
        str(path.relative_to(PROJECT)): module_state(path.read_text(encoding="utf-8")) for path in python_files(SOURCE)
    }
    assert {name: names for name, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "cache = {1: 2}",
        "names: list[str] = ['a']",
        "seen = set()",
        "counts = collections.Counter()",
        "squares = [n * n for n in range(3)]",
        "_CACHE: dict[str, int] = {}",
        "QUEUE = deque()",
        "def f() -> None:\n    global ready",
    ],
)
def test_state_is_noticed(source: str) -> None:
    assert len(module_state(source)) == 1


@pytest.mark.parametrize("source", ["TABLE = {1: 2}", "names = ('a',)", "__all__ = ['a']", "def f():\n    seen = []"])
def test_constants_and_locals_are_not_state(source: str) -> None:
    assert module_state(source) == []


def test_only_the_settings_read_the_environment() -> None:
    found = {path.name: environment_reads(path.read_text(encoding="utf-8")) for path in python_files(SOURCE)}
    assert [name for name, lines in found.items() if lines] == ["settings.py"]


@pytest.mark.parametrize(
    "source", ["os.environ['A']", "os.getenv('A')", "from os import environ", "f(dict(os.environ))"]
)
def test_reading_the_environment_is_noticed(source: str) -> None:
    assert environment_reads(f"import os\n{source}\n") == [2]
