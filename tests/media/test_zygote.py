"""The zygote: its children share nothing that can be written, and it is replaced when anything is wrong with it."""

import asyncio
import os
import signal
import sys

import psutil
import pytest

from holdfast.core.model import Derived, Facts, NoRendition
from holdfast.media import renditions
from holdfast.media.renditions import CagedRenditions
from tests.media.cages import PICTURE, ROOT, child, children, outcome, probe, told
from tests.media.conftest import chunks

PEDIGREE = "answer(b'%d %d - -\\n' % (os.getpid(), os.getppid()))"
"""A child that says its own number as the width, and that of its zygote as the height."""


@pytest.fixture(autouse=True)
def all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine an honest child may take long to end."""
    monkeypatch.setattr(renditions, "GRACE_SECONDS", 60.0)


async def born(caged: CagedRenditions) -> tuple[int, int]:
    """The numbers of the child that serves a file, and of its zygote."""
    derived = await caged.derive(chunks(PICTURE), "image/jpeg")
    assert isinstance(derived, Derived), derived
    assert derived.facts.width is not None
    assert derived.facts.height is not None
    return derived.facts.width, derived.facts.height


def gone(number: int) -> None:
    """Wait for the end of a process that is nobody's here."""
    if psutil.pid_exists(number):
        psutil.wait_procs([psutil.Process(number)], timeout=30)
    assert not psutil.pid_exists(number)


def test_a_child_serves_one_file_and_all_have_one_zygote() -> None:
    async def story() -> None:
        caged = CagedRenditions(command=child(PEDIGREE))
        seen = [await born(caged) for _ in range(5)]
        assert len({number for number, _ in seen}) == 5
        assert len({zygote for _, zygote in seen}) == 1
        await caged.close()

    told(story())


def test_nothing_starts_before_the_first_use() -> None:
    async def story() -> None:
        before = children()
        caged = CagedRenditions()
        assert await caged.derive(chunks(b"<svg/>"), "image/svg+xml") == NoRendition("unsupported")
        assert children() <= before
        await caged.close()

    told(story())


def test_a_zygote_that_died_waiting_is_replaced() -> None:
    async def story() -> None:
        caged = CagedRenditions(command=child(PEDIGREE))
        seen = set()
        for _ in range(3):
            _, zygote = await born(caged)
            seen.add(zygote)
            await asyncio.gather(*caged._settling)
            os.kill(zygote, signal.SIGKILL)
        assert len(seen) == 3
        await caged.close()

    told(story())


def test_a_child_dies_with_its_zygote_and_that_says_nothing_of_the_file() -> None:
    async def story() -> None:
        caged = CagedRenditions(command=child("say(b'+')\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(9999)"))
        for _ in range(2):
            assert await caged.derive(chunks(PICTURE), "image/jpeg") == NoRendition("unavailable")
        await caged.close()

    told(story())


@pytest.mark.parametrize(
    ("code", "stays"),
    [
        ("sys.exit(20)", True),
        ("sys.exit(21)", True),
        ("os.kill(os.getpid(), signal.SIGSEGV)", False),
        ("os.kill(os.getpid(), signal.SIGXCPU)", False),
        ("time.sleep(9999)", False),
        ("os.close(1)\ntime.sleep(9999)", False),
        (f"{PEDIGREE}\ntime.sleep(9999)", False),
    ],
)
def test_a_zygote_outlives_only_children_that_end_by_themselves(
    monkeypatch: pytest.MonkeyPatch, code: str, stays: bool
) -> None:
    turns = f"os.lseek(3, 0, 0)\nif os.read(3, 1) == b'x':\n    say(b'+')\n    exec({code!r})\n{PEDIGREE}"
    hangs = "sleep" in code

    async def story() -> None:
        caged = CagedRenditions(command=child(turns), wall_seconds=60.0)
        _, before = await born(caged)
        with monkeypatch.context() as patched:
            patched.setattr(caged, "_wall_seconds", 0.5 if hangs else 60.0)
            patched.setattr(renditions, "GRACE_SECONDS", 0.2 if hangs else 60.0)
            odd = await caged.derive(chunks(b"x"), "image/jpeg")
        _, after = await born(caged)
        assert (before == after) == stays, odd
        await caged.close()
        if not stays:
            gone(before)

    told(story())


def test_a_zygote_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renditions, "FILES", 2)

    async def story() -> None:
        caged = CagedRenditions(command=child(PEDIGREE))
        zygotes = [(await born(caged))[1] for _ in range(5)]
        assert [zygotes.index(zygote) for zygote in zygotes] == [0, 0, 2, 2, 4]
        await caged.close()

    told(story())


def test_the_child_inherits_nothing_but_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_SECRET", "x")
    leaked = os.open("/etc/hostname", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    code = """
places = {name: os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if int(name) < 64
          and os.path.exists(f"/proc/self/fd/{name}")}
known = {"1": "pipe:", "2": "/dev/null", "3": "/memfd:"}
strange = [name for name, place in places.items() if not place.startswith(known.get(name, "?"))]
answer(b"%d %d - -\\n" % (1 + len(strange), 1 + ("HOLDFAST_SECRET" in os.environ)))
"""
    assert outcome(code) == Derived(Facts(1, 1))
    os.close(leaked)


def test_the_zygote_has_nothing_but_its_orders() -> None:
    code = """
seen = []
def warm():
    for number in range(cage.OPEN_FILES):
        try:
            os.fstat(number)
            seen.append(os.readlink(f"/proc/self/fd/{number}").partition(":")[0] if number == 0 else number)
        except OSError:
            pass
    seen.append(libc.prctl(3, 0, 0, 0, 0))
run(lambda file, edges: repr(seen).encode(), warm=warm)
"""
    # The last is zero: the kernel shows its memory to nobody.
    assert probe(code) == (0, "['socket', 1, 2, 0]")


def test_no_memory_is_shared_for_writing() -> None:
    code = """
def before():
    with open("/proc/self/maps") as maps:
        before.said = [line for line in maps if line.split()[1][1] == "w" and line.split()[1][3] == "s"]
    before.said.append(libc.prctl(3, 0, 0, 0, 0))
run(lambda file, edges: repr(before.said).encode(), before=before)
"""
    assert probe(code) == (0, "[0]")


def test_what_one_child_does_to_its_memory_no_other_sees() -> None:
    code = "zygote.FOOTPRINT = getattr(zygote, 'FOOTPRINT', 0) + 1\nanswer(b'%d 1 - -\\n' % zygote.FOOTPRINT)"

    async def story() -> None:
        caged = CagedRenditions(command=child(code))
        for _ in range(3):
            assert await caged.derive(chunks(PICTURE), "image/jpeg") == Derived(Facts(1, 1))
        await caged.close()

    told(story())


def test_a_zygote_ends_with_its_server() -> None:
    """However the server ends."""
    code = f"""
import asyncio, os, signal
from holdfast.media.renditions import CagedRenditions
async def source():
    yield b"x"
async def main():
    derived = await CagedRenditions(command={child(PEDIGREE)!r}).derive(source(), "image/jpeg")
    os.write(1, b"%d" % derived.facts.height)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    command = (sys.executable, "-P", "-s", "-c", code)

    async def story() -> None:
        environ = {"PYTHONPATH": str(ROOT)}
        server = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.PIPE)
        said, _ = await server.communicate()
        gone(int(said))

    told(story())
