"""The files of the project, and the rules that the house tests hold them to, each as a function that finds breaches."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "src" / "holdfast"
TESTS = PROJECT / "tests"

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_MUTABLE_DISPLAY = ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp
_MUTABLE_TYPES = frozenset({"bytearray", "Counter", "defaultdict", "deque", "dict", "list", "OrderedDict", "set"})
_ENVIRONMENT = frozenset({"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"})


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def project_files() -> list[Path]:
    """All files that are, or would be, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := PROJECT / name).is_file()]


def function_lengths(source: str) -> dict[str, int]:
    """Lines of each function, by name and line number."""
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, _Function))
    return {f"{node.name}:{node.lineno}": (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}


def percentile(values: list[int], share: float) -> int:
    """The smallest value that at least this share of the values does not exceed."""
    ranked = sorted(values)
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)]


def undocumented(source: str, *, methods: bool) -> list[str]:
    """Public classes and functions without a docstring, and public methods if asked for."""
    return [name for name, node in _public(ast.parse(source), methods=methods) if ast.get_docstring(node) is None]


def _public(
    owner: ast.Module | ast.ClassDef, *, methods: bool, prefix: str = ""
) -> Iterator[tuple[str, _Function | ast.ClassDef]]:
    for node in owner.body:
        if isinstance(node, _Function | ast.ClassDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if methods and isinstance(node, ast.ClassDef):
                yield from _public(node, methods=methods, prefix=f"{prefix}{node.name}.")


def module_state(source: str) -> list[str]:
    """Names at module level that can change: collections in lower case or empty ones, and what `global` reaches."""
    tree = ast.parse(source)
    found = [name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names]
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _is_mutable(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            found.extend(
                name for name in names if name != "__all__" and (name != name.upper() or _is_empty(node.value))
            )
    return found


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        function = value.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        return name in _MUTABLE_TYPES
    return isinstance(value, _MUTABLE_DISPLAY)


def _is_empty(value: ast.expr) -> bool:
    """An empty collection has no use but to be filled later, whatever its name says."""
    if isinstance(value, ast.Call):
        return not value.args and not value.keywords
    return not getattr(value, "elts", getattr(value, "keys", [value]))


def environment_reads(source: str) -> list[int]:
    """Lines that touch the environment of the process."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            lines += [node.lineno] * (node.attr in _ENVIRONMENT)
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            lines += [node.lineno] * any(alias.name in _ENVIRONMENT for alias in node.names)
    return lines


# Written apart, or these very lines would break the rule that they serve.
_REGISTRY_HOSTS = ["pypi" + r"\.org", "python" + "hosted", "npm" + r"js\.(?:com|org)", "debian" + r"\.org"]
_MACHINE_PATHS = [r"(?<![\w.-])/" + "(?:work|root)" + r"/[\w.]"]
_WORKSHOP_WORDS = ["clau" + "de", "anthro" + "pic", "chat" + "gpt", "sub-?" + "agents?", "issue tracker " + "session"]
_WORKSHOP = [rf"\b{word}\b" for word in _WORKSHOP_WORDS]
_FOREIGN = re.compile("|".join([*_REGISTRY_HOSTS, *_MACHINE_PATHS, *_WORKSHOP]), re.IGNORECASE)


def foreign_words(text: str) -> list[str]:
    """Hosts of package registries, paths of one machine, names of tools: nothing a reader of the project needs."""
    return [match[0] for match in _FOREIGN.finditer(text)]
