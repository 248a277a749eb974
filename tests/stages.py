"""The stages of ``make test``, and at the end what each took, also where one fails.

    python tests/stages.py lint pytest smoke

Each stage is a target of the Makefile; the first one that fails ends it. Processor time is that of
all processes of a stage, user and system. Where other programs run beside, it says more than time.
"""

import os
import subprocess
import sys
import time

MAKE = os.environ.get("MAKE", "make")
# Compiles the tests beside the first stage, which needs one core: each of the processes that share
# them would compile them all. What it finds wrong is said by the stage that runs them.
COMPILE = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "tests"]


def run(stage, beside=()):
    """Run one stage.

    Parameters
    ----------
    stage : str
        Target of the Makefile.
    beside : sequence of str
        A command that runs at the same time, without a word, and ends with the stage.

    Returns
    -------
    status : int
        Exit status of make.
    wall, cpu : float
        Time and processor time, in s.
    """
    start, before = time.monotonic(), os.times()
    null = subprocess.DEVNULL
    other = subprocess.Popen(beside, stdout=null, stderr=null) if beside else None
    status = subprocess.run([MAKE, "--no-print-directory", stage]).returncode
    if other:
        if status:
            other.terminate()
        other.wait()
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return status, time.monotonic() - start, cpu


def row(stage, wall, cpu):
    """A line of the table."""
    return f"{stage:10} {wall:8.0f} s {cpu:8.0f} s of processor time"


def main(stages):
    took = {}
    for stage in stages:
        first = stage == stages[0] and "pytest" in stages[1:]
        status, *took[stage] = run(stage, COMPILE if first else ())
        if status:
            break
    total = [sum(column) for column in zip(*took.values(), strict=True)]
    for name, times in (took | {"together": total}).items():
        print(row(name, *times))
    print(f"== {stage} failed" if status else "== All passed")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
