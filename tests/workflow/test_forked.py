"""Snakemake as the other tests run it is the one that a user starts."""

import json
import os
import subprocess

import pytest

from tests.workflow import forked

pytestmark = pytest.mark.workflow

LOOK = """
import json, locale, os, signal, sys, threading, warnings
numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE)
print(json.dumps({
    "arguments": sys.argv,
    "common": sys.modules["common"].__file__,
    "encodings": [sys.stdout.encoding, sys.stderr.encoding, sys.getfilesystemencoding()],
    "environ": dict(os.environ),
    "files": sorted(int(name) for name in os.listdir("/dev/fd") if int(name) < 3),
    "folder": os.getcwd(),
    "locale": locale.setlocale(locale.LC_ALL),
    "path": sys.path,
    "signals": [str(signal.getsignal(number)).partition(" at ")[0] for number in numbers],
    "terminal": [sys.stdin.isatty(), sys.stdout.isatty()],
    "threads": threading.active_count(),
}))
"""


def test_a_forked_run_finds_and_says_what_a_fresh_one_does(clone):
    snakefile = (clone / "Snakefile").read_text()
    look = snakefile.replace('include: "data/rules.smk"', f'{LOOK}\ninclude: "data/rules.smk"')
    assert look != snakefile
    (clone / "Snakefile").write_text(look)
    command, environment = clone.command("-n")
    done = subprocess.run(
        command, cwd=clone.path, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = clone.snakemake("-n").splitlines()
    fresh = (done.stdout + done.stderr).splitlines()
    for name, value in json.loads(fresh[0]).items():
        assert json.loads(found[0])[name] == value, name
    # Snakemake keeps jobs, and a job's reasons, in sets: their order is that of places in memory.
    found, fresh = (
        [line.partition("] ")[2].partition("  (")[0] or line for line in lines[1:]]
        for lines in (found, fresh)
    )
    assert sorted(found) == sorted(fresh) and len(found) > 10


def test_a_run_that_takes_too_long_is_killed_and_the_next_one_goes_on(clone):
    (clone / "Snakefile").write_text("import os, time\nprint(os.getpid(), flush=True)\n")
    slow = "open('number', 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    (clone / "slow.smk").write_text(f"import os, time\n{slow}")
    options = {"folder": clone.path, "environment": clone.command()[1]}
    with pytest.raises(TimeoutError):
        forked.snakemake().run(["-n", "-s", "slow.smk"], timeout=0.1, **options)
    if (clone / "number").exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int((clone / "number").read_text()), 0)
    status, output = forked.snakemake().run(["-n"], timeout=900, **options)
    assert status == 0 and output.splitlines()[0].isdigit()
