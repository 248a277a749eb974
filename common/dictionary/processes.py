r"""Sparse coding and dictionary learning by processes, on one computer or over MPI.

Workers do what those of `common.dictionary.distributed` do, each in a process of its own, from the
part of the image that it was sent. After some changes a worker sends them to its neighbours, all in
one message for each, and takes in what has arrived.

**The end.** A token goes round from worker to worker, and each that has nothing to do passes it on
with the numbers of messages that it has sent and received so far added. When two rounds after one
another bring back the same numbers, as many sent as received, nobody was busy between and no
message is under way (the four counters of Mattern [1]_): the first worker tells the others to stop.
There is no server and no barrier.

A team of processes keeps its parts from one coding to the next. To learn atoms, every worker sends
sums over its own part to the first one, which improves the atoms and sends them to all.

`code_in_processes` and `learn_in_processes` start processes on this computer. `code_over_mpi` and
`learn_over_mpi` are called by all ranks of a program that was started by ``mpirun``, on one node or
many, and need mpi4py (``pip install -e .[mpi]``) and an MPI, such as Debian's ``openmpi-bin``. With
``mpirun -n 4 python -m mpi4py script.py`` an error of one rank ends all.

References
----------
.. [1] F. Mattern, "Algorithms for distributed termination detection", Distributed Computing 2,
   1987.
"""

import multiprocessing
import queue
import time
import traceback
from collections import defaultdict, deque

import numpy as np

from common import validation
from common.dictionary._checks import flag
from common.dictionary._parts import (
    IDLE,
    LOCKS,
    TOO_FAR,
    Part,
    advance,
    boxes,
    receive,
    stretch,
    with_margin,
    within,
)
from common.dictionary.distributed import (
    STRATEGIES,
    DistributedCode,
    add_sums,
    checked_start,
    checked_workers,
    largest_move,
    margin_of,
    neighbours,
)
from common.dictionary.grid_learning import first_atoms, learn_by_team
from common.dictionary.grids import Problem

__all__ = ["code_in_processes", "code_over_mpi", "learn_in_processes", "learn_over_mpi"]

_BURST = 32  # changes at most, before messages are sent and taken in
_STEPS = 2000  # the same for segments looked at
_PATIENCE = 1e-3  # s to wait for a message before anything else is looked at
_ROUNDING = 1 + 1e-8


def code_in_processes(X, atoms, penalty, *, workers=2, tol=1e-3, **options):
    """Activations of atoms in a recording or an image, by processes on this computer.

    Parameters
    ----------
    X, atoms, penalty
        See `common.dictionary.distributed.simulated_code`.
    workers : int or tuple of int, default=2
        Number of processes on a line, or rows and columns of a grid of them.
    tol : float, default=1e-3
    **options
        ``strategy``, ``lock``, ``nonnegative``, ``start`` and ``limit`` of `simulated_code`.

    Returns
    -------
    code : DistributedCode
        Its ``time`` is wall-clock time in s from when all have their part until all have stopped,
        ``busy`` is processor time.

    Raises
    ------
    TypeError, ValueError
        As `common.dictionary.distributed.simulated_code`.
    RuntimeError
        If a process ends before it is done.

    Notes
    -----
    Processes are spawned: a script that calls this has to do so below ``if __name__ ==
    "__main__":``.
    """
    team = {"X": X, "atoms": atoms, "workers": workers} | options
    return _in_processes(_coded, team, {"penalty": penalty, "tol": tol})


def learn_in_processes(X, *, n_atoms, atom_shape, start=None, rng=None, workers=2, **options):
    """Atoms and activations by turns, the activations by processes on this computer.

    Parameters
    ----------
    X, n_atoms, atom_shape, start, rng
        See `common.dictionary.grid_learning.learn_on_grid`.
    workers : int or tuple of int, default=2
    **options
        ``reg``, ``taper``, ``n_iter``, ``tol``, ``eps`` and ``nonnegative`` of `learn_on_grid`;
        ``strategy``, ``lock`` and ``limit`` of `common.dictionary.distributed.simulated_code`.

    Returns
    -------
    learned : GridLearned

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `learn_on_grid` and `code_in_processes`.
    """
    team, options = _split(X, n_atoms, atom_shape, start, rng, options)
    return _in_processes(_learned, team | {"workers": workers}, options)


def code_over_mpi(X, atoms, penalty, *, comm, workers=None, tol=1e-3, **options):
    """Activations of atoms in a recording or an image, by all ranks of an MPI communicator.

    Parameters
    ----------
    X, atoms, penalty
        See `common.dictionary.distributed.simulated_code`; those of the first rank count, others
        may pass None.
    comm : mpi4py.MPI.Comm
        All of its ranks make this call.
    workers : int or tuple of int, optional
        As many as there are ranks: their number, by default, or rows and columns of a grid.
    tol, **options
        See `code_in_processes`.

    Returns
    -------
    code : DistributedCode or None
        None on all ranks but the first.

    Raises
    ------
    TypeError, ValueError
        On the first rank, as `code_in_processes`, or if there are other ranks than workers. On the
        others, RuntimeError then, which says so.
    """
    team = {"X": X, "atoms": atoms, "workers": workers} | options
    return _over_mpi(comm, _coded, team, {"penalty": penalty, "tol": tol})


def learn_over_mpi(X, *, comm, n_atoms, atom_shape, start=None, rng=None, workers=None, **options):
    """Atoms and activations by turns, the activations by all ranks of an MPI communicator.

    Parameters
    ----------
    X, n_atoms, atom_shape, start, rng, **options
        See `learn_in_processes`; those of the first rank count.
    comm, workers
        See `code_over_mpi`.

    Returns
    -------
    learned : GridLearned or None
        None on all ranks but the first.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As `learn_in_processes` and `code_over_mpi`.
    """

    def lead(post, given, wanted):
        team, rest = _split(X, n_atoms, atom_shape, start, rng, given)
        return _learned(post, team | {"workers": workers}, rest)

    return _over_mpi(comm, lead, options, {})


def _split(X, n_atoms, atom_shape, start, rng, options):
    """What the team is given, and what learning is."""
    D = first_atoms(X, n_atoms, atom_shape, start=start, rng=rng)
    names = ("reg", "taper", "n_iter", "tol", "eps")
    learning = {name: options[name] for name in names if name in options}
    team = {name: value for name, value in options.items() if name not in learning}
    return {"X": X, "atoms": D[:, :, 0] if len(atom_shape) == 1 else D} | team, learning


def _coded(post, team, options):
    return _Team(post, **team).code(**options)


def _learned(post, team, options):
    return learn_by_team(_Team(post, **team), **options)


class _Team:
    """Processes as seen from the first of them, which is a worker, too."""

    def __init__(
        self, post, X, atoms, *, workers, strategy="lgcd", lock="none", nonnegative=True,
        start=None, limit=1e3,
    ):  # fmt: skip
        self.problem = problem = Problem.of(X, atoms)
        validation.choice(strategy, STRATEGIES, "strategy")
        validation.choice(lock, LOCKS, "lock")
        self.nonnegative = flag(nonnegative, "nonnegative")
        limit = validation.number(limit, "limit", above=0)
        n_atoms, *shape = problem.shape
        workers = checked_workers(post.size if workers is None else workers, shape)
        if workers[0] * workers[1] != post.size:
            raise ValueError(
                f"workers={workers} are {workers[0] * workers[1]}, but there are {post.size} "
                f"ranks. Start the program with mpirun -n {workers[0] * workers[1]}."
            )
        if start is not None:
            start = checked_start(problem, start, self.nonnegative)
        margin = margin_of(problem.reach, lock)
        all_boxes = boxes(shape, workers)
        near = neighbours(all_boxes, margin)
        self.post, self.atom_shape = post, problem.D.shape[2:]
        for rank, box in reversed([*enumerate(all_boxes)]):
            held = with_margin(box, shape, margin)
            given = {
                "X": np.ascontiguousarray(stretch(problem.X, held, self.atom_shape)),
                "n_atoms": n_atoms, "atom_shape": self.atom_shape, "box": box, "held": held,
                "greedy": strategy == "greedy",
            }  # fmt: skip
            if start is not None:
                top, bottom, left, right = held
                given["z"] = start[:, top:bottom, left:right].copy()
            rules = {
                "near": {other: all_boxes[other] for other in near[rank]}, "margin": margin,
                "lock": LOCKS.index(lock), "nonnegative": self.nonnegative, "limit": limit,
            }  # fmt: skip
            if rank:
                post.send(rank, "order", ("hold", given, rules))
        self.worker = _Worker(post, Part(**given), **rules)

    def _ask(self, order, *given):
        """What every worker answers, in their order."""
        for rank in range(1, self.post.size):
            self.post.send(rank, "order", (order, *given))
        own = getattr(self.worker, order)(*given)
        answers = dict(self.post.gather("answer"))
        return [own, *(answers[rank] for rank in range(1, self.post.size))]

    def code(self, penalty, *, D=None, tol=1e-3):
        """As `common.dictionary.distributed.Workers.code`."""
        penalty = validation.number(penalty, "penalty", at_least=0)
        tol = self.problem.checked_tol(tol)
        if D is not None:
            self.problem = self.problem.with_atoms(D)
        found = self._ask("code", self.problem.D, penalty, tol)
        counts = np.array([each["counts"] for each in found])
        diverged = any(each["diverged"] for each in found)
        largest = max(each["largest"] for each in found)
        return DistributedCode(
            z=self.z,
            converged=not diverged and largest < tol * _ROUNDING,
            diverged=diverged,
            time=max(each["time"] for each in found),
            updates=counts[:, 0],
            blocked=counts[:, 1],
            received=counts[:, 2],
            busy=np.array([each["busy"] for each in found]),
            log={"time": np.array([]), "updates": np.array([]), "cost": np.array([])},
        )

    def sums(self):
        """As `common.dictionary.distributed.Workers.sums`."""
        return add_sums(self._ask("sums"))

    @property
    def z(self):
        """Activations of all parts, in the shape that the user knows."""
        z = np.zeros(self.problem.shape)
        for (top, bottom, left, right), own in self._ask("own"):
            z[:, top:bottom, left:right] = own
        return self.problem.given(z)


class _Worker:
    """One process: its part, and whom it tells what."""

    def __init__(self, post, part, *, near, margin, lock, nonnegative, limit):
        self.post, self.part, self.near, self.margin = post, part, near, margin
        self.lock, self.nonnegative, self.limit = lock, nonnegative, limit

    def sums(self):
        return self.part.sums()

    def own(self):
        return self.part.box, self.part.z[self.part.own]

    def code(self, D, penalty, tol):
        """Until all have nothing to do and no message is under way."""
        part, post = self.part, self.post
        overlaps = Problem(None, D, False).overlaps()
        k = np.arange(len(D))
        norms = overlaps[k, k, overlaps.shape[2] // 2, overlaps.shape[3] // 2].copy()
        part.begin(D, overlaps)
        sent, counts, place, halted, diverged = np.empty((_BURST, 4)), [0, 0, 0], 0, False, False
        warm = (part.beta.copy(), part.z.copy(), part.layout, np.zeros_like(part.states), 0)
        options = (overlaps, norms, penalty, tol, self.nonnegative, self.lock, self.limit)
        advance(*warm, *options, 1, sent)  # compiled before the clock starts
        receive(*warm[:4], overlaps, np.empty((0, 4)))
        ring = _Ring(post)
        post.meet()  # so that the time is not that of starting the others
        began, worked = time.perf_counter(), time.process_time()
        while not ring.ended:
            for changes in post.take("changes"):
                ring.received += 1
                if changes is None:
                    halted = True
                    continue
                counts[2] += len(changes)
                receive(part.beta, part.z, part.layout, part.states, overlaps, changes)
            status, n_updates, n_blocked = IDLE, 0, 0
            if not halted:
                status, n_updates, n_blocked, place = advance(
                    part.beta, part.z, part.layout, part.states, place, *options, _STEPS, sent
                )
            counts[0] += n_updates
            counts[1] += n_blocked
            if n_updates:
                ring.sent += self._tell(sent[:n_updates])
            if status == TOO_FAR:
                halted = diverged = True
                for rank in range(post.size):
                    if rank != post.rank:
                        post.send(rank, "changes", None)
                        ring.sent += 1
            if status == IDLE and not n_updates and not post.waits("changes"):
                ring.pass_on()
                if not ring.ended:
                    post.wait(_PATIENCE)
        return {
            "time": time.perf_counter() - began,
            "busy": time.process_time() - worked,
            "counts": counts,
            "diverged": diverged,
            "largest": largest_move(
                part.beta[part.own], part.z[part.own], norms, penalty, self.nonnegative
            ),
        }

    def _tell(self, changes):
        """Send changes to those that they concern; the number of messages."""
        n, rows, columns = 0, changes[:, 1], changes[:, 2]
        for rank, box in self.near.items():
            concerned = within(box, rows, columns, self.margin)
            if concerned.any():
                self.post.send(rank, "changes", changes[concerned])
                n += 1
        return n


class _Ring:
    """The token that finds out whether all have ended."""

    def __init__(self, post):
        self.post, self.sent, self.received, self.ended = post, 0, 0, False
        self.before, self.under_way = None, False

    def pass_on(self):
        """Called by a worker that has nothing to do."""
        post = self.post
        if post.size == 1:
            self.ended = True
            return
        if post.rank:
            for sent, received, ended in post.take("token"):
                self.ended = ended
                counts = (sent + self.sent, received + self.received, ended)
                if not ended or post.rank + 1 < post.size:
                    post.send((post.rank + 1) % post.size, "token", counts)
            return
        for sent, received, _ in post.take("token"):
            self.under_way = False
            counts = (sent, received)
            if sent == received and counts == self.before:
                self.ended = True
                post.send(1, "token", (0, 0, True))
                return
            self.before = counts
        if not self.under_way:
            self.under_way = True
            post.send(1, "token", (self.sent, self.received, False))


class _Post:
    """Messages of a process by their kind; how they travel is up to the classes below."""

    def __init__(self, rank, size):
        self.rank, self.size, self.box = rank, size, defaultdict(deque)

    def take(self, kind):
        """All messages of a kind that have arrived."""
        self.fetch(0)
        found, self.box[kind] = self.box[kind], deque()
        return [message for _, message in found]

    def waits(self, kind):
        """Whether a message of a kind has arrived."""
        self.fetch(0)
        return bool(self.box[kind])

    def wait(self, seconds):
        """Until a message arrives, or so long."""
        if not any(self.box.values()):
            self.fetch(seconds)

    def next(self, kind):
        """The next message of a kind, and who sent it."""
        while not self.box[kind]:
            self.fetch(_PATIENCE)
        return self.box[kind].popleft()

    def meet(self):
        """Until all are here."""
        if self.rank:
            self.send(0, "here", None)
            self.next("go")
            return
        self.gather("here")
        for rank in range(1, self.size):
            self.send(rank, "go", None)

    def gather(self, kind):
        """Senders and messages, one of each of the others."""
        return [self.next(kind) for _ in range(self.size - 1)]


class _Queues(_Post):
    """A queue for each process of this computer."""

    def __init__(self, rank, queues):
        super().__init__(rank, len(queues))
        self.queues = queues

    def send(self, rank, kind, message):
        self.queues[rank].put((kind, self.rank, message))

    def fetch(self, seconds):
        try:
            while True:
                waits = {"timeout": seconds} if seconds else {"block": False}
                kind, sender, message = self.queues[self.rank].get(**waits)
                self.box[kind].append((sender, message))
                seconds = 0
        except queue.Empty:
            pass


class _Mpi(_Post):
    """Point-to-point messages of a communicator."""

    def __init__(self, comm):
        super().__init__(comm.Get_rank(), comm.Get_size())
        self.comm, self.under_way = comm, deque()

    def send(self, rank, kind, message):
        self.under_way.append(self.comm.isend((kind, self.rank, message), dest=rank))
        while self.under_way and self.under_way[0].Test():
            self.under_way.popleft()

    def fetch(self, seconds):
        until = time.perf_counter() + seconds
        while not self.comm.iprobe():
            if time.perf_counter() >= until:
                return
            time.sleep(2e-5)
        while self.comm.iprobe():
            kind, sender, message = self.comm.recv()
            self.box[kind].append((sender, message))

    def close(self):
        while self.under_way:
            self.under_way.popleft().wait()


def _serve(post):
    """What all but the first process do: what that one asks for."""
    worker = None
    while True:
        _, (order, *given) = post.next("order")
        if order == "end":
            return given[0]
        if order == "hold":
            worker = _Worker(post, Part(**given[0]), **given[1])
        else:
            post.send(0, "answer", getattr(worker, order)(*given))


def _lead(post, task, team, options):
    """What the first process does; the others are released whatever happens."""
    failure = None
    try:
        return task(post, team, options)
    except BaseException as error:
        failure = repr(error)
        raise
    finally:
        for rank in range(1, post.size):
            post.send(rank, "order", ("end", failure))


def _over_mpi(comm, task, team, options):
    post = _Mpi(comm.Dup())  # so that messages of the caller are not taken for ours
    try:
        if post.rank == 0:
            return _lead(post, task, team, options)
        failure = _serve(post)
        if failure:
            raise RuntimeError(f"the first rank failed: {failure}")
        return None
    finally:
        post.close()
        post.comm.Free()


def _in_processes(task, team, options):
    # Before thousands of processes are started of which none has a place.
    workers = checked_workers(team["workers"], Problem.of(team["X"], team["atoms"]).shape[1:])
    size = workers[0] * workers[1]
    context = multiprocessing.get_context("spawn")
    queues, done = [context.Queue() for _ in range(size)], context.Queue()
    processes = [
        context.Process(
            target=_process,
            args=(rank, queues, done, task, *((team, options) if rank == 0 else (None, None))),
            daemon=True,
        )
        for rank in range(size)
    ]
    try:
        for process in processes:
            process.start()
        while True:
            try:
                kind, found = done.get(timeout=0.2)
                break
            except queue.Empty:
                _check_alive(processes)
        if kind == "failure":
            raise found
        for process in processes:
            process.join()
        return found
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
                process.join()


def _check_alive(processes):
    for rank, process in enumerate(processes):
        if process.exitcode:
            raise RuntimeError(
                f"worker {rank} ended with status {process.exitcode} before all were done. Was it "
                "killed for memory?"
            ) from None


def _process(rank, queues, done, task, team, options):
    post = _Queues(rank, queues)
    if rank:
        _serve(post)
        return
    try:
        done.put(("found", _lead(post, task, team, options)))
    except Exception as error:
        error.add_note(traceback.format_exc())
        done.put(("failure", error))
