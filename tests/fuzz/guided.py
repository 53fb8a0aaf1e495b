"""One target, guided by coverage: `python -m tests.fuzz.guided TARGET SECONDS FOLDER`, from the inputs in FOLDER."""

import sys
import tempfile

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(include=["holdfast", "multipart"]):
    from tests.fuzz.targets import survives, targets

LIMITS = ("-timeout=5", "-rss_limit_mb=512", "-max_len=8192", "-print_final_stats=1")


def main() -> None:
    """Does not return: the fuzzer ends the process."""
    name, seconds, corpus = sys.argv[1:]
    target = targets()[name]
    crashes = tempfile.mkdtemp(prefix="holdfast-fuzz-")
    options = [*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={crashes}/"]
    atheris.Setup([sys.argv[0], *options, corpus], lambda data: survives(target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
