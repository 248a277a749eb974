"""Learning on random windows, and what is left out of the loss."""

import numpy as np
import pytest
from scipy.signal import convolve2d

from common.dictionary import stochastic
from common.dictionary._layout import Layout
from common.dictionary.contamination import patterns, simulated_contaminated
from common.dictionary.letters import letter_images, text_page
from common.dictionary.recovery import match_atoms, recovery_score
from common.dictionary.sparse_coding import cost, lipschitz, sparse_code
from common.dictionary.stochastic import (
    METHODS,
    Outliers,
    image_outlier_mask,
    learn_on_images,
    learn_on_windows,
    loss_density,
    outlier_mask,
    patch_means,
)

K, L, W = 2, 16, 240
TRUE = patterns(K, 2, L)
SIZES = {"n_atoms": K + 1, "n_times_atom": L, "n_times_window": W, "n_windows": 10}


@pytest.fixture(scope="module")
def trials():
    # The paper's simulation with atoms, and all that depends on their length, a quarter as long.
    options = {"n_trials": 4, "n_times": 1250, "n_events": 80, "n_artefacts": 12}
    return simulated_contaminated(TRUE, rng=np.random.default_rng(0), **options)


def learn(X, seed=0, **options):
    return learn_on_windows(X, rng=np.random.default_rng(seed), **{**SIZES, **options})


def recovery(D):
    return 1 - match_atoms(D, TRUE, max_shift=L // 2).loss.mean()


def test_atoms_can_begin_as_pieces_of_the_signals():
    X = np.random.default_rng(0).standard_normal((3, 2, 1, L))  # no longer than an atom
    atoms = stochastic._Start(X, "chunk", 20, Layout((1, L), (1, L)), np.random.default_rng(1))
    pieces = X[:, :, 0] / np.linalg.norm(X[:, :, 0], axis=(1, 2), keepdims=True)
    for atom in atoms.first():
        assert np.abs(pieces - atom).max(axis=(1, 2)).min() < 1e-12


def test_thresholds_have_their_closed_forms():
    values = np.arange(1, 102.0)  # quartiles 26 and 76, median 51, absolute deviations' median 25
    assert Outliers("quantile", 0.1).threshold(values) == pytest.approx(91)
    assert Outliers("iqr", 1.5).threshold(values) == pytest.approx(76 + 1.5 * 50)
    assert Outliers("sd", 2.0).threshold(values) == pytest.approx(51 + 2 * values.std())
    assert Outliers("mad", 3.5).threshold(values) == pytest.approx(51 + 3.5 * 25 / 0.6745)


def test_the_median_absolute_deviation_is_the_standard_deviation_of_normal_values():
    values = np.random.default_rng(0).standard_normal(100_000)
    # Its standard error is 1.17 deviations / sqrt(n) = 0.004 for each α.
    assert Outliers("mad", 2.0).threshold(values) == pytest.approx(2, abs=0.04)
    spoilt = np.append(values, np.full(10_000, 1e6))
    assert Outliers("mad", 2.0).threshold(spoilt) < 2.5 < Outliers("sd", 2.0).threshold(spoilt)


@pytest.mark.parametrize("unit", [1e-6, 1e3])
@pytest.mark.parametrize("method", METHODS)
def test_thresholds_have_the_unit_of_the_values(method, unit):
    values = np.random.default_rng(1).exponential(size=500)
    outliers = Outliers(method)
    assert outliers.threshold(unit * values) == pytest.approx(unit * outliers.threshold(values))


def test_the_density_sums_up_to_the_cost():
    rng = np.random.default_rng(2)
    X, D = rng.standard_normal((3, 2, 100)), rng.standard_normal((K, 2, L))
    z = np.where(rng.random((3, K, 100 - L + 1)) < 0.1, rng.random((3, K, 100 - L + 1)), 0)
    density = loss_density(X, D, z, 0.7)
    expected = [cost(x, D, one, 0.7) for x, one in zip(X, z, strict=True)]
    np.testing.assert_allclose(density.sum(axis=1), expected)


@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
def test_what_is_explained_stands_out_from_what_is_not_by_half_the_square_of_the_rest(share):
    # One pattern of norm c: c² / 2 where nothing explains it, λ c - λ² / 2 with an atom of its own.
    c = 3.0
    atom = patterns(1, 2, L)
    X = np.zeros((1, 2, 100))
    X[0, :, 40 : 40 + L] = c * atom[0]
    z = sparse_code(X[0], atom, share * c, tol=1e-9).z[None]
    explained = loss_density(X, atom, z, share * c).sum()
    missed = loss_density(X, atom, np.zeros_like(z), share * c).sum()
    assert explained == pytest.approx(share * c**2 - (share * c) ** 2 / 2)
    assert missed - explained == pytest.approx((c - share * c) ** 2 / 2)


def test_patch_means_are_means():
    np.testing.assert_allclose(patch_means(np.full((2, 50), 3.0), 7), 3)  # at the ends, too
    impulse = np.zeros((1, 50))
    impulse[0, 25] = 7
    means = patch_means(impulse, 7)
    assert np.flatnonzero(means[0] > 1e-12).tolist() == list(range(22, 29))
    np.testing.assert_allclose(means[0, 22:29], 1)


def test_windows_are_coded_as_if_each_were_alone():
    rng = np.random.default_rng(3)
    X, D = rng.standard_normal((4, 2, 90)), rng.standard_normal((K, 2, L))
    code = stochastic._coder("lgcd", 1e-9, None, "cpu")
    together = code(X, D, 5.0, None, True)
    for x, z in zip(X, together, strict=True):
        np.testing.assert_allclose(z, sparse_code(x, D, 5.0, tol=1e-9).z, atol=1e-7)
    # From other activations to the same: the problem is convex, and this one has one solution.
    np.testing.assert_allclose(code(X, D, 5.0, together[::-1].copy(), True), together, atol=1e-6)


def test_fista_ends_where_coordinate_descent_does():
    rng = np.random.default_rng(4)
    X, D = rng.standard_normal((4, 2, 90)), rng.standard_normal((K, 2, L))
    exact = stochastic._coder("lgcd", 1e-10, None, "cpu")(X, D, 5.0, None, True)
    fista = stochastic._coder("fista", None, 500, "cpu")(X, D, 5.0, None, True)
    costs = [loss_density(X, D, z, 5.0).sum() for z in (exact, fista)]
    assert costs[1] == pytest.approx(costs[0], rel=1e-8)


@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_is_that_of_the_masked_loss_along_the_sphere(masked):
    # With activations that are exact, the loss outside the mask has, with z fixed, the gradient of
    # its residual; along the sphere it has no part in the direction of the atom.
    rng = np.random.default_rng(5)
    X = rng.standard_normal((3, 2, 90))
    D = rng.standard_normal((K, 2, L))
    D /= np.linalg.norm(D, axis=(1, 2), keepdims=True)
    code = stochastic._coder("lgcd", 1e-9, None, "cpu")
    batch = stochastic._Batch(X, D, 0.5, np.inf, Layout((1, L), (1, 90)), code)
    if masked:
        batch.counts[:, 20:50] = False
    gradient = batch.gradient()
    np.testing.assert_allclose(np.sum(gradient * D, axis=(1, 2)), 0, atol=1e-10)
    direction = rng.standard_normal(D.shape)
    direction -= np.sum(direction * D, axis=(1, 2), keepdims=True) * D
    step = 1e-5

    def loss(moved):
        return loss_density(X, moved, batch.z, 0.5)[batch.counts].sum()

    slope = (loss(D + step * direction) - loss(D - step * direction)) / (2 * step)
    # Quadratic in D, so the difference is exact up to rounding of the loss, 1e2, over the step.
    assert np.vdot(gradient, direction) == pytest.approx(slope, rel=1e-6)


def test_the_unrolled_gradient_goes_through_the_iterations():
    rng = np.random.default_rng(7)
    X, D = rng.standard_normal((2, 2, 90)), rng.standard_normal((K, 2, L))
    D /= np.linalg.norm(D, axis=(1, 2), keepdims=True)
    layout = Layout((1, L), (1, 90))
    code = stochastic._coder("unrolled", None, 15, "cpu")
    counts = np.ones((2, 90), dtype=bool)
    counts[:, 20:50] = False

    def loss(D):
        # The step of the iterations is a constant, so theirs is that of the atoms in the middle.
        X_, D_, valid = code._tensors(X, D, layout.valid)
        z = code._run(X_, D_, 0.5, valid, step).numpy()
        return loss_density(X, D, z, 0.5)[counts].sum()

    step = 1 / lipschitz(D)
    gradient = code.gradient(X, D, 0.5, layout, counts)
    direction = rng.standard_normal(D.shape)
    small = 1e-6
    slope = (loss(D + small * direction) - loss(D - small * direction)) / (2 * small)
    # The loss has kinks where an activation begins, but hardly ever within the step.
    assert np.vdot(gradient, direction) == pytest.approx(slope, rel=1e-5)
    fixed = stochastic._Batch(
        X, D, 0.5, np.inf, layout, stochastic._coder("fista", None, 15, "cpu")
    )
    fixed.counts = counts
    assert np.abs(fixed.gradient() - gradient).max() > 1e-3  # 15 iterations are not the end


def test_the_line_search_never_raises_the_loss_of_the_whole(trials):
    # One window as long as the only trial: every batch is the whole recording.
    X = trials[0][:1, :, :600]
    sizes = {"n_times_window": 600, "n_windows": 1, "n_batches": 1, "n_epochs": 12, "tol": 1e-6}
    found = learn(X, n_atoms=1, **sizes)
    assert (np.diff(found.log["loss"][1:]) <= 0).all()
    assert found.log["loss"][-1] < found.log["loss"][1]


@pytest.fixture(scope="module")
def near():
    """Atoms that resemble the patterns, from where the way to them is short."""
    noise = np.random.default_rng(1).standard_normal(TRUE.shape)
    return TRUE + 0.7 * noise / np.linalg.norm(noise, axis=(1, 2), keepdims=True)


@pytest.mark.parametrize("step", ["line search", "adam"])
def test_patterns_are_found_without_artefacts(trials, near, step):
    options = {"n_atoms": K, "start": near, "reg": 0.2, "n_batches": 5, "n_epochs": 10}
    found = learn(trials[0], step=step, **options)
    np.testing.assert_allclose(np.linalg.norm(found.D, axis=(1, 2)), 1)
    assert recovery(near) < 0.9 < 0.95 < recovery(found.D)
    assert np.isinf(found.threshold) and not found.log["masked"][1:].any()
    assert found.log["atoms"].shape == (11, K, 2, L)
    assert np.array_equal(found.log["atoms"][-1], found.D)


def test_with_artefacts_they_are_found_if_these_are_left_out(trials, near):
    _, dirty, truth = trials
    options = {"n_atoms": K, "start": near, "n_batches": 5, "n_epochs": 10}
    during = learn(dirty, outliers=Outliers("mad"), **options)
    never = learn(dirty, reg=during.penalty, scaled=False, **options)
    assert recovery(during.D) > 0.95 > 0.9 > recovery(never.D)
    mask = outlier_mask(dirty, during.D, during.penalty, outliers=Outliers("mad"))
    # Means over L samples widen a stretch of 3 L to about 4 L: F1 is 0.86 where they are apart, and
    # more where they overlap.
    f1 = 2 * np.sum(mask & truth) / (mask.sum() + truth.sum())
    assert 0.8 < f1 < 0.98


@pytest.mark.parametrize("step", ["line search", "adam"])
def test_the_unit_of_the_trials_does_not_matter(trials, step):
    options = {"n_epochs": 3, "step": step, "outliers": Outliers("mad")}
    one, other = learn(trials[1], **options), learn(1e-6 * trials[1], **options)
    np.testing.assert_allclose(other.D, one.D, atol=1e-6)  # but for rounding
    assert other.threshold == pytest.approx(1e-12 * one.threshold, rel=1e-6)
    assert other.penalty == pytest.approx(1e-6 * one.penalty, rel=1e-6)


def test_two_runs_give_the_same_bytes_and_another_seed_does_not(trials):
    one, same, other = (learn(trials[1], seed, n_epochs=2) for seed in (0, 0, 1))
    assert one.D.tobytes() == same.D.tobytes() != other.D.tobytes()


def test_both_solvers_lead_to_the_same_atoms(trials):
    options = {"n_epochs": 2, "n_batches": 2}
    lgcd = learn(trials[0], tol=1e-7, **options)
    fista = learn(trials[0], solver="fista", n_iter=300, **options)
    np.testing.assert_allclose(fista.D, lgcd.D, atol=1e-3)


@pytest.mark.parametrize("solver", ["fista", "unrolled"])
@pytest.mark.parametrize("images", [False, True])
def test_a_gpu_leads_to_what_a_cpu_does(trials, solver, images):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch has no CUDA here")
    options = {"n_epochs": 2, "n_batches": 2, "n_iter": 20, "solver": solver}
    options |= {"outliers": Outliers("mad"), "step": "adam"}

    def found(device):
        if not images:
            return learn(trials[1], device=device, **options)
        page = np.random.default_rng(9).standard_normal((30, 40))
        sizes = {"n_atoms": 2, "atom_shape": (4, 3), "window_shape": (12, 14)}
        rng = np.random.default_rng(10)
        return learn_on_images(page, rng=rng, device=device, **sizes, **options)

    cpu, gpu = found("cpu"), found("cuda")
    # Both count in double precision and differ in the order of sums, by 1e-15 a sum; a mask or an
    # activation on the edge of being one would move atoms by far more than this.
    np.testing.assert_allclose(gpu.D, cpu.D, atol=1e-6)
    assert gpu.threshold == pytest.approx(cpu.threshold, rel=1e-6)
    assert np.array_equal(gpu.log["masked"][1:], cpu.log["masked"][1:])


def test_atoms_that_are_not_used_are_drawn_again_but_not_the_last_two():
    rng = np.random.default_rng(0)
    uses, recent = np.array([100.0, 0.0, 0.0, 0.05, 50.0]), []
    drawn = []
    for _ in range(12):
        k = stochastic._rarely_used(uses, recent, rng)
        drawn.append(k)
        recent = [*recent, k][-2:]
    assert set(drawn) == {1, 2, 3}
    assert all(len({*drawn[i : i + 3]}) == 3 for i in range(10))
    assert stochastic._rarely_used(np.ones(3), [], rng) is None


def test_no_atom_is_drawn_after_the_last_step(trials):
    found = learn(trials[0], n_atoms=8, n_epochs=3)
    assert (found.log["redrawn"][1:-1] >= 0).any() and found.log["redrawn"][-1] == -1


def test_given_atoms_are_the_start(trials):
    found = learn(trials[0], n_atoms=K, start=3 * TRUE, n_epochs=1)
    np.testing.assert_allclose(found.log["atoms"][0], TRUE)


def test_energy_alone_finds_what_is_large():
    X = np.random.default_rng(0).standard_normal((2, 1, 400))
    X[1, 0, 100:160] *= 20
    mask = outlier_mask(X, outliers=Outliers("mad"), n_times_atom=L)
    assert mask[1, 110:150].all() and not mask[0].any() and not mask[1, 200:].any()


X = np.random.default_rng(0).standard_normal((2, 1, 400))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.full((1, 1, 400), np.nan)}, ValueError, r"X .*nan"),
        ({"X": np.ones((1, 400))}, ValueError, "channel 0 is constant in every trial, 1. Drop it"),
        ({"X": np.ones(400)}, ValueError, r"X must have shape .*, got \(400,\)"),
        ({"n_atoms": 0}, ValueError, "n_atoms must be at least 1, got 0"),
        ({"n_times_atom": 1}, ValueError, "n_times_atom must be at least 2, got 1"),
        ({"n_times_window": 31}, ValueError, "n_times_window must be from 32, .* to 400, .*got 31"),
        ({"n_times_window": 401}, ValueError, "length of a trial, got 401"),
        ({"n_windows": 0}, ValueError, "n_windows must be at least 1, got 0"),
        ({"n_batches": 0}, ValueError, "n_batches must be at least 1, got 0"),
        ({"n_epochs": 0}, ValueError, "n_epochs must be at least 1, got 0"),
        ({"reg": 1.0}, ValueError, "reg must be above 0 and below 1, got 1.0"),
        ({"reg": 0.0, "scaled": False}, ValueError, "reg must be above 0, got 0.0"),
        ({"step": "sgd"}, ValueError, "step must be one of line search, adam, got 'sgd'"),
        ({"solver": "ista"}, ValueError, "solver must be one of lgcd, fista, unrolled, got 'ista'"),
        ({"device": "cuda"}, ValueError, "solver='lgcd' runs on the CPU, got device='cuda'"),
        ({"learning_rate": -1}, ValueError, "learning_rate must be above 0, got -1"),
        ({"start": "greedy"}, ValueError, "start must be one of random, chunk, got 'greedy'"),
        ({"start": np.ones((1, 1, L))}, ValueError, r"start must have the shape \(3, 1, 16\)"),
        ({"outliers": "mad"}, TypeError, "outliers must be Outliers or None, got 'mad'"),
        ({"rng": 3}, TypeError, "rng"),
    ],
)
def test_bad_input_has_one_clear_error(change, error, message):
    options = {**SIZES, "X": X, "rng": np.random.default_rng(0), **change}
    with pytest.raises(error, match=message):
        learn_on_windows(options.pop("X"), **options)


@pytest.mark.parametrize(
    ("method", "level", "message"),
    [
        ("max", None, "method must be one of quantile, iqr, sd, mad, got 'max'"),
        ("mad", 0, "level must be above 0, got 0"),
        ("quantile", 1.0, "level must be above 0 and below 1, got 1.0"),
    ],
)
def test_bad_thresholds_have_one_clear_error(method, level, message):
    with pytest.raises(ValueError, match=message):
        Outliers(method, level)


def test_densities_check_their_shapes():
    with pytest.raises(ValueError, match=r"z must have shape \(2, 2, 385\)"):
        loss_density(X, np.ones((2, 1, 16)), np.zeros((2, 2, 384)), 1.0)


ATOM, WINDOW = (5, 4), (14, 19)


def image_problem(seed):
    """Windows of images, atoms that are not spread out, and activations where they may be."""
    rng = np.random.default_rng(seed)
    layout = Layout(ATOM, WINDOW)
    X = rng.standard_normal((2, 1, WINDOW[0] * WINDOW[1]))
    D = rng.standard_normal((K, 1, ATOM[0] * ATOM[1]))
    z = rng.random((2, K, len(layout.valid))) * (rng.random((2, K, len(layout.valid))) < 0.1)
    return layout, X, D, z * layout.valid


def test_images_are_convolved_in_the_plane():
    layout, _, D, z = image_problem(0)
    nothing = np.zeros((2, 1, WINDOW[0] * WINDOW[1]))
    found = -stochastic._residual(nothing, layout.spread(D), z)
    valid = [n - m + 1 for n, m in zip(WINDOW, ATOM, strict=True)]
    for one, starts in zip(found, z, strict=True):
        full = np.zeros((K, WINDOW[0] * WINDOW[1]))
        full[:, : z.shape[2]] = starts
        maps = full.reshape(K, *WINDOW)[:, : valid[0], : valid[1]]
        expected = sum(convolve2d(a, d.reshape(ATOM)) for a, d in zip(maps, D[:, 0], strict=True))
        np.testing.assert_allclose(one[0].reshape(WINDOW), expected, atol=1e-12)


def test_pixels_between_the_rows_of_an_atom_are_no_part_of_it():
    layout, _, D, _ = image_problem(1)
    spread = layout.spread(D)
    assert spread.shape[2] == layout.reach == (ATOM[0] - 1) * WINDOW[1] + ATOM[1]
    assert np.count_nonzero(spread) == np.count_nonzero(D)
    assert np.array_equal(layout.gathered(spread), D)
    assert np.array_equal(layout.gathered(spread + (spread == 0)), D)


def test_patches_of_images_are_rectangles():
    density = np.zeros((1, WINDOW[0] * WINDOW[1]))
    density[0, 7 * WINDOW[1] + 9] = ATOM[0] * ATOM[1]
    means = Layout(ATOM, WINDOW).patch_means(density).reshape(WINDOW)
    np.testing.assert_allclose(means.sum(), density.sum())
    assert np.count_nonzero(means > 1e-12) == ATOM[0] * ATOM[1]
    np.testing.assert_allclose(Layout(ATOM, WINDOW).patch_means(np.ones((1, density.size))), 1)


def test_the_gradient_of_images_is_that_of_their_masked_loss():
    layout, X, D, _ = image_problem(2)
    D /= np.linalg.norm(D, axis=2, keepdims=True)
    code = stochastic._coder("lgcd", 1e-9, None, "cpu")
    batch = stochastic._Batch(X, D, 0.5, np.inf, layout, code)
    assert batch.z.any() and not batch.z[:, :, ~layout.valid].any()
    batch.counts[:, 50:90] = False
    direction = np.random.default_rng(3).standard_normal(D.shape)
    direction -= np.sum(direction * D, axis=2, keepdims=True) * D

    def loss(moved):
        spread = layout.spread(moved)
        return stochastic._density(X, spread, batch.z, 0.5, layout.middle)[batch.counts].sum()

    step = 1e-5
    slope = (loss(D + step * direction) - loss(D - step * direction)) / (2 * step)
    # Quadratic in D, so the difference is exact up to rounding of the loss, 1e2, over the step.
    assert np.vdot(batch.gradient(), direction) == pytest.approx(slope, rel=1e-6)


def test_a_recording_is_an_image_of_one_row():
    rng = np.random.default_rng(6)
    layout = Layout((1, L), (1, W))
    D = rng.standard_normal((K, 1, L))
    assert layout.spread(D) is D and layout.gathered(D) is D
    assert layout.valid.all() and len(layout.valid) == W - L + 1 and layout.middle == L // 2


def test_letters_are_found():
    letters = letter_images("MIND", shape=(12, 10))
    rng = np.random.default_rng(0)
    rare = letter_images("Z", shape=(12, 10))[0]
    page, _ = text_page(letters, rare, frequency=0.04, shape=(80, 160), rng=rng)
    noise = rng.standard_normal(letters.shape)
    noise /= np.linalg.norm(noise, axis=(1, 2), keepdims=True)
    near = letters / np.linalg.norm(letters, axis=(1, 2), keepdims=True) + 0.7 * noise
    options = {"atom_shape": (12, 10), "window_shape": (40, 50), "n_windows": 5, "n_batches": 4}
    options |= {"n_epochs": 20, "reg": 0.5, "step": "adam", "start": near, "rng": rng}
    found = learn_on_images(page, n_atoms=4, **options)
    assert found.D.shape == letters.shape and np.array_equal(found.log["atoms"][-1], found.D)
    scores = [recovery_score(D[:, None], letters[:, None]) for D in (near, found.D)]
    assert scores[0] < 0.9 < 0.95 < scores[1]


def test_masks_of_images_are_where_much_is():
    image = 0.1 * np.random.default_rng(8).standard_normal((40, 60))
    image[10:18, 20:30] += 3
    mask = image_outlier_mask(image, outliers=Outliers("mad"), atom_shape=(4, 4))[0]
    assert mask[11:17, 21:29].all()
    assert mask[22:].mean() < 0.05  # means of 16 squares of noise have a tail
    bar = np.zeros((1, 4, 4))
    bar[0, 1] = 1
    image = np.zeros((40, 60))
    image[15, 5:9] = image[30, 40:44] = 5  # what the atom explains, and what it does not
    image[4:8, 50] = 5
    mask = image_outlier_mask(image, bar, 0.1, outliers=Outliers("quantile", 0.005))[0]
    assert mask[4:8, 50].any() and not mask[10:].any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.ones(9)}, ValueError, r"X must have shape \(n_images, .*got \(9,\)"),
        ({"X": np.ones((30, 30))}, ValueError, "all pixels of X are 1: there is nothing to learn"),
        ({"atom_shape": 5}, TypeError, r"atom_shape must be \(n_rows, n_columns\), got 5"),
        (
            {"atom_shape": (1, 1)},
            ValueError,
            r"atom_shape must have at least 2 pixels, got \(1, 1\)",
        ),
        ({"window_shape": (9, 40)}, ValueError, r"window_shape must be at least twice .*\(9, 40\)"),
        ({"window_shape": (31, 30)}, ValueError, r"at most an image, \(30, 30\), got \(31, 30\)"),
        (
            {"start": np.ones((2, 3, 3))},
            ValueError,
            r"start must hold atoms of \(5, 4\), got \(3, 3\)",
        ),
    ],
)
def test_bad_images_have_one_clear_error(change, error, message):
    pixels = np.random.default_rng(0).standard_normal((30, 30))
    options = {"X": pixels, "n_atoms": 2, "atom_shape": ATOM, "window_shape": (15, 20), **change}
    with pytest.raises(error, match=message):
        learn_on_images(options.pop("X"), rng=np.random.default_rng(0), **options)


def test_masks_of_images_check_their_patch():
    pixels = np.random.default_rng(0).standard_normal((8, 8))
    with pytest.raises(ValueError, match=r"atom_shape=\(9, 4\) is larger than an image, \(8, 8\)"):
        image_outlier_mask(pixels, outliers=Outliers("mad"), atom_shape=(9, 4))
    with pytest.raises(ValueError, match=r"n_times_atom must be .*400, got 401"):
        outlier_mask(X, outliers=Outliers("mad"), n_times_atom=401)
