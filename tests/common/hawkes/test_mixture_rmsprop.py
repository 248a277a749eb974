import numpy as np
import pytest

from common.hawkes.kernels import TruncatedGaussian, discretise
from common.hawkes.marked_pairs import MarkedPairs
from common.hawkes.marks import DENSITIES, simulate_marked
from common.hawkes.mixture import moment_start
from common.hawkes.mixture_labels import MixtureModel, mixture_loss
from common.hawkes.mixture_rmsprop import fit_rmsprop

GRID = {"end_time": 100.0, "delta": 0.01, "kernel_length": 1.0}


def simulated():
    options = {"length": 1.0, "end_time": 100.0, "rng": np.random.default_rng(0)}
    (events,), _ = simulate_marked(
        [0.4], [[1.2]], TruncatedGaussian(), [0.5, 0.1], noise=[0.5], **options
    )
    return events


def test_its_loss_is_that_of_the_mixture():
    events = simulated()
    found = fit_rmsprop(events, **GRID, n_iter=1)
    start = moment_start([events], end_time=100.0, kernel_length=1.0, lags="all")
    theta = np.stack([start["mean"], start["spread"]])
    phi = discretise(TruncatedGaussian(), theta, length=1.0, delta=0.01)
    phi = start["adjacency"][..., None] * phi
    densities = DENSITIES["linear"], DENSITIES["uniform"]
    model = MixtureModel(start["baseline"], start["noise"], phi, *densities)
    pairs = MarkedPairs.from_events([events], **GRID)
    halves = np.full(pairs.n_events, 0.5)
    assert found["losses"][0] == pytest.approx(mixture_loss(pairs, halves, model), rel=1e-10)


def test_the_loss_falls_and_labels_are_told_apart():
    events = simulated()
    found = fit_rmsprop(events, **GRID, n_iter=600, every=50)
    losses = found["losses"]
    # Between two changes of labels; steps of fixed size may pass the minimum.
    for start in range(0, 600, 50):
        assert losses[start + 49] < losses[start] + 1e-3 * abs(losses[start])
    assert 0.2 < found["labels"].mean() < 1
    marks = events[:, 1]
    assert marks[found["labels"]].mean() > marks[~found["labels"]].mean()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n_iter": 0}, "n_iter must be at least 1"), ({"step": 0.0}, "step must be above 0")],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        fit_rmsprop(simulated(), **GRID, **options)
