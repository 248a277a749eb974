import numpy as np
import pytest

from common.dictionary import distributed, grids
from common.dictionary._layout import Layout
from common.dictionary._parts import Part, _forbidden, boxes, with_margin
from common.dictionary.crops import drawn_atoms
from common.dictionary.distributed import Clock, Workers, neighbours, simulated_code
from common.dictionary.simulation import dense_recording
from common.dictionary.sparse_coding import duality_gap, sparse_code


def line(seed=0, n_lengths=40):
    rng = np.random.default_rng(seed)
    options = {"n_atoms": 3, "n_channels": 2, "n_times_atom": 16}
    X, D = dense_recording(**options, n_lengths=n_lengths, rng=rng)
    return X, D, 0.1 * grids.lambda_max(X, D, nonnegative=False)


def picture(seed=0, n=40, reg=0.1):
    rng = np.random.default_rng(seed)
    X = np.cumsum(rng.standard_normal((n, n)), axis=0)
    X = X - X.mean()
    D = drawn_atoms(X, 3, (5, 6), rng=rng)
    return X, D, reg * grids.lambda_max(X, D, nonnegative=False)


@pytest.mark.parametrize("nonnegative", [True, False])
@pytest.mark.parametrize("strategy", ["lgcd", "greedy"])
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_on_a_line_reach_the_minimum(workers, strategy, nonnegative):
    X, D, penalty = line()
    options = {"workers": workers, "strategy": strategy, "nonnegative": nonnegative}
    code = simulated_code(X, D, penalty, tol=1e-9, **options)
    assert code.converged and not code.diverged and code.z.any()
    gap = duality_gap(X, D, code.z, penalty, nonnegative=nonnegative)
    assert -1e-12 < gap / grids.cost(X, D, code.z, penalty) < 1e-9
    alone = sparse_code(X, D, penalty, tol=1e-9, nonnegative=nonnegative)
    np.testing.assert_allclose(code.z, alone.z, atol=1e-7)
    assert nonnegative == bool((code.z >= 0).all())


def test_greedy_alone_takes_the_steps_of_the_sequential_solver():
    X, D, penalty = line()
    options = {"tol": 1e-3, "nonnegative": False}
    code = simulated_code(X, D, penalty, strategy="greedy", **options)
    alone = sparse_code(X, D, penalty, solver="greedy", **options)
    np.testing.assert_allclose(code.z, alone.z, atol=1e-12)
    assert code.updates.tolist() == [alone.log["updates"][-1]]
    # Every step looks at all values, and every change applies all of the overlaps.
    looked = (code.updates[0] + 1) * code.z.size
    assert code.time == looked + code.updates[0] * 3 * 31


@pytest.mark.parametrize("lock", ["border", "corner"])
@pytest.mark.parametrize("workers", [(1, 1), (2, 2), (1, 4), (3, 2)])
def test_workers_on_a_grid_with_a_lock_reach_the_minimum(workers, lock):
    X, D, penalty = picture()
    options = {"tol": 1e-7, "nonnegative": False}
    code = simulated_code(X, D, penalty, workers=workers, lock=lock, **options)
    assert code.converged
    # The same as one recording, rows after rows, where atoms may start where they fit a row.
    layout = Layout(D.shape[2:], X.shape)
    support = np.tile(layout.valid, (len(D), 1))
    spread = layout.spread(D.reshape(*D.shape[:2], -1))
    alone = sparse_code(X.reshape(1, -1), spread, penalty, support=support, **options)
    cost = grids.cost(X, D, code.z, penalty)
    assert cost == pytest.approx(alone.log["cost"][-1], rel=1e-8)
    # It is the minimum: zero is in the subdifferential.
    gradient = -grids.Problem.of(X - grids.reconstruct(code.z, D)[0], D).correlation()
    active = code.z != 0
    assert np.abs(gradient).max() < penalty * (1 + 1e-4)
    np.testing.assert_allclose(gradient[active], -penalty * np.sign(code.z[active]), rtol=1e-4)


def test_all_is_the_same_when_it_is_run_again_and_changes_with_the_latency():
    X, D, penalty = line()
    codes = [
        simulated_code(X, D, penalty, workers=4, clock=Clock(latency=latency))
        for latency in (10, 10, 50)
    ]
    assert codes[0].time == codes[1].time != codes[2].time
    np.testing.assert_array_equal(codes[0].z, codes[1].z)


def test_time_is_that_of_the_clock():
    X, D, penalty = line()
    codes = [simulated_code(X, D, penalty, clock=Clock(look, change)) for look, change in
             ((1, 1), (2, 2), (1, 3), (2, 3))]  # fmt: skip
    one, twice, slow, both = (code.time for code in codes)
    assert twice == 2 * one
    assert both - slow == pytest.approx(one - (slow - one) / 2)  # what is looked at, once
    assert all(code.busy[0] == code.time for code in codes)


def test_a_worker_hears_of_changes_within_its_reach_only():
    X = np.zeros((1, 120))
    atom = np.array([1.0, 2.0, 1.0])
    for at in (20, 57, 95):
        X[0, at : at + 3] = 3 * atom
    options = {"workers": 2, "strategy": "greedy"}
    code = simulated_code(X, atom[None, None], 0.5, **options)
    assert np.flatnonzero(code.z).tolist() == [20, 57, 95]
    assert code.received.all()  # 57 is within 2 of 59, where the second part begins
    far = simulated_code(np.roll(X, -1, axis=1), atom[None, None], 0.5, **options)
    assert np.flatnonzero(far.z).tolist() == [19, 56, 94]
    assert far.received.tolist() == [0, 0] and far.updates.tolist() == [2, 1]


@pytest.mark.parametrize("seed", range(3))
def test_two_changes_at_once_add_up_but_for_their_interference(seed):
    rng = np.random.default_rng(seed)
    X, D = rng.standard_normal((2, 30, 30)), rng.standard_normal((3, 2, 4, 5))
    problem, penalty = grids.Problem.of(X, D), 0.0
    changes, places = rng.standard_normal(2), [(0, 10, 12), (2, 12, 9)]
    z = np.zeros((2, *problem.shape))
    for one, place, change in zip(z, places, changes, strict=True):
        one[place] = change
    start = grids.cost(X, D, 0 * z[0], penalty)
    alone = [start - grids.cost(X, D, one, penalty) for one in z]
    both = start - grids.cost(X, D, z.sum(axis=0), penalty)
    (k, *p), (l, *q) = places
    overlap = problem.overlaps()[k, l, 3 + q[0] - p[0], 4 + q[1] - p[1]]
    assert both == pytest.approx(sum(alone) - changes.prod() * overlap, rel=1e-10)


def test_interference_without_a_lock_makes_activations_diverge_and_a_lock_does_not():
    # A flat atom: each of four workers that meet explains all that there is.
    X = np.ones((24, 24)) + 0.01 * np.random.default_rng(0).standard_normal((24, 24))
    D = np.ones((1, 1, 6, 6)) / 6
    options = {"workers": (4, 4), "nonnegative": False, "tol": 1e-3}
    options |= {"clock": Clock(latency=30), "max_updates": 20_000}
    free = simulated_code(X, D, 0.01, limit=1e3, **options)
    assert free.diverged and not free.converged
    assert np.abs(free.z).max() > 100
    locked = simulated_code(X, D, 0.01, lock="border", **options)
    assert locked.converged and np.abs(locked.z).max() < 100


def test_what_ends_before_its_tolerance_has_not_converged():
    X, D = np.random.default_rng(0).standard_normal((24, 24)), np.ones((1, 1, 6, 6)) / 6
    code = simulated_code(X, D, 0.01, workers=(2, 2), lock="border", max_updates=3)
    assert code.updates.sum() == 3 and not code.converged and not code.diverged


def test_equal_moves_of_identical_windows_do_not_stall_the_lock():
    tile = np.random.default_rng(0).standard_normal((10, 10))
    X = np.tile(tile, (4, 4))
    D = drawn_atoms(X, 2, (5, 5), rng=np.random.default_rng(1))
    penalty = 0.05 * grids.lambda_max(X, D, nonnegative=False)
    options = {"nonnegative": False, "tol": 1e-4, "max_updates": 200_000}
    code = simulated_code(X, D, penalty, workers=(3, 3), lock="border", **options)
    alone = simulated_code(X, D, penalty, **options)
    assert code.converged and code.blocked.sum() > 0
    assert grids.cost(X, D, code.z, penalty) == pytest.approx(
        grids.cost(X, D, alone.z, penalty), rel=1e-6
    )


@pytest.mark.parametrize("other", [0.5, 1.0, 1 + 1e-12, 2.0])
@pytest.mark.parametrize("first", [True, False])
def test_of_two_moves_the_larger_goes_and_of_equal_ones_the_first_workers(first, other):
    # Two places of two workers; what is beyond the border would move by `other`.
    beta = np.array([[[-1.0, -other]]]) if first else np.array([[[-other, -1.0]]])
    layout = np.array([0, 1, 0, 1, 0, 1, 0, 2, 1, 3, 1, 1])
    if not first:
        layout[2:4] = 1, 2
    options = (np.ones(1), 0.0, 1e-3, True, layout)
    here = 0 if first else 1
    forbidden, looked = _forbidden(beta, np.zeros(beta.shape), *options, 2, 0, here, 1.0, (0, 1))
    assert looked == 1
    assert forbidden == (other > 1.5 if first else other > 0.9)
    # No lock, and the lock at corners where there is none, allow it.
    for lock in (0, 1):
        assert _forbidden(beta, np.zeros(beta.shape), *options, lock, 0, here, 1.0, (0, 1)) == (
            False,
            0,
        )


def test_the_log_holds_the_cost_of_all_activations():
    X, D, penalty = picture(n=30)
    options = {"workers": (2, 2), "lock": "border", "nonnegative": False, "tol": 1e-2}
    code = simulated_code(X, D, penalty, log_every=7, **options)
    log = code.log
    assert log["cost"][0] == pytest.approx(0.5 * (X**2).sum())
    assert log["cost"][-1] == pytest.approx(grids.cost(X, D, code.z, penalty), rel=1e-10)
    assert log["updates"][-1] == code.updates.sum() and log["time"][-1] == code.time
    assert (np.diff(log["time"]) >= 0).all()
    plain = simulated_code(X, D, penalty, **options)
    np.testing.assert_array_equal(plain.z, code.z)
    assert len(plain.log["cost"]) == 0
    warm = simulated_code(X, D, penalty, start=code.z, log_every=1, **options)
    assert warm.log["cost"][0] == pytest.approx(log["cost"][-1], rel=1e-10)
    assert warm.updates.sum() == 0


def test_many_messages_under_way_are_kept():
    # A latency of a whole run: the room for messages has to grow.
    X, D, penalty = line(n_lengths=60)
    code = simulated_code(X, D, penalty, workers=12, clock=Clock(latency=1e5), max_updates=4000)
    slow = simulated_code(X, D, penalty, workers=12, clock=Clock(latency=1e5))
    assert code.updates.sum() <= 4000 and slow.converged
    gap = duality_gap(X, D, slow.z, penalty)
    assert gap < 1e-3 * grids.cost(X, D, slow.z, penalty)


def test_all_room_for_messages_is_on_the_list_of_what_is_free():
    X, D, _ = line(n_lengths=20)
    workers = Workers(X, D, workers=3)
    state = distributed._State(workers.parts, workers._near)
    for _ in range(2):
        place, n_free = state.free
        seen = []
        while place != -1:
            seen.append(place)
            place = state.following[place]
        assert sorted(seen) == list(range(len(state.pool))) and len(seen) == n_free
        state.grow()


@pytest.mark.parametrize("workers", [1, (2, 2), (1, 5)])
def test_sums_of_parts_are_those_of_the_whole(workers):
    X, D, penalty = picture()
    team = Workers(X, D, workers=workers, nonnegative=False, lock="border")
    code = team.code(penalty, tol=0.05)
    ztz, ztX, size, (energy, patch) = team.sums()
    z = code.z
    assert size == pytest.approx(np.abs(z).sum())
    windows = np.lib.stride_tricks.sliding_window_view(X, D.shape[2:])
    np.testing.assert_allclose(ztX[:, 0], np.einsum("krs,rsij->kij", z, windows), atol=1e-9)
    for down, across in ((0, 0), (2, -3), (-4, 5)):
        shifted = np.zeros(z.shape)
        rows, columns = z.shape[1:]
        shifted[
            :, max(-down, 0) : rows - max(down, 0), max(-across, 0) : columns - max(across, 0)
        ] = z[:, max(down, 0) : rows + min(down, 0), max(across, 0) : columns + min(across, 0)]
        expected = np.einsum("krs,lrs->kl", z, shifted)
        np.testing.assert_allclose(ztz[:, :, 4 + down, 5 + across], expected, atol=1e-9)
    residual = X - grids.reconstruct(z, D)[0]
    windows = np.lib.stride_tricks.sliding_window_view(residual, D.shape[2:])
    assert energy == pytest.approx((windows**2).sum(axis=(2, 3)).max())
    assert (patch**2).sum() == pytest.approx(energy)


def test_other_atoms_begin_where_the_last_activations_are():
    X, D, penalty = picture()
    team = Workers(X, D, workers=(2, 2), nonnegative=False, lock="border")
    team.code(penalty, tol=1e-3)
    moved = D + 0.05 * np.random.default_rng(0).standard_normal(D.shape)
    again = team.code(penalty, D=moved, tol=1e-7)
    fresh = simulated_code(X, moved, penalty, nonnegative=False, tol=1e-7)
    costs = [grids.cost(X, moved, code.z, penalty) for code in (again, fresh)]
    assert again.converged and costs[0] == pytest.approx(costs[1], rel=1e-7)


def test_workers_are_told_of_changes_nearer_than_the_margin():
    rows = [(0, 10, 0, 5), (10, 20, 0, 5), (20, 30, 0, 5)]
    # The last row of the first part is 11 rows from the first row of the third.
    assert neighbours(rows, (10, 1)) == [[1], [0, 2], [1]]
    assert neighbours(rows, (11, 1)) == [[1, 2], [0, 2], [0, 1]]
    columns = [(left, right, top, bottom) for top, bottom, left, right in rows]
    assert neighbours(columns, (1, 10)) == [[1], [0, 2], [1]]
    assert neighbours(columns, (1, 11)) == [[1, 2], [0, 2], [0, 1]]


def test_parts_cover_the_grid_once():
    for shape, workers in (((7, 11), (2, 3)), ((1, 50), (1, 7)), ((5, 5), (5, 1))):
        seen = np.zeros(shape, dtype=int)
        for top, bottom, left, right in boxes(shape, workers):
            seen[top:bottom, left:right] += 1
        assert (seen == 1).all()


def test_beta_of_a_part_is_that_of_the_whole():
    X, D, _ = picture()
    problem = grids.Problem.of(X, D)
    z = np.random.default_rng(3).standard_normal(problem.shape)
    whole = -problem.correlation()
    fitted = grids.Problem.of(grids.reconstruct(z, D), D).correlation()
    norms = (D**2).sum(axis=(1, 2, 3))[:, None, None]
    expected = whole + fitted - norms * z
    margin = tuple(2 * each for each in problem.reach)
    for box in boxes(problem.shape[1:], (2, 3)):
        held = with_margin(box, problem.shape[1:], margin)
        top, bottom, left, right = held
        image = problem.X[:, top : bottom + 4, left : right + 5]
        part = Part(image, 3, (5, 6), box, held, greedy=False)
        part.z[:] = z[:, top:bottom, left:right]
        part.begin(problem.D, problem.overlaps())
        top, bottom, left, right = box
        own = expected[:, top:bottom, left:right]
        np.testing.assert_allclose(part.beta[part.own], own, atol=1e-9)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"workers": 0}, ValueError, "workers must be at least 1"),
        ({"workers": 2.0}, TypeError, "workers must be a whole number"),
        ({"workers": (2, 1)}, ValueError, r"workers=\(2, 1\) are more than the 1 × 625 places"),
        ({"workers": (1, 2, 3)}, ValueError, r"a number or \(rows, columns\)"),
        ({"strategy": "cyclic"}, ValueError, "strategy must be one of lgcd, greedy"),
        ({"lock": "hard"}, ValueError, "lock must be one of none, corner, border"),
        ({"tol": 0}, ValueError, "tol must be above 0"),
        ({"penalty": -1}, ValueError, "penalty must be at least 0"),
        ({"limit": 0}, ValueError, "limit must be above 0"),
        ({"clock": 3}, TypeError, "clock must be a Clock, got 3"),
        ({"start": np.zeros((3, 4))}, ValueError, r"start must have the shape \(3, 625\)"),
        ({"start": -np.ones((3, 625))}, ValueError, "start must be finite and at least 0"),
        ({"max_updates": 0}, ValueError, "max_updates must be at least 1"),
        ({"log_every": 0}, ValueError, "log_every must be at least 1"),
    ],
)
def test_bad_input_is_refused(changed, error, message):
    X, D, penalty = line()
    given = {"X": X, "atoms": D, "penalty": penalty} | changed
    with pytest.raises(error, match=message):
        simulated_code(**given)


@pytest.mark.parametrize("changed", [{"look": 0}, {"change": -1}, {"latency": -0.1}])
def test_a_clock_does_not_run_backwards(changed):
    with pytest.raises(ValueError, match=next(iter(changed))):
        Clock(**changed)
