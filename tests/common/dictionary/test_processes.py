"""Real processes against the simulated clock and one worker; each start of some takes seconds."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections import deque

import numpy as np
import pytest

from common import files
from common.dictionary import grids, processes
from common.dictionary.crops import drawn_atoms
from common.dictionary.distributed import simulated_code
from common.dictionary.grid_learning import learn_on_grid
from common.dictionary.processes import _Post, _Ring, code_in_processes, learn_in_processes
from common.dictionary.simulation import dense_recording

PROGRAM = """
import sys
import numpy as np
from mpi4py import MPI
from common.dictionary.processes import code_over_mpi, learn_over_mpi

comm = MPI.COMM_WORLD
given = np.load(sys.argv[1]) if comm.rank == 0 else {}
X, D, image, atoms = (given.get(name) for name in ("X", "D", "image", "atoms"))
shape, options = (5, 6), {"tol": 1e-5, "nonnegative": False}
penalties = given.get("penalties", [None, None])
on_line = code_over_mpi(X, D, penalties[0], comm=comm, strategy="greedy", **options)
locked = {"lock": "border", "workers": (2, 2)} | options
on_grid = code_over_mpi(image, atoms, penalties[1], comm=comm, **locked)
learned = learn_over_mpi(
    image, comm=comm, n_atoms=3, atom_shape=shape, start=atoms, n_iter=2, eps=0, **locked
)
try:
    code_over_mpi(X, D, penalties[0], comm=comm, workers=3)
except (ValueError, RuntimeError) as error:
    refused = comm.gather(str(error))
on_node = comm.Split_type(MPI.COMM_TYPE_SHARED).size
if comm.rank == 0:
    print(on_node)
    assert all("there are 4 ranks" in text for text in refused)
    assert on_line.converged and on_grid.converged and (on_line.updates > 0).all()
    np.savez(sys.argv[2], line=on_line.z, grid=on_grid.z, cost=learned.log["cost"])
"""


def problems():
    rng = np.random.default_rng(0)
    options = {"n_atoms": 3, "n_channels": 2, "n_times_atom": 16, "n_lengths": 40}
    X, D = dense_recording(rng=rng, **options)
    image = np.cumsum(rng.standard_normal((40, 40)), axis=0)
    image = image - image.mean()
    atoms = drawn_atoms(image, 3, (5, 6), rng=rng)
    penalties = [
        0.1 * grids.lambda_max(*pair, nonnegative=False) for pair in ((X, D), (image, atoms))
    ]
    return X, D, image, atoms, penalties


@pytest.mark.parametrize("strategy", ["lgcd", "greedy"])
def test_processes_on_a_line_reach_the_solution_of_one_worker(strategy):
    X, D, _, _, (penalty, _) = problems()
    options = {"strategy": strategy, "tol": 1e-6, "nonnegative": False}
    code = code_in_processes(X, D, penalty, workers=3, **options)
    alone = simulated_code(X, D, penalty, **options)
    assert code.converged and (code.updates > 0).all() and (code.received > 0).all()
    np.testing.assert_allclose(code.z, alone.z, atol=1e-4)
    assert 0 < code.time < 60 and (code.busy > 0).all()


def test_processes_on_a_grid_reach_the_cost_of_one_worker_and_stay_there():
    _, _, image, atoms, (_, penalty) = problems()
    options = {"lock": "border", "nonnegative": False}
    alone = simulated_code(image, atoms, penalty, tol=1e-5, **options)
    code = code_in_processes(image, atoms, penalty, workers=(2, 2), tol=1e-5, **options)
    assert code.converged and (code.updates > 0).all()
    cost, least = (grids.cost(image, atoms, z, penalty) for z in (code.z, alone.z))
    assert cost == pytest.approx(least, rel=1e-6)
    again = code_in_processes(
        image, atoms, penalty, workers=(2, 1), start=code.z, tol=2e-5, **options
    )
    assert again.converged and not again.updates.any()
    np.testing.assert_array_equal(again.z, code.z)


def test_processes_learn_what_one_worker_does():
    _, _, image, atoms, _ = problems()
    options = {"n_atoms": 3, "atom_shape": (5, 6), "start": atoms, "n_iter": 2, "eps": 0}
    options |= {"tol": 1e-6, "nonnegative": False}
    learned = learn_in_processes(image, workers=2, **options)
    alone = learn_on_grid(image, **options)
    np.testing.assert_allclose(learned.log["cost"], alone.log["cost"], rtol=1e-6)
    np.testing.assert_allclose(learned.D, alone.D, atol=1e-3)
    with pytest.raises(ValueError, match="reg must be above 0 and below 1"):
        learn_in_processes(image, workers=1, reg=2, **options)


def test_divergence_ends_all_processes():
    X = np.ones((24, 24)) + 0.01 * np.random.default_rng(0).standard_normal((24, 24))
    D = np.ones((1, 1, 6, 6)) / 6
    code = code_in_processes(X, D, 0.01, workers=2, limit=1e-3, nonnegative=False)
    assert code.diverged and not code.converged


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"workers": 0}, "workers must be at least 1"),
        ({"workers": 1, "penalty": -1}, "penalty must be at least 0"),
    ],
)
def test_bad_input_is_refused_by_the_process_that_is_asked(changed, message):
    X, D, *_ = problems()
    with pytest.raises(ValueError, match=message):
        code_in_processes(**{"X": X, "atoms": D, "penalty": 1.0} | changed)


class _Local(_Post):
    """Messages within this process, which arrive when they are let."""

    def __init__(self, rank, posts):
        super().__init__(rank, 3)
        self.posts, self.coming = posts, deque()

    def send(self, rank, kind, message):
        self.posts[rank].coming.append((kind, self.rank, message))

    def fetch(self, seconds):
        while self.coming:
            kind, sender, message = self.coming.popleft()
            self.box[kind].append((sender, message))


def test_the_token_does_not_end_while_a_message_is_under_way():
    posts = []
    posts.extend(_Local(rank, posts) for rank in range(3))
    rings = [_Ring(post) for post in posts]
    rings[1].sent = 1  # nobody has received it yet
    for _ in range(12):
        for ring in rings:
            ring.pass_on()
    assert not any(ring.ended for ring in rings)
    rings[2].received = 1
    for _ in range(3):  # the round under way, and two with the same numbers
        rings[1].pass_on(), rings[2].pass_on(), rings[0].pass_on()
    rings[1].pass_on(), rings[2].pass_on()
    assert all(ring.ended for ring in rings)


# To a node of Open MPI, as ssh would: the same computer by another name, with a daemon of its own.
NODE = """#!/bin/sh
node=$1; shift
exec unshare --uts sh -c "hostname $node; $*"
"""


def two_nodes(folder):
    """Options of mpirun for two nodes of two ranks each, which share no memory."""
    renamed = ["unshare", "--uts", "true"]
    if not shutil.which("unshare") or subprocess.run(renamed, capture_output=True).returncode:
        pytest.skip("a second name for this computer needs the rights of root: unshare --uts")
    shell = folder / "shell"
    shell.write_text(NODE)
    shell.chmod(0o755)
    return ["--host", "node-a:2,node-b:2", "--mca", "plm_rsh_agent", shell]


@pytest.mark.parametrize("n_nodes", [1, 2])
def test_ranks_of_mpi_reach_the_solution_of_one_worker(n_nodes, tmp_path):
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed: pip install -e .[mpi]")
    if shutil.which("mpirun") is None:
        pytest.skip("there is no MPI: apt install openmpi-bin")
    X, D, image, atoms, penalties = problems()
    given, found, program = (tmp_path / name for name in ("given.npz", "found.npz", "program.py"))
    np.savez(given, X=X, D=D, image=image, atoms=atoms, penalties=penalties)
    program.write_text(PROGRAM)
    path = os.pathsep.join([str(files.resolve(".")), *sys.path])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    # As root, with more ranks than cores: what Open MPI refuses unless it is told.
    for name in ("ALLOW_RUN_AS_ROOT", "ALLOW_RUN_AS_ROOT_CONFIRM"):
        environment[f"OMPI_{name}"] = "1"
    environment |= {"OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_btl": "self,tcp"}
    nodes = two_nodes(tmp_path) if n_nodes == 2 else []
    command = ["mpirun", *nodes, "-n", "4", sys.executable, "-m", "mpi4py", program, given, found]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.split() == [str(4 // n_nodes)]
    with np.load(found) as result:
        options = {"tol": 1e-5, "nonnegative": False}
        alone = simulated_code(X, D, penalties[0], **options)
        np.testing.assert_allclose(result["line"], alone.z, atol=1e-4)
        alone = simulated_code(image, atoms, penalties[1], **options)
        least = grids.cost(image, atoms, alone.z, penalties[1])
        assert grids.cost(image, atoms, result["grid"], penalties[1]) == pytest.approx(
            least, rel=1e-6
        )
        learning = {"n_atoms": 3, "atom_shape": (5, 6), "start": atoms, "n_iter": 2, "eps": 0}
        learned = learn_on_grid(image, **learning, **options)
        np.testing.assert_allclose(result["cost"], learned.log["cost"], rtol=1e-5)


@pytest.mark.parametrize(("largest", "converged"), [([0.0, 0.0], True), ([0.0, 1.0], False)])
def test_all_workers_have_to_converge(largest, converged):
    class Team(processes._Team):
        z = np.zeros((1, 1, 9))

        def __init__(self):
            self.problem = grids.Problem.of(np.ones((1, 10)), np.ones((1, 1, 2)))

        def _ask(self, order, *given):
            rest = {"counts": [1, 0, 0], "diverged": False, "time": 1.0, "busy": 1.0}
            return [rest | {"largest": each} for each in largest]

    assert Team().code(0.1).converged is converged
