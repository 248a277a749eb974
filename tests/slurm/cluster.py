"""A Slurm of one node on this machine, with accounting, in a folder of its own.

munged, MariaDB, slurmdbd, slurmctld and slurmd of Debian's packages are started as they are on a
cluster, but on the loopback address, on free ports, and with every file of theirs in one folder. A
guard, another process, ends all of them and what they have started as soon as this process has
ended, however it did. Standard library only.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGES = ["slurm-wlm", "slurmdbd", "munge", "mariadb-server"]
DAEMONS = ["munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd"]
MARK = "SLURM_OF_A_TEST"
"""Variable in the environment of every process of the cluster: its folder."""

NO_START = "#!/bin/sh\nexit 101\n"  # Debian's way to install a service without starting it
POLICY = Path("/usr/sbin/policy-rc.d")


def find(program):
    """Path of a program, which may be one for administrators only; None where there is none."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def reason_to_skip():
    """Why there can be no Slurm on this machine; None if there can."""
    if not sys.platform.startswith("linux"):
        return "it needs Linux"
    if os.geteuid() != 0:
        return "it needs root: sudo tests/slurm/run"
    missing = [name for name in DAEMONS if find(name) is None]
    if missing and find("apt-get") is None:
        return f"there is no {missing[0]}, and no apt-get to install it: {' '.join(PACKAGES)}"
    return None


def install():
    """Install what is missing of Debian's packages, without starting services.

    Returns
    -------
    reason : str or None
        Why it could not be installed.
    """
    if all(map(find, DAEMONS)):
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = [
        ["apt-get", "update", "--quiet=2"],
        ["apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", *PACKAGES],
    ]
    made_here = not POLICY.exists()
    if made_here:
        POLICY.write_text(NO_START)
        POLICY.chmod(0o755)
    try:
        for command in commands:
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                said = (done.stderr.strip() or done.stdout.strip()).splitlines()
                return f"{' '.join(command)}: {said[-1] if said else done.returncode}"
    finally:
        if made_here:
            POLICY.unlink(missing_ok=True)
    missing = [name for name in DAEMONS if find(name) is None]
    return f"the packages {' '.join(PACKAGES)} have no {missing[0]}" if missing else None


class Cluster:
    """One node, called ``node``, with made-up GPUs.

    Use it as a context manager.

    Parameters
    ----------
    cpus, gpus : int
        As many as the node says that it has; neither need exist.
    memory : int
        Memory of the node, in MB.
    """

    def __init__(self, *, cpus=2, gpus=2, memory=8000):
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.cpus, self.gpus, self.memory = cpus, gpus, memory
        self.ports = dict(zip(DAEMONS, _free_ports(len(DAEMONS)), strict=True))
        self.daemons = {}
        self.environment = {
            **os.environ,
            MARK: str(self.folder),
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "LC_ALL": "C.UTF-8",
        }

    def __enter__(self):
        self._guard = _guard(self.folder)
        try:
            self._configure()
            for name in DAEMONS:
                self.start(name)
            self.run("sacctmgr", "--immediate", "add", "account", "lab")
            self.run("sacctmgr", "--immediate", "add", "user", _user(), "account=lab")
            self._wait("the node", lambda: "idle" in self.run("sinfo", "--noheader", "-o%T"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._guard()

    def start(self, name):
        """Start a daemon, and wait until it answers."""
        commands = {
            "munged": [
                "--foreground", "--force", f"--socket={self.folder}/munge/socket",
                *(f"--{one}-file={self.folder}/munge/{one}" for one in ("key", "log", "pid")),
                f"--seed-file={self.folder}/munge/seed",
            ],
            "mariadbd": [f"--defaults-file={self.folder}/my.cnf"],
            "slurmdbd": ["-D"],
            "slurmctld": ["-D"],
            "slurmd": ["-D", "-N", "node"],
        }  # fmt: skip
        answers = {
            "munged": lambda: (self.folder / "munge/socket").exists(),
            "mariadbd": lambda: self._answers(name),
            "slurmdbd": lambda: self._answers(name),
            "slurmctld": lambda: "UP" in self.run("scontrol", "ping", check=False),
            "slurmd": lambda: self._answers(name),
        }
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(
                [find(name), *commands[name]],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._wait(name, answers[name], self.daemons[name])

    def stop(self, name):
        """Stop a daemon as an administrator would."""
        self.daemons[name].terminate()
        self.daemons[name].wait(60)

    def run(self, *command, check=True):
        """What a command of Slurm prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def accounts(self, fields="JobIDRaw,State", *arguments):
        """Rows of ``sacct``: one for each job, without its steps, the latest last."""
        command = ["sacct", "--allocations", "--noheader", "--parsable2", "--starttime=now-1days"]
        lines = self.run(*command, f"--format={fields}", *arguments).splitlines()
        return [line.split("|") for line in lines]

    def _configure(self):
        here, ports = self.folder, self.ports
        password = secrets.token_hex(16)
        for name in ("munge", "database", "state", "spool"):
            (here / name).mkdir()
        (here / "munge").chmod(0o755)
        _write(here / "munge/key", secrets.token_bytes(1024), 0o400)
        for number in range(self.gpus):
            os.mknod(here / f"gpu{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3))  # /dev/null
        owner = "mysql"
        _write(here / "my.cnf", MARIADB.format(here=here, port=ports["mariadbd"], owner=owner))
        _write(here / "init.sql", SQL.format(password=password))
        installed = [
            "mariadb-install-db", f"--defaults-file={here}/my.cnf",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        ]  # fmt: skip
        shutil.chown(here / "database", owner)
        shutil.chown(here / "init.sql", owner)
        self.run(*installed)
        values = {
            "here": here,
            "user": _user(),
            "password": password,
            "cpus": self.cpus,
            "memory": self.memory,
            "gpus": self.gpus,
            "host": socket.gethostname(),
            **ports,
        }
        _write(here / "slurmdbd.conf", SLURMDBD.format(**values))
        _write(here / "slurm.conf", SLURM.format(**values), 0o644)
        _write(here / "gres.conf", GRES.format(here=here, last=self.gpus - 1), 0o644)

    def _answers(self, name):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.ports[name]), timeout=1).close()
            return True
        return False

    def _wait(self, what, is_there, daemon=None, *, seconds=60):
        end = time.monotonic() + seconds
        while not is_there():
            if (daemon is not None and daemon.poll() is not None) or time.monotonic() > end:
                raise RuntimeError(f"{what} does not answer.\n{self.logs()}")
            time.sleep(0.2)

    def logs(self):
        """The last lines of every daemon's log."""
        pieces = []
        names = ["munged.out", "mariadbd.out", "slurmdbd.log", "slurmctld.log", "slurmd.log"]
        for path in filter(Path.exists, map(self.folder.joinpath, names)):
            lines = path.read_text(errors="replace").splitlines()[-8:]
            pieces += [f"-- {path.name}", *lines] if lines else []
        return "\n".join(pieces)


MARIADB = """\
[mariadbd]
user={owner}
datadir={here}/database
socket={here}/database/socket
pid-file={here}/database/pid
bind-address=127.0.0.1
port={port}
init-file={here}/init.sql
innodb_buffer_pool_size=64M
innodb_log_file_size=16M
innodb_lock_wait_timeout=900
"""

SQL = """\
CREATE DATABASE IF NOT EXISTS slurm;
CREATE USER IF NOT EXISTS 'slurm'@'127.0.0.1' IDENTIFIED BY '{password}';
CREATE USER IF NOT EXISTS 'slurm'@'localhost' IDENTIFIED BY '{password}';
GRANT ALL ON slurm.* TO 'slurm'@'127.0.0.1';
GRANT ALL ON slurm.* TO 'slurm'@'localhost';
"""

SLURMDBD = """\
AuthType=auth/munge
AuthInfo=socket={here}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={slurmdbd}
SlurmUser={user}
LogFile={here}/slurmdbd.log
PidFile={here}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={mariadbd}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm
"""

# Memory is watched by slurmd and not by control groups, which a container may lack.
SLURM = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={here}/munge/socket
SlurmctldPort={slurmctld}
SlurmdPort={slurmd}
StateSaveLocation={here}/state
SlurmdSpoolDir={here}/spool
SlurmctldPidFile={here}/slurmctld.pid
SlurmdPidFile={here}/slurmd.pid
SlurmctldLogFile={here}/slurmctld.log
SlurmdLogFile={here}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={slurmdbd}
AccountingStoragePass={here}/munge/socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
MinJobAge=300
KillWait=5
SlurmctldTimeout=60
SlurmdTimeout=120
InactiveLimit=0
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} \\
    RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=short Nodes=node Default=YES MaxTime=INFINITE State=UP
"""

GRES = "NodeName=node Name=gpu File={here}/gpu[0-{last}]\n"


def _write(path, content, mode=0o600):
    path.touch(mode=mode)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)


def _user():
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _free_ports(number):
    """Ports that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def processes(folder):
    """Live processes of the cluster in a folder: those that have its mark, and not this one."""
    mark, found = f"{MARK}={folder}".encode(), []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            environment = (entry / "environ").read_bytes().split(b"\0")
            if mark in environment and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def end(folder):
    """End every process of the cluster in a folder, and remove the folder."""
    for number, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 20)):
        stop = time.monotonic() + seconds
        while alive := processes(folder):
            for process in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)
            if time.monotonic() > stop:
                break
            time.sleep(0.3)
    shutil.rmtree(folder, ignore_errors=True)


def _guard(folder):
    """Start a process that ends the cluster when this one has; returns a function that ends it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        os.close(writing)
        os.read(reading, 1)  # returns when the other end is closed, by whatever
        end(folder)
        os._exit(0)
    os.close(reading)

    def close():
        with contextlib.suppress(OSError):
            os.close(writing)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)

    return close
