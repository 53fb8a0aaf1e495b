"""What a decoding child asks of the kernel once it is locked in; `python -m tests.media.siege` asks with all files."""

from pathlib import Path

from tests.media.siege import calls_of, traced


def test_a_child_opens_nothing_once_it_is_locked_in(tmp_path: Path) -> None:
    before, after, wrong = traced(["TIFF that inflates", "PDF that runs a script and a program"], tmp_path)
    assert wrong == []
    assert before["openat"] > 50
    assert after["openat"] == after["socket"] == 0
    assert after["read"] > 0


def test_the_traces_are_read(tmp_path: Path) -> None:
    trace = tmp_path / "trace.1"
    trace.write_text(
        'write(1, "+", 1) = 1\n'
        'openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = -1 EPERM (Operation not permitted)\n'
        'openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 7\n'
        "+++ killed by SIGSYS +++\n"
    )
    assert [(call, result) for call, result, _ in calls_of(trace)] == [
        ("write", "1"),
        ("openat", "-1"),
        ("openat", "7"),
    ]
