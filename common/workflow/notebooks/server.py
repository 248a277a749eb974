"""Processes that have imported libraries, and fork the runner and the kernel of a job.

Started by `common.workflow.notebooks.warm` with a run. A *nursery* imports what all notebooks of a
group import, and nothing else; it computes nothing. For a job it forks the runner, which at once
forks the kernel. Who asks for the job (``run.py``, started by Snakemake as ever) sends its
environment, working directory and streams, which the runner takes on; the kernel gets those of a
cold one.

Only other people's libraries are imported before the fork, and only modules that do nothing then
that depends on where they are imported: `_Watch`. What belongs to this repository is imported after
the fork, so that an edit counts from the next job on.

This file uses the standard library only, and is run by its path.
"""

import contextlib
import gc
import importlib
import importlib.machinery
import json
import os
import pickle
import resource
import select
import signal
import socket
import struct
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path

KERNEL = ("ipykernel.kernelapp", "IPython.core.interactiveshell", "sqlite3")
"""What every kernel imports before it starts."""

RUNNER = (
    "papermill.execute", "papermill.engines", "papermill.clientwrap", "nbclient.exceptions",
    "snakemake.iocontainers",
)  # fmt: skip
"""What every runner imports."""

SKIPPED = ("rfc3987_syntax", "boto3", "black")
"""Optional imports of these that a local notebook does not need."""

STARTED = b"started"
"""What a runner says first."""

STARTED_WITH = dict(os.environ)

MOST = 16
"""So many nurseries are alive at a time; the one that was asked longest ago makes room."""

LIMIT = 3e9
"""Memory of all nurseries together at most, in bytes; the one asked longest ago makes room."""


def main():
    """Serve until standard input ends, which it does with Snakemake, however that ends.

    Arguments: a JSON file with a list of groups, each with ``socket``, the number of a listening
    socket that this process has inherited, and ``imports``; a file for the memory used; and how
    much that may be, in bytes, at most `LIMIT`.
    """
    del sys.path[0]  # this file's folder; then the path is that of a kernel
    plan, report, limit = sys.argv[1:]
    limit = min(float(limit), LIMIT)
    groups = [_Group(**group) for group in json.loads(Path(plan).read_text())]
    if _import_stack():
        return 1
    most = 0
    while True:
        asked = {
            group.socket: group for group in groups if group.process is None and not group.failed
        }
        words = {group.words: group for group in groups if group.process is not None}
        ready, _, _ = select.select([0, *asked, *words], [], [])
        if 0 in ready:
            for group in words.values():
                group.end()
            return 0
        for one in ready:
            if one in words:
                words[one].listen()
            else:
                asked[one].start(groups)
        _make_room(groups, limit)
        used = sum(group.memory for group in groups)
        if used > most:
            most = used
            alive = [group.imports for group in groups if group.process is not None]
            with contextlib.suppress(OSError):
                Path(report).write_text(json.dumps({"bytes": most, "imports": alive}))


class _Group:
    """Notebooks that import the same libraries, and the nursery that has done so."""

    def __init__(self, socket, imports):
        self.socket = socket
        self.imports = imports
        self.process = self.words = None
        self.memory = 0
        self.asked = 0.0
        self.failed = False
        self._has_spoken = False

    def start(self, groups):
        """Fork the nursery; it accepts the connections that wait."""
        self.words, words = os.pipe()
        self.asked = time.monotonic()
        self._has_spoken = False
        self.process = os.fork()
        if self.process == 0:
            for group in groups:
                if group is not self and not group.failed:
                    os.close(group.socket)
                if group.words is not None:
                    os.close(group.words)
            os._exit(_nursery(self, words))
        os.close(words)

    def listen(self):
        """Take note of what the nursery says: modules to leave out, its memory, that it ended."""
        said = os.read(self.words, 65536)
        self.asked = time.monotonic()
        for line in said.decode().splitlines():
            word, *values = line.split()
            if word == "without":
                self.imports = [name for name in self.imports if name not in values]
            elif word == "memory":
                self.memory = int(values[0])
        self._has_spoken |= bool(said)
        if not said:
            self.end()
            self.failed = not self._has_spoken
            if self.failed:  # who waits hears so, and runs its job without
                os.close(self.socket)

    def end(self):
        """End the nursery. Jobs that it has forked go on; who waits is served by the next one."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self.words)
        self.process = self.words = None
        self.memory = 0


def _make_room(groups, limit):
    alive = sorted((g for g in groups if g.process is not None), key=lambda group: group.asked)
    while len(alive) > MOST or (len(alive) > 1 and sum(g.memory for g in alive) > limit):
        alive.pop(0).end()


def _import_stack():
    """Import what every job needs; whether something other than libraries was started by it."""
    for name in KERNEL:  # as a cold kernel does, before it has a shell
        importlib.import_module(name)
    # What the runner's libraries leave behind is not for kernels to find.
    path, filters, environ = list(sys.path), list(warnings.filters), dict(os.environ)
    with _Watch() as watch:
        for name in SKIPPED:
            sys.modules.setdefault(name, None)
        # Its bar looks for a kernel when it is imported, and is not used.
        auto = types.ModuleType("tqdm.auto")
        auto.tqdm = importlib.import_module("tqdm").tqdm
        sys.modules["tqdm.auto"] = auto
        for name in RUNNER:
            importlib.import_module(name)
        del sys.modules["tqdm.auto"]
        for name in SKIPPED:
            if sys.modules.get(name, name) is None:
                del sys.modules[name]
        failed = watch.guilty() or watch.said
    sys.path[:] = path
    _set_filters(filters)
    for name in os.environ.keys() - environ:
        del os.environ[name]
    os.environ.update(environ)
    return failed


# Where a warning places itself that means whoever has imported it: in a kernel, that is elsewhere.
_HERE = (__file__, importlib.__file__, "sys:1:", "<sys>:0:")  # the last in newer Pythons


class _Watch:
    """Notices modules whose import does what it would do in another way in a kernel.

    That is: to use the running shell, to start a thread, to print past Python's streams, or to
    fail. What it prints on these, such as a warning, is kept for the kernel (`Replay`). Modules
    find stand-ins for the shell and the streams, which later lead to those that are there then.
    """

    active = None

    def __enter__(self):
        import builtins

        import IPython
        from IPython.core import getipython

        self.environ = dict(os.environ)
        self.filters = list(warnings.filters)
        self.shells = [(IPython, IPython.get_ipython), (getipython, getipython.get_ipython)]
        self.bad = set()
        self.said = []
        self.streams = sys.stdout, sys.stderr
        self.file = tempfile.TemporaryFile()
        self.kept = os.dup(1), os.dup(2)
        shell = ZMQInteractiveShell(getipython.get_ipython)
        for module in (builtins, *(module for module, _ in self.shells)):
            module.get_ipython = lambda: shell
        for number in (1, 2):
            os.dup2(self.file.fileno(), number)
        sys.stdout, sys.stderr = _Stream("stdout", sys.stdout), _Stream("stderr", sys.stderr)
        _Watch.active = self
        return self

    def __exit__(self, *error):
        import builtins

        _Watch.active = None
        del builtins.get_ipython  # a kernel puts it there
        for module, function in self.shells:
            module.get_ipython = function
        sys.stdout, sys.stderr = self.streams
        for number, kept in zip((1, 2), self.kept, strict=True):
            os.dup2(kept, number)
            os.close(kept)
        self.file.close()

    def uses_shell(self):
        """Note that those modules use the shell that are being imported now."""
        self.bad |= set(_being_imported())

    def says(self, stream, text):
        """Note what those modules print that are being imported now."""
        names = _being_imported()
        if not names or any(place in text for place in _HERE):
            self.bad |= {"", *names}
        elif self.said and self.said[-1][:2] == (names, stream):
            self.said[-1] = names, stream, self.said[-1][2] + text
        else:
            self.said.append((names, stream, text))

    def guilty(self):
        """Modules that must not be imported, or another true value; nothing where all is well."""
        for stream in self.streams:
            stream.flush()
        if self.bad:
            return self.bad
        return self.file.seek(0, os.SEEK_END) > 0 or len(os.listdir("/proc/self/task")) > 1

    def changes(self):
        """What a kernel needs to know: what imports set in the environment, filters, and said."""
        before = set(map(id, self.filters))
        return {
            "environ": {k: v for k, v in os.environ.items() if self.environ.get(k) != v},
            "filters": [each for each in warnings.filters if id(each) not in before],
            "said": self.said,
        }


def _set_filters(filters):
    """Replace the filters of warnings."""
    warnings.filters[:] = filters
    with warnings.catch_warnings():  # has Python forget which filters it has found before
        pass


def _being_imported():
    """Names of the modules whose import has begun and not ended."""
    return [
        name
        for name, module in list(sys.modules.items())
        if getattr(getattr(module, "__spec__", None), "_initializing", False)
    ]


class _Stream:
    """Stands for ``sys.stdout`` or ``sys.stderr``, whatever that is when it is used."""

    def __init__(self, name, first):
        self._name = name
        self._first = first

    def write(self, text):
        if getattr(sys, self._name) is not self:
            return getattr(sys, self._name).write(text)
        _Watch.active.says(self._name, text)
        return len(text)

    def __getattr__(self, name):
        now = getattr(sys, self._name)
        return getattr(self._first if now is self else now, name)


class ZMQInteractiveShell:
    """Stands for the shell of a kernel, which has this name, while there is none.

    A module may see that there is one, and that it has a kernel. All else is noted.

    Parameters
    ----------
    find : callable
        Gives the shell that there is later.
    """

    def __init__(self, find):
        self.__dict__["_find"] = find

    def __getattr__(self, name):
        if _Watch.active is None:
            return getattr(self._find(), name)
        if name == "kernel":
            return ZMQInteractiveShell(lambda: self._find().kernel)
        _Watch.active.uses_shell()
        raise AttributeError(name)

    def __setattr__(self, name, value):
        if _Watch.active is not None:
            _Watch.active.uses_shell()
            raise AttributeError(name)
        setattr(self._find(), name, value)


class Replay:
    """Has a kernel say, at its first import of a module, what the nursery's import said.

    Parameters
    ----------
    said : list of (list of str, str, str)
        Modules that were being imported, the stream, and the text.
    """

    def __init__(self, said):
        self.said = said
        self.modules = {}
        # With their submodules: who imports one of these imports the package first.
        beginnings = tuple({f"{name}." for names, _, _ in said for name in names})
        for name in [name for name in sys.modules if f"{name}.".startswith(beginnings)]:
            module = sys.modules.pop(name)
            self.modules[name] = module, getattr(module, "__spec__", None)
            parent, _, child = name.rpartition(".")
            for package in filter(
                None, [sys.modules.get(parent), *self.modules.get(parent, ())[:1]]
            ):
                vars(package).pop(child, None)
        sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None):
        """The module that was imported, if it has not been asked for yet.

        Parameters
        ----------
        name, path, target
            As Python's finders get them; ``name`` alone counts.

        Returns
        -------
        spec : importlib.machinery.ModuleSpec or None
        """
        return importlib.machinery.ModuleSpec(name, self) if name in self.modules else None

    def create_module(self, spec):
        """The module itself.

        Parameters
        ----------
        spec : importlib.machinery.ModuleSpec

        Returns
        -------
        module : types.ModuleType
        """
        return self.modules[spec.name][0]

    def exec_module(self, module):
        """Say what its import said, and let all be there that it had imported then.

        Parameters
        ----------
        module : types.ModuleType
        """
        now = [each for each in self.said if module.__spec__.name in each[0]]
        self.said = [each for each in self.said if each not in now]
        for _, stream, text in now:
            getattr(sys, stream).write(text)
        waiting = {name for names, _, _ in self.said for name in names}
        begin = tuple({f"{name}." for names, _, _ in now for name in names})
        there = [
            name for name in self.modules if f"{name}.".startswith(begin) and name not in waiting
        ]
        for name in there:
            sys.modules[name], sys.modules[name].__spec__ = self.modules.pop(name)
        for name in there:
            parent, _, child = name.rpartition(".")
            if parent in sys.modules:
                setattr(sys.modules[parent], child, sys.modules[name])


def _nursery(group, words):
    """Import, and fork a job for each connection until Snakemake, or the server, has ended."""
    # Modules that ask whether they are in a script or at a prompt are at a prompt.
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = [str(Path(__file__).with_name("launch.py")), "-f", "kernel.json"]
    with _Watch() as watch:
        for name in group.imports:
            try:
                _import(name)
            except BaseException:
                guilty = {name}
            else:
                guilty = watch.guilty()
            if guilty:
                # The one that was asked for stands for those that it imports.
                bad = {name} | {each for each in group.imports if _module(each) in guilty}
                os.write(words, f"without {' '.join(bad)}\n".encode())
                return 1
        changes = watch.changes()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, _reap)
    os.write(words, f"memory {_memory()}\n".encode())
    listener = socket.socket(fileno=group.socket)
    while True:
        ready, _, _ = select.select([0, listener], [], [])
        if 0 in ready:
            return 0
        connection, _ = listener.accept()
        with connection:
            try:
                request, streams = _receive(connection)
            except (EOFError, OSError):
                continue
            if os.fork() == 0:
                listener.close()
                os.close(words)
                _runner(connection, request, streams, changes)
            os.write(words, b"job\n")
            for number in streams:
                os.close(number)


def _reap(*_):
    """Take note of runners that have ended, so that their time counts as this process's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _module(name):
    return name.partition(":")[0]


def _import(name):
    """Do as ``import name``, or as ``from module import symbol`` for ``module:symbol``."""
    name, _, symbol = name.partition(":")
    module = importlib.import_module(name)
    if symbol and hasattr(module, "__path__") and not hasattr(module, symbol):
        importlib.import_module(f"{name}.{symbol}")


def _memory():
    """Memory of this process that no other one shares, in bytes; 0 where that is not known."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _receive(connection):
    """What `common.workflow.notebooks.warm.ask` has sent, and the three streams."""
    start, streams, _, _ = socket.recv_fds(connection, 8, 3)
    if len(streams) != 3:
        raise EOFError
    return pickle.loads(_receive_bytes(connection, start)), streams


def _receive_bytes(connection, start=b""):
    (length,) = struct.unpack("!Q", start + _read(connection, 8 - len(start)))
    return _read(connection, length)


def _read(connection, length):
    parts = []
    while length:
        part = connection.recv(min(length, 2**20))
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _runner(connection, request, streams, changes):
    """Be the process that runs one job, and fork its kernel before anything else."""
    status, peak = 1, _peak()
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        mine, other = socket.socketpair()
        process = os.fork()
        if process == 0:
            mine.close()
            connection.close()
            for number in streams:
                os.close(number)
            _kernel(other, changes)
        other.close()
        connection.sendall(STARTED)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        _become(request)
        from common.workflow.notebooks import run, warm

        kernel = warm.Kernel(process, mine, STARTED_WITH)
        job = pickle.loads(request["job"])
        status = run.main(job, asker=connection, forked=kernel)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps({"status": status, **_usage(peak)}).encode())
        os._exit(status)


def _become(request):
    """Take on the surroundings of another process."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    time.tzset()
    tempfile.tempdir = None
    sys.argv = request["arguments"]
    sys.path[:] = request["path"]
    out, err = request["encodings"]
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding=out, closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(
        2, "w", encoding=err, errors="backslashreplace", closefd=False, buffering=1
    )


def _kernel(end, changes):
    """Be the kernel as soon as the runner says so; end if it does not."""
    status = 1
    try:
        os.setsid()
        reader, writer = os.pipe()  # a cold kernel's input is a pipe that nobody writes to
        os.dup2(reader, 0)
        os.close(reader)
        os.close(writer)
        try:
            request = pickle.loads(_receive_bytes(end))
        except EOFError:
            os._exit(0)
        end.close()
        output = os.open(request["output"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for number in (1, 2):
            os.dup2(output, number)
        os.close(output)
        # What imports have set; and an item before the path, as each script has one.
        request["environ"] |= changes["environ"]
        _become(request | {"path": ["", *sys.path], "encodings": ["utf-8", "utf-8"]})
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()  # as another process would have it
        _set_filters([each for each in warnings.filters if each not in changes["filters"]])
        launch = Path(sys.argv[0])
        main = types.ModuleType("__main__")
        main.__dict__.update(__file__=str(launch), ready=lambda: _ready(changes))
        sys.modules["__main__"] = main
        exec(compile(launch.read_text(encoding="utf-8"), str(launch), "exec"), main.__dict__)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        import atexit

        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _ready(changes):
    """Put in place what libraries that are imported would bring to a kernel that has started."""
    _set_filters([*changes["filters"], *warnings.filters])
    Replay(changes["said"])


def _peak():
    """Largest memory of this process so far, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _usage(before):
    """Processor time in s, and memory in MiB, of a runner and its kernel.

    What the nursery had in its memory counts once.
    """
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    memory = both[1].ru_maxrss + both[0].ru_maxrss - before
    return {
        "seconds": sum(each.ru_utime + each.ru_stime for each in both),
        "memory": memory / 1024,
    }


if __name__ == "__main__":
    sys.exit(main())
