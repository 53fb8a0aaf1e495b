"""The limits of the cage, proven from inside it, and a server that survives whatever a child does."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.core.model import Derived, Facts, NoRendition
from holdfast.media import renditions, seccomp
from holdfast.media.cage import CPU_SECONDS, MEMORY_BYTES, OUT_OF_MEMORY
from holdfast.media.renditions import CagedRenditions
from tests.media.cages import PICTURE, child, outcome, outside, probe, told
from tests.media.conftest import chunks
from tests.media.pictures import encoded, quarters

ATTEMPTS = {
    "read a file": "os.open('/etc/passwd', os.O_RDONLY)",
    "write a file": "os.open('/tmp/caged', os.O_CREAT | os.O_WRONLY)",
    "list a folder": "os.listdir('/')",
    "look at a path": "os.stat('/etc/passwd')",
    "reopen its input": "os.open('/proc/self/fd/3', os.O_RDWR)",
    "read its own memory map": "os.open('/proc/self/maps', os.O_RDONLY)",
    "make a folder": "os.mkdir('/tmp/caged')",
    "remove a file": "os.unlink('/etc/passwd')",
    "rename a file": "os.rename('/etc/passwd', '/etc/x')",
    "follow a link": "os.readlink('/proc/self/exe')",
    "change the root": "os.chroot('/')",
    "change the folder": "os.chdir('/')",
    "open a TCP socket": "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "open a UDP socket": "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "open a local socket": "socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)",
    "open a netlink socket": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "make a pair of sockets": "socket.socketpair()",
    "make a pipe": "os.pipe()",
    "copy a descriptor": "os.dup(0)",
    "fork": "os.fork()",
    "run a program": "os.execv('/bin/true', ['true'])",
    "signal its parent": "os.kill(os.getppid(), 0)",
    "signal itself": "os.kill(os.getpid(), 0)",
    "write to its order": "os.write(0, b'x')",
    "write to its errors": "os.write(2, b'x')",
    "write to the file": "os.write(file.fileno(), b'x')",
    "raise its limits": "call(libc.setrlimit, resource.RLIMIT_CPU, bytes(16))",
    "lower its niceness": "os.nice(-5)",
    "make memory executable": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "trace": "call(libc.ptrace, 0, 0, 0, 0)",
    "mount": "call(libc.mount, b'none', b'/tmp', b'tmpfs', 0, 0)",
    "leave its namespaces": "call(libc.unshare, 0x10000000)",
    "enter a namespace": "call(libc.setns, 3, 0)",
    "make a memory file": "os.memfd_create('x')",
    "read the memory of another": "call(libc.process_vm_readv, os.getppid(), 0, 0, 0, 0, 0)",
    "become another": "os.setuid(0)",
    "set a name": "call(libc.prctl, 15, b'x', 0, 0, 0)",
    "open a shared memory": "call(libc.shmget, 0, 4096, 0o1600)",
    "sleep": "call(libc.nanosleep, bytes(16), None)",
    "wait for others": "call(libc.poll, None, 0, -1)",
}

PROBES = """
def call(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")

def work(file, edges):
    said = []
    for attempt in ATTEMPTS:
        try:
            eval(attempt, {**globals(), "file": file})
            said.append("done")
        except OSError as failure:
            said.append(errno.errorcode[failure.errno])
    return " ".join(said).encode()

"""


@pytest.mark.parametrize("threads", [False, True])
def test_everything_but_computing_is_refused(threads: bool) -> None:
    attempts = list(ATTEMPTS.values())
    status, said = probe(f"ATTEMPTS = {attempts!r}\n{PROBES}\nrun(work, threads={threads})")
    assert status == 0
    assert dict(zip(ATTEMPTS, said.split(), strict=True)) == dict.fromkeys(ATTEMPTS, "EPERM")


def test_the_same_attempts_work_outside() -> None:
    harmless = [
        "read a file",
        "list a folder",
        "look at a path",
        "open a TCP socket",
        "make a pipe",
        "copy a descriptor",
    ]
    attempts = [ATTEMPTS[name] for name in harmless]
    code = f"ATTEMPTS = {attempts!r}\n{PROBES}\nos.write(1, work(sys.stdin, []))"
    assert outside(code) == " ".join(["done"] * len(harmless))


def test_the_file_can_be_read_and_the_answer_written() -> None:
    assert probe("run(lambda file, edges: file.read() + repr(edges).encode())") == (0, "the file[128]")


def test_no_thread_unless_it_is_needed() -> None:
    code = """
def work(file, edges):
    said = []
    worker = threading.Thread(target=said.append, args=("ran",))
    try:
        worker.start()
        worker.join()
    except RuntimeError:
        said.append("refused")
    return said[0].encode()
"""
    assert probe(f"{code}run(work)") == (0, "refused")
    assert probe(f"{code}run(work, threads=True)") == (0, "ran")


def test_memory_is_bounded() -> None:
    assert MEMORY_BYTES == 512 * 1024 * 1024
    assert probe("run(lambda file, edges: bytes(1 << 29))") == (OUT_OF_MEMORY, "")
    hoard = (
        "\ndef work(file, edges):\n    kept = []\n    while True:\n        kept.append(bytearray(1 << 20))\nrun(work)"
    )
    assert probe(hoard) == (OUT_OF_MEMORY, "")


SPIN = """
def before():
    assert resource.getrlimit(resource.RLIMIT_CPU) == (%d, %d)
    resource.setrlimit(resource.RLIMIT_CPU, (1, 2))

def work(file, edges):
    %s
    while True:
        pass

run(work, before=before)
"""


def test_processor_time_is_bounded() -> None:
    status, _ = probe(SPIN % (CPU_SECONDS, CPU_SECONDS + 1, "pass"))
    assert status == -signal.SIGXCPU
    ignored = "signal.signal(signal.SIGXCPU, signal.SIG_IGN)"
    status, _ = probe(SPIN % (CPU_SECONDS, CPU_SECONDS + 1, ignored))
    assert status == -signal.SIGKILL


def test_limits_are_set_before_any_library_is_loaded() -> None:
    code = """
LIMITS = ("AS", "NOFILE", "CORE", "MEMLOCK", "MSGQUEUE", "CPU")
seen = []
def look():
    seen.append([resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in LIMITS] + [os.nice(0)])
run(lambda file, edges: repr(seen).encode(), before=look, warm=look)
"""
    memory = (MEMORY_BYTES, MEMORY_BYTES)
    expected = [memory, (32, 32), (0, 0), (0, 0), (0, 0), (CPU_SECONDS, CPU_SECONDS + 1), 5 + os.nice(0)]
    assert probe(code) == (0, repr([expected, expected]))


def test_limits_of_the_locked_in() -> None:
    code = """
cage.seccomp.enter = lambda threads: None
LIMITS = ("FSIZE", "NPROC")
def work(file, edges):
    return repr([resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in LIMITS]).encode()
run(work)
"""
    assert probe(code) == (0, repr([(0, 0), (0, 0)]))


def test_without_the_filter_nothing_is_read() -> None:
    code = """
from holdfast.media import renditions, seccomp
def absent(threads):
    raise OSError("no filter")
seccomp.enter = absent
run(lambda file, edges: file.read())
"""
    assert probe(code) == (22, "")


def test_landlock_alone_refuses_files() -> None:
    supported = outside("os.write(1, b'%d' % libc.syscall(444, None, ctypes.c_size_t(0), 1))")
    if int(supported) < 1:
        pytest.skip("this kernel has no Landlock")
    code = f"""
from holdfast.media import renditions, seccomp
seccomp.enter = lambda threads: None
ATTEMPTS = ["os.open('/etc/passwd', os.O_RDONLY)", "os.listdir('/')", "os.open('/tmp/caged', os.O_CREAT)"]
{PROBES}
run(work)
"""
    assert probe(code) == (0, "EACCES EACCES EACCES")


def test_the_network_is_another_one() -> None:
    allowed = "os.write(1, b'%d' % libc.unshare(0x10000000 | 0x40000000))"
    if outside(allowed) != "0":
        pytest.skip("namespaces are not for this user here")
    code = """
def before():
    before.said = os.readlink("/proc/self/ns/net")
run(lambda file, edges: before.said.encode(), before=before)
"""
    status, namespace = probe(code)
    assert status == 0
    assert namespace.startswith("net:[")
    assert namespace != str(Path("/proc/self/ns/net").readlink())


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("threads", [False, True])
def test_every_jump_of_the_filter_lands_inside(machine: str, threads: bool) -> None:
    code = seccomp.program(machine, threads=threads)
    steps = [code[at : at + 8] for at in range(0, len(code), 8)]
    assert len(code) % 8 == 0
    assert len(steps) < 256
    for at, step in enumerate(steps):
        assert step[0] in (0x20, 0x15, 0x35, 0x45, 0x06)
        assert at + 1 + max(step[2], step[3]) < len(steps) or step[0] == 0x06
    assert steps[-1] == b"\x06\0\0\0\x01\0\x05\0"


def test_an_unknown_machine_has_no_filter() -> None:
    with pytest.raises(OSError, match="pdp11"):
        seccomp.program("pdp11", threads=False)


# ---------------------------------------------------------------- the server's side


FATAL = ("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "PIPE", "ALRM", "TERM", "USR1", "SYS")


@pytest.mark.parametrize("name", FATAL)
def test_a_crash_is_no_rendition(name: str) -> None:
    code = f"signal.signal(signal.SIG{name}, 0)\nsay(b'+1')\nos.kill(os.getpid(), signal.SIG{name})"
    assert outcome(code) == NoRendition("crashed")


@pytest.mark.parametrize("name", ["KILL", "XCPU"])
def test_a_kill_by_the_kernel_is_a_limit(name: str) -> None:
    assert outcome(f"say(b'+')\nos.kill(os.getpid(), signal.SIG{name})") == NoRendition("limit")


@pytest.mark.parametrize(
    "code",
    [
        "say(b'+')\nos.kill(os.getpid(), signal.SIGSTOP)",
        "say(b'+')\nwhile True: pass",
        "say(b'+')\nsignal.pthread_sigmask(0, range(1, 64))\ntime.sleep(9999)",
        "say(b'+\\0\\0\\0\\x081 1 - -')\nos.close(1)\ntime.sleep(9999)",
        "say(b'+\\0\\1\\0\\0')\nwhile True:\n    say(b'1')\n    time.sleep(0.01)",
    ],
)
def test_a_hang_is_killed(code: str) -> None:
    assert outcome(code, wall_seconds=0.5) == NoRendition("limit")


def test_a_flood_is_cut() -> None:
    assert outcome("say(b'+')\nwhile True: say(bytes(1 << 20))") == NoRendition("garbled")


def framed(*pictures: bytes) -> str:
    """Code that answers with these pictures."""
    return f"answer({b'9 9 - -' + bytes([10]) + b''.join(len(p).to_bytes(4, 'big') + p for p in pictures)!r})"


@pytest.mark.parametrize(
    "code",
    [
        "say(b'+')",
        "say(b'+\\0\\0')",
        "say(b'+\\xff\\xff\\xff\\xff')",
        "say(b'+\\0\\0\\0\\x091 1 - -\\n')",
        "answer(b'')",
        "answer(b'garbage')",
        "answer(b'1 1 1\\n')",
        "answer(b'1 1 1 - -\\n')",
        "answer(b'-1 1 - -\\n')",
        "answer(b'0 1 - -\\n')",
        "answer(b'1.5 1 - -\\n')",
        "answer(b'99999999999 1 - -\\n')",
        "answer('\u0661 1 - -\\n'.encode())",
        "answer(b'1 1 - -\\nmore')",
        "answer(b'1' * 5000 + b' 1 - -\\n')",
    ],
)
def test_an_answer_that_is_none(code: str) -> None:
    assert outcome(code) == NoRendition("garbled")


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"<script>alert(1)</script>",
        PICTURE[:-1],
        encoded(quarters(), "image/png"),
        encoded(quarters(), "image/jpeg", comment=b"hello"),
        encoded(quarters(129, 10), "image/jpeg"),
    ],
)
def test_a_picture_that_is_none(picture: bytes) -> None:
    assert outcome(framed(picture), edges=(128,)) == NoRendition("garbled")


def test_a_taken_over_child_cannot_say_more_than_asked() -> None:
    assert outcome(framed(PICTURE), edges=(128,)) == Derived(Facts(9, 9), (PICTURE,))
    assert outcome(framed(PICTURE, PICTURE), edges=(128,)) == NoRendition("garbled")
    assert outcome(framed(PICTURE), edges=(128, 256)) == NoRendition("garbled")
    assert outcome("answer(b'1 1 - <script>\\n')") == Derived(Facts(1, 1))


@pytest.mark.parametrize("code", ["", "sys.exit(1)", "sys.exit(22)", "say(b'-')", "raise SystemExit", "os.abort()"])
def test_a_child_that_never_got_to_the_file_says_nothing_of_it(code: str) -> None:
    answer = outcome(code)
    assert answer == NoRendition("unavailable")
    assert isinstance(answer, NoRendition)
    assert not answer.lasting


def test_a_child_that_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renditions, "BEGIN_SECONDS", 0.5)
    assert outcome("time.sleep(9999)") == NoRendition("unavailable")


def test_a_command_that_is_not_there() -> None:
    async def story() -> None:
        caged = CagedRenditions(command=("/nonexistent/decoder",))
        for _ in range(3):
            assert await caged.derive(chunks(PICTURE), "image/jpeg") == NoRendition("unavailable")
        await caged.close()

    told(story())


def test_a_source_over_the_limit() -> None:
    async def story() -> None:
        caged = CagedRenditions(source_bytes=len(PICTURE))
        assert isinstance(await caged.derive(chunks(PICTURE), "image/jpeg"), Derived)
        assert await caged.derive(chunks(PICTURE + b"x"), "image/jpeg") == NoRendition("oversize")
        await caged.close()

    told(story())


def test_what_the_source_raises_comes_through_and_the_slot_is_free_again() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield PICTURE[:10]
        raise LookupError("lost")

    async def story() -> None:
        caged = CagedRenditions()
        for _ in range(3):
            with pytest.raises(LookupError):
                await caged.derive(broken(), "image/jpeg")
        assert isinstance(await caged.derive(chunks(PICTURE), "image/jpeg"), Derived)
        await caged.close()

    told(story())


@pytest.mark.parametrize("slots", [1, 2])
def test_never_more_at_once_than_slots(slots: int) -> None:
    async def story() -> int:
        caged = CagedRenditions(slots=slots)
        begun = ended = most = 0

        async def source() -> AsyncIterator[bytes]:
            nonlocal begun, most
            begun += 1
            most = max(most, begun - ended)
            await asyncio.sleep(0)
            yield PICTURE

        async def one() -> None:
            nonlocal ended
            assert isinstance(await caged.derive(source(), "image/jpeg", (128,)), Derived)
            ended += 1

        await asyncio.gather(*(one() for _ in range(8)))
        await caged.close()
        return most

    assert told(story()) == slots


def test_a_hanging_child_holds_up_nobody() -> None:
    async def story() -> list[str]:
        caged = CagedRenditions(command=child("say(b'+')\ntime.sleep(9999)"), wall_seconds=1.0)
        order: list[str] = []

        async def rendition() -> None:
            await caged.derive(chunks(PICTURE), "image/jpeg")
            order.append("rendition")

        async def other_work() -> None:
            for _ in range(1000):
                await asyncio.sleep(0)
            order.append("other work")

        await asyncio.gather(rendition(), other_work())
        await caged.close()
        return order

    assert told(story()) == ["other work", "rendition"]


def test_giving_up_frees_the_slot_and_ends_the_child() -> None:
    async def story() -> None:
        caged = CagedRenditions(command=child("say(b'+')\ntime.sleep(9999)"), wall_seconds=60.0)
        for spins in (0, 1, 3, 10, 100, 1000):
            task = asyncio.create_task(caged.derive(chunks(PICTURE), "image/jpeg"))
            for _ in range(spins):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await caged.close()

    told(story())
