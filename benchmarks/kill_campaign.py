"""Kill a run many times at random, go on with one command, and compare with an undisturbed run.

    python benchmarks/kill_campaign.py papers/spd-sliced-wasserstein/figures [--kills 20] [--seed 0]

Two clones of the last commit are made in a folder of temporary files. In one the targets are built
undisturbed; in the other Snakemake, its whole process group, or one of its jobs is killed with
SIGKILL, at points that the seed draws: so many lines of the console later, and up to a second
after it. Then the same command must end well, every file have the same bytes, and nothing be left
over. What measures time differs between any two runs: name it with ``--except``.
"""

import argparse
import fnmatch
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
# What is killed, and how often by comparison: after one of the first two, a run starts anew.
KINDS = {"snakemake": 1, "group": 1, "job": 3}


def kill_at_random(command, *, folder, environ, n_kills, seed, n_lines=4, pause=1.0):
    """Start a run as often as it takes to kill it so many times.

    Parameters
    ----------
    command : list of str
        Starts the run.
    folder : Path
    environ : dict of str to str
    n_kills : int
        How many processes, or groups of them, are killed.
    seed : int
    n_lines : int, default=4
        At most so many lines of jobs pass before a kill.
    pause : float, default=1.0
        At most so long, in s, after the line.

    Returns
    -------
    kills : dict of str to int
        How often each kind was killed. Fewer than ``n_kills`` in sum if the run ended before.
    """
    draw = random.Random(seed)
    kills = dict.fromkeys(KINDS, 0)
    while sum(kills.values()) < n_kills:
        run = subprocess.Popen(
            command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        while run.poll() is None and sum(kills.values()) < n_kills:
            for _ in range(draw.randint(1, n_lines)):
                line = next((line for line in run.stderr if line.startswith("[")), None)
            if line is None:
                break
            time.sleep(draw.uniform(0, pause))
            (kind,) = draw.choices(list(KINDS), KINDS.values())
            if _kill(run, kind, draw):
                kills[kind] += 1
        if sum(kills.values()) >= n_kills and run.poll() is None:
            run.kill()
        run.stderr.close()
        if run.wait() == 0:
            break
    return kills


def differences(one, other, *, folders=("results", "data/derived", "papers")):
    """Files that only one of two repositories has, or that differ; benchmarks hold times.

    Parameters
    ----------
    one, other : Path

    Returns
    -------
    names : list of str
    """

    def read(root):
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for folder in folders
            for path in (root / folder).rglob("*")
            if path.is_file() and path.suffix != ".tsv"
        }

    first, second = read(one), read(other)
    return sorted(n for n in first.keys() | second.keys() if first.get(n) != second.get(n))


def left_over(root, temporary):
    """What a killed run has left, and processes that still work in its folder.

    Parameters
    ----------
    root : Path
        The repository.
    temporary : Path
        Folder of temporary files that the runs used.

    Returns
    -------
    names : list of str
    """
    state = root / ".snakemake"
    found = [
        path for name in ("locks", "incomplete", "scripts") for path in state.glob(f"{name}/*")
    ]
    found += [*temporary.glob("nb-*")]
    for name in ("results", "data", "papers"):
        found += [path for path in (root / name).rglob(".*") if path.name[0] == "."]
    processes = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(root):
                processes.append(f"process {process.pid}: {process.name()}")
        except (psutil.Error, OSError):
            continue
    return [*map(str, found), *processes]


def _kill(run, kind, draw):
    """Kill a run, its group, or one of its descendants; whether there was anything to kill."""
    if kind == "group":
        os.killpg(run.pid, signal.SIGKILL)
        return True
    if kind == "snakemake":
        run.kill()
        run.wait()
        return True
    try:
        descendants = sorted(psutil.Process(run.pid).children(recursive=True), key=lambda p: p.pid)
        draw.choice(descendants).kill()
    except (psutil.Error, IndexError):
        return False
    return True


def main():
    """Run the campaign; exit status 1 if a file differs or anything is left over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--except", nargs="*", default=[], dest="excepted", metavar="PATTERN")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kill-campaign-"))
    undisturbed, killed, temporary = (folder / name for name in ("undisturbed", "killed", "tmp"))
    temporary.mkdir()
    for clone in (undisturbed, killed):
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    command = [sys.executable, "-m", "snakemake", f"-j{options.jobs}", *options.targets]
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environ["TMPDIR"] = str(temporary)
    start = time.monotonic()
    subprocess.run(command, cwd=undisturbed, env=environ, check=True)
    print(f"undisturbed: {time.monotonic() - start:.0f} s")
    kills = kill_at_random(
        [*command, "--keep-going"],
        folder=killed,
        environ=environ,
        n_kills=options.kills,
        seed=options.seed,
        n_lines=10,
        pause=5.0,
    )
    print(f"killed: {kills}")
    subprocess.run(command, cwd=killed, env=environ, check=True)
    different = [
        name
        for name in differences(undisturbed, killed)
        if not any(fnmatch.fnmatch(name, pattern) for pattern in options.excepted)
    ]
    rest = left_over(killed, temporary)
    for name in different:
        print(f"differs: {name}")
    for name in rest:
        print(f"left over: {name}")
    if different or rest:
        print(f"Both repositories are kept in {folder}")
        return 1
    shutil.rmtree(folder)
    print("the same bytes, and nothing is left over")
    return 0


if __name__ == "__main__":
    sys.exit(main())
