"""Models of one pattern: what they meet, what they draw, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from common.points import descent
from common.points.descent import MaximumEntropy
from common.points.moments import PatternMoments
from common.points.processes import voronoi
from common.points.rasterise import rasterise
from common.points.statistics import largest_correlation, pair_correlation
from common.scattering.harmonic_covariances import HarmonicCovariances

EDGES = [0, 0.025, 0.05, 0.075, 0.1]


@pytest.fixture(scope="module")
def pattern():
    return voronoi(6, 20, rng=np.random.default_rng(0))


@pytest.fixture(scope="module")
def drawn(pattern):
    model = MaximumEntropy(size=32, iterations=30).fit(pattern)
    return model, model.sample(2, rng=np.random.default_rng(1), progress=False)


def test_patterns_have_the_observed_number_of_points_in_the_window(pattern, drawn):
    _, found = drawn
    assert found.shape == (2, *pattern.shape)
    assert ((found >= 0) & (found < 1)).all()


def test_each_stage_comes_close_to_the_observed_moments(drawn):
    model, found = drawn
    assert model.sigmas == (2.0, 1.0)
    for points, stages in zip(found, model.histories, strict=True):
        for stage in stages:
            assert stage.energy[-1] < 1e-3 and (np.diff(stage.energy) <= 0).all()
        assert stages[-1].final == pytest.approx(stages[-1].energy[-1], rel=1e-6)
        # The points that come out are those whose energy was descended, but for rounding.
        assert model.energy(points) == pytest.approx(stages[-1].final, rel=0.05)


def test_a_stage_begins_where_the_last_one_ended(pattern, drawn):
    model, _ = drawn
    for start, stages in zip(model.starts, model.histories, strict=True):
        assert model.energy(start, stage=0) == pytest.approx(stages[0].energy[0], rel=1e-3)
        assert stages[1].energy[0] == pytest.approx(stages[0].final, rel=1e-6)


def test_points_cluster_as_the_observed_ones_do_and_are_no_copy(pattern, drawn):
    model, found = drawn
    g = pair_correlation(pattern, EDGES)
    for points, start in zip(found, model.starts, strict=True):
        error, before = (np.abs(pair_correlation(one, EDGES) - g).max() for one in (points, start))
        assert error < 0.3 * before
        # Two dense clusters of few points overlap somewhere.
        assert largest_correlation(points, pattern, size=32) < 0.7


def test_the_same_generator_draws_the_same(pattern, drawn):
    model, found = drawn
    again = model.sample(2, rng=np.random.default_rng(1), progress=False)
    np.testing.assert_array_equal(again, found)
    assert len(model.histories) == len(model.starts) == 2


def test_the_unit_of_the_window_does_not_matter(pattern):
    found = [
        window * 0 + MaximumEntropy(size=16, iterations=3, window=window, dtype="float64")
        .fit(window * pattern)
        .sample(rng=np.random.default_rng(0), progress=False) / window
        for window in (1.0, 8.0)
    ]  # fmt: skip
    np.testing.assert_allclose(found[0], found[1], atol=1e-9)


def test_energies_are_those_of_the_moments(pattern):
    model = MaximumEntropy("second-order", size=16, J=2, sigmas=[1.5], dtype="float64").fit(pattern)
    other = np.random.default_rng(3).random((40, 2))
    K = PatternMoments(16, 2, second_order=True)
    K.fit(rasterise(torch.as_tensor(16 * pattern), 16, 1.5))
    loss = K.loss(rasterise(torch.as_tensor(16 * other), 16, 1.5)).item()
    assert model.energy(other) == pytest.approx(loss / K.power)
    assert model.energy(pattern) == pytest.approx(0, abs=1e-20)


def test_moments_of_the_users_choice_are_taken(pattern):
    moments = HarmonicCovariances((16, 16), 2, 4, dj=1, normalize=False)
    model = MaximumEntropy(moments, size=16, iterations=5).fit(pattern)
    model.sample(rng=np.random.default_rng(0), progress=False)
    assert model.histories[0][0].energy[-1] < model.histories[0][0].energy[0]


def test_energies_of_moments_without_weights_are_relative_to_the_target(pattern):
    class Rows:
        """Sums along the rows of an image."""

        def fit(self, image):
            self.target = image.sum(dim=-1)
            return self

        def loss(self, image):
            return ((image.sum(dim=-1) - self.target) ** 2).sum(dim=-1)

    model = MaximumEntropy(Rows(), size=16, sigmas=[1.5], dtype="float64").fit(pattern)
    other = np.random.default_rng(3).random((40, 2))
    one, two = (rasterise(torch.as_tensor(16 * p), 16, 1.5).sum(dim=-1) for p in (pattern, other))
    expected = float(((two - one) ** 2).sum() / (one**2).sum())
    assert model.energy(other) == pytest.approx(expected, rel=1e-12)


def test_a_point_that_ends_on_the_border_is_in_the_window(pattern, monkeypatch):
    def towards_the_border(energy, x, **options):
        return SimpleNamespace(x=torch.full_like(x, -1e-17), history=[0.0])

    model = MaximumEntropy(size=16, iterations=3, dtype="float64").fit(pattern)
    monkeypatch.setattr(descent, "descend", towards_the_border)
    found = model.sample(rng=np.random.default_rng(0), progress=False)
    assert (found == 0).all()  # where the window begins anew; its side is not in it


def test_a_bar_shows_the_loss(pattern, capsys):
    model = MaximumEntropy(size=16, iterations=3).fit(pattern)
    model.sample(rng=np.random.default_rng(0))
    assert "loss=" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: MaximumEntropy("second"), ValueError, "model must be one of harmonics, second-"),
        (lambda p: MaximumEntropy(3), ValueError, r"have fit\(image\) and loss\(image\); got 3"),
        (lambda p: MaximumEntropy(size=8), ValueError, "size must be at least 16, got 8"),
        (lambda p: MaximumEntropy(size=48), ValueError, "power of two, got 48; or give sigmas"),
        (lambda p: MaximumEntropy(sigmas=[1, 0]), ValueError, "sigmas must be finite and above 0"),
        (
            lambda p: MaximumEntropy(iterations=[5, 5]),
            ValueError,
            "iterations has 2 numbers for 3 stages",
        ),
        (
            lambda p: MaximumEntropy(iterations=0),
            ValueError,
            "iterations must be at least 1, got 0",
        ),
        (lambda p: MaximumEntropy(dtype="half"), ValueError, "dtype must be one of"),
        (lambda p: MaximumEntropy(size=16, J=5).fit(p), ValueError, "J must be at most 4"),
        (lambda p: MaximumEntropy(size=16).fit(p[:1]), ValueError, "points must be at least 2"),
        (lambda p: MaximumEntropy(size=16).fit(p + 1), ValueError, r"in the window \[0, 1\)²"),
        (lambda p: MaximumEntropy(size=16).fit(p * np.nan), ValueError, "must be finite, got nan"),
        (
            lambda p: MaximumEntropy(size=16).sample(rng=np.random.default_rng(0)),
            ValueError,
            r"there is no observed pattern yet; call fit\(points\) first",
        ),
        (
            lambda p: MaximumEntropy(size=16).energy(p),
            ValueError,
            r"there is no observed pattern yet; call fit\(points\) first",
        ),
        (
            lambda p: MaximumEntropy(size=16).fit(p).sample(rng=7),
            TypeError,
            r"Make one: rng=np.random.default_rng\(7\)",
        ),
    ],
)
def test_what_cannot_be_modelled_is_refused(pattern, call, error, message):
    with pytest.raises(error, match=message):
        call(pattern)
