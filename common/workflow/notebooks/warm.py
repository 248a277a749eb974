"""Warm kernels: jobs of a local run are forked from processes that have imported libraries.

A run starts `common.workflow.notebooks.server` (`Server`). Each job's own process, which Snakemake
starts as ever, asks it to run the job (`ask`) and waits. Where anything is in the way, a job runs
as it does without a server. On a cluster, and on platforms other than Linux, there is none.

This module uses the standard library only: it is imported at each job's start.
"""

import contextlib
import functools
import itertools
import json
import math
import os
import pickle
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["FOLDER", "REPORT", "Kernel", "Server", "ask", "groups", "is_possible", "usage_of"]

FOLDER = "ARTIFACTS_WARM"
"""Variable of the environment that names the folder of a run's server."""

REPORT = ".snakemake/warm.json"
"""Where a run's server writes how much memory it used."""

LIBRARIES = {
    "braindecode", "matplotlib", "mne", "moabb", "numba", "ot", "pandas", "pyriemann", "sbi",
    "scipy", "skada", "sklearn", "skorch", "torch",
}  # fmt: skip
"""Packages that take long to import: notebooks are grouped by those that they need."""

MANY = 8
"""So many jobs of a notebook are worth a process of their own, which imports everything anew."""

_SERVER = Path(__file__).with_name("server.py")
_STARTED = b"started"
# What differs between the kernels of one run, and is read after they have started.
_OF_A_JOB = {
    "ARTIFACTS_WARM", "IPYTHONDIR", "JPY_PARENT_PID", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR", "OLDPWD", "PWD", "SHLVL", "TEMP", "TEMPDIR", "TMP", "TMPDIR", "_",
    "_MNE_FAKE_HOME_DIR",
}  # fmt: skip
_PATIENCE = 5.0  # s that a job has to end when it is told to


def is_possible():
    """Whether this platform can fork, and tells how many threads a process has."""
    return sys.platform == "linux" and os.path.isdir("/proc/self/task")


class Server:
    """A run's server; it ends with this process, however that ends, or when it is closed.

    Parameters
    ----------
    folder : Path
        An empty folder in which sockets can be made; it is removed in the end.
    groups : list of (list of str, list of str)
        Imports, as `common.workflow.notebooks.fingerprint.imports` gives them, and the
        notebooks, with their fingerprints, that import all of them.
    environ : dict of str to str
        From `common.workflow.notebooks.isolation.job_environment`.
    report : Path
        Where the server writes how much memory it used.
    memory : float, default=inf
        What there is for this run, in bytes; an eighth of it is for imported libraries.
    """

    def __init__(self, folder, groups, *, environ, report, memory=math.inf):
        self.folder = folder
        sockets, plan, sockets_of = [], [], {}
        for number, (imports, notebooks) in enumerate(groups):
            path = folder / f"{number}.socket"
            sockets.append(socket.socket(socket.AF_UNIX))
            sockets[-1].bind(str(path))
            sockets[-1].listen(1024)
            plan.append({"socket": sockets[-1].fileno(), "imports": imports})
            sockets_of |= dict.fromkeys(notebooks, path.name)
        (folder / "plan.json").write_text(json.dumps(plan))
        (folder / "sockets.json").write_text(json.dumps(sockets_of))
        report.unlink(missing_ok=True)
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, str(_SERVER), str(folder / "plan.json"), str(report),
                    str(memory / 8),
                ],
                env=environ, stdin=subprocess.PIPE, stdout=log, stderr=log,
                pass_fds=[each.fileno() for each in sockets], start_new_session=True,
            )  # fmt: skip
        for each in sockets:
            each.close()

    def close(self):
        """End the server and remove its folder."""
        self.process.stdin.close()
        try:
            self.process.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def groups(imports, jobs):
    """Which notebooks start from the same process, and what it imports.

    Parameters
    ----------
    imports : dict of str to list of str
        Each notebook's imports.
    jobs : dict of str to int
        How many jobs of it there are.

    Returns
    -------
    groups : list of (list of str, list of str)
        Imports and notebooks. Each notebook imports all of its group, in this order. A process that
        would serve one job is not worth it, and one for one notebook from `MANY` jobs on.
    """
    needs = {notebook: _steps(names) for notebook, names in imports.items()}
    alike = {}
    for notebook, names in needs.items():
        libraries = tuple(name for name in names if name in LIBRARIES)
        key = notebook if libraries and jobs[notebook] >= MANY else libraries
        alike.setdefault(key, []).append(notebook)
    found = [([], [])]
    for key, notebooks in alike.items():
        if key and sum(jobs[notebook] for notebook in notebooks) > 1:
            shared = functools.reduce(_common, (needs[notebook] for notebook in notebooks))
            found.append((shared, []))
    for notebook, names in needs.items():
        fitting = [group for group in found if _common(group[0], names) == group[0]]
        max(fitting, key=lambda group: len(group[0]))[1].append(notebook)
    return [group for group in found if group[1]]


def ask(job, *, has_ended):
    """Have the run's server run a job, and wait for its end.

    Parameters
    ----------
    job : snakemake.iocontainers.Snakemake
    has_ended : callable
        Whether Snakemake has ended; asked every second. Then the job ends.

    Returns
    -------
    status : int or None
        The job's exit status; None where no server has begun with it.
    """
    folder = os.environ.get(FOLDER)
    try:
        socket_of = json.loads(Path(folder, "sockets.json").read_text())
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(Path(folder, socket_of[job.params.get("notebook")])))
        _send(connection, job)
    except (OSError, TypeError, KeyError, ValueError):
        return None

    def stop(number, frame):
        _end(connection)
        os._exit(128 + number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), stop)
    said = b""
    while True:
        ready, _, _ = select.select([connection], [], [], 1.0)
        if not ready:
            if has_ended():
                _end(connection)
                os._exit(1)
            continue
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            part = b""
        if not part:
            break
        said += part
    if not said.startswith(_STARTED):
        return None
    try:
        answer = json.loads(said.removeprefix(_STARTED))
    except ValueError:
        print(f"\n{job.rule} failed: its process was killed.", file=sys.stderr)
        return 1
    with contextlib.suppress(OSError):
        _usage_file(folder, sys.argv[0]).write_text(json.dumps(answer))
    return answer["status"]


def usage_of(script):
    """What a job took that a server ran.

    Parameters
    ----------
    script : str
        The script that Snakemake made for the job.

    Returns
    -------
    usage : dict of str to float or None
        ``seconds`` of processor time, and ``memory`` at most, in MiB.
    """
    if (folder := os.environ.get(FOLDER)) is None:
        return None
    path = _usage_file(folder, script)
    try:
        usage = json.loads(path.read_text())
        path.unlink()
    except (OSError, ValueError):
        return None
    return usage


class Kernel:
    """A kernel that is forked and waits for its command; as `subprocess.Popen` once it has it.

    Parameters
    ----------
    pid : int
    end : socket.socket
        To the process.
    environ : dict of str to str
        The environment in which its libraries were imported.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid, end, environ):
        self.pid = pid
        self.returncode = None
        self._end = end
        self._environ = environ

    def fits(self, environ):
        """Whether a cold kernel with this environment would import the same, and it is alive.

        Parameters
        ----------
        environ : dict of str to str

        Returns
        -------
        fits : bool
        """

        def shared(variables):
            return {k: v for k, v in variables.items() if k not in _OF_A_JOB}

        return shared(environ) == shared(self._environ) and self.poll() is None

    def start(self, command, *, env, output):
        """Let the kernel begin.

        Parameters
        ----------
        command : list of str
            That of a cold kernel; its first item, the interpreter, does not count.
        env : dict of str to str
        output : str
            File for what it writes before it listens.
        """
        environ = env | {"JPY_PARENT_PID": str(os.getpid())}
        content = {
            "arguments": command[1:], "environ": environ, "folder": os.getcwd(), "output": output,
        }  # fmt: skip
        self._end.sendall(_framed(content))
        self._end.close()

    def poll(self):
        """Exit status, negative after a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout=None):
        """Wait for the end.

        Parameters
        ----------
        timeout : float, optional
            In s.

        Returns
        -------
        status : int
            As `poll`.

        Raises
        ------
        subprocess.TimeoutExpired
            After ``timeout`` seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("kernel", timeout)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        """Send a signal, if it is still there.

        Parameters
        ----------
        number : int
        """
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _steps(names):
    """Imports of other packages than Python's own, each with those that it begins with."""
    steps = {}
    for name in names:
        module, _, symbol = name.partition(":")
        parts = module.split(".")
        if parts[0] not in sys.stdlib_module_names:
            steps |= dict.fromkeys(itertools.accumulate(parts, lambda one, two: f"{one}.{two}"))
            steps |= {name: None} if symbol else {}
    return list(steps)


def _common(one, other):
    """The longest list of items that two lists have in the same order."""
    lengths = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, j in itertools.product(reversed(range(len(one))), reversed(range(len(other)))):
        same = one[i] == other[j]
        lengths[i][j] = max(lengths[i + 1][j + 1] + same, lengths[i + 1][j], lengths[i][j + 1])
    found, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        if one[i] == other[j]:
            found.append(one[i])
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return found


def _send(connection, job):
    content = {
        "arguments": sys.argv, "environ": dict(os.environ), "folder": os.getcwd(),
        "path": sys.path, "encodings": [sys.stdout.encoding, sys.stderr.encoding],
        "job": pickle.dumps(job),
    }  # fmt: skip
    message = _framed(content)
    socket.send_fds(connection, [message[:8]], [0, 1, 2])
    connection.sendall(message[8:])


def _framed(content):
    content = pickle.dumps(content)
    return struct.pack("!Q", len(content)) + content


def _end(connection):
    """Tell a job to end, and wait until it has."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(_PATIENCE)
        while connection.recv(65536):
            pass


def _usage_file(folder, script):
    return Path(folder, f"{Path(script).name}.json")
