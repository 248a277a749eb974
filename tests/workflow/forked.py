"""Snakemake, forked from a process that has imported it and what it imports.

Half of what a dry run of the toy paper takes is imports. Here they are done once for all runs of a
test process. What belongs to this repository is imported after the fork, as in a fresh process.
"""

import contextlib
import functools
import importlib
import os
import pickle
import runpy
import signal
import socket
import struct
import subprocess
import sys
import tempfile

IMPORTED = (
    "snakemake.cli", "snakemake.report.html_reporter", "docutils.core", "jinja2", "jsonschema",
    "nbformat", "pandas", "pooch", "smart_open", "yte",
)  # fmt: skip


@functools.cache
def snakemake():
    """The one of this process, which is started when it is first asked for."""
    return Snakemake()


class Snakemake:
    """The process that others are forked from; it ends with this one, or when it is closed."""

    def __init__(self):
        self._socket, other = socket.socketpair()
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(other.fileno())], pass_fds=[other.fileno()],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        other.close()

    def run(self, arguments, *, folder, environment, timeout):
        """Do as ``python -m snakemake`` in a folder and environment; its status and what it says.

        Parameters
        ----------
        arguments : sequence of str
        folder : Path
        environment : dict of str to str
        timeout : float
            In s.

        Returns
        -------
        status : int
        output : str
            Standard output, then standard error.

        Raises
        ------
        TimeoutError
            If it takes longer; then it is killed.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            request = pickle.dumps((list(arguments), str(folder), environment))
            streams = [out.fileno(), err.fileno()]
            socket.send_fds(self._socket, [struct.pack("!Q", len(request))], streams)
            self._socket.sendall(request)
            process = self._number()
            try:
                self._socket.settimeout(timeout)
                status = self._number()
            except TimeoutError:
                self._socket.settimeout(None)
                os.kill(process, signal.SIGKILL)
                self._number()
                raise
            self._socket.settimeout(None)
            for stream in (out, err):
                stream.seek(0)
            return status, (out.read() + err.read()).decode()

    def close(self):
        """End the process."""
        self._socket.close()
        self._process.wait()

    def _number(self):
        answer = self._socket.recv(8)
        assert answer, "the process that Snakemake is forked from has ended"
        return struct.unpack("!q", answer)[0]


def _serve(connection):
    """Fork for each request until the other end is closed; return in the forked process."""
    while True:
        start, streams, _, _ = socket.recv_fds(connection, 8, 2)
        if not start:
            sys.exit()
        (length,) = struct.unpack("!Q", start)
        with connection.makefile("rb", buffering=0) as file:
            request = b""
            while len(request) < length:
                request += file.read(length - len(request))
        process = os.fork()
        if process == 0:
            connection.close()
            for number, stream in enumerate(streams, start=1):
                os.dup2(stream, number)
                os.close(stream)
            return pickle.loads(request)
        for stream in streams:
            os.close(stream)
        connection.sendall(struct.pack("!q", process))
        _, status = os.waitpid(process, 0)
        connection.sendall(struct.pack("!q", os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is pytest's
    del sys.path[0]  # this file's folder
    # The Snakefile leaves it out, too.
    sys.modules["rfc3987_syntax"] = None
    for name in IMPORTED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    arguments, folder, environment = _serve(socket.socket(fileno=int(sys.argv[1])))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path.insert(0, folder)
    sys.argv[1:] = arguments
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
