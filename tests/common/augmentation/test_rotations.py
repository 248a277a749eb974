import numpy as np
import pytest
import torch
from braindecode.augmentation import SensorsYRotation as LibraryRotation
from braindecode.augmentation import functional as library
from scipy.spatial.transform import Rotation

from common.augmentation.rotations import (
    SensorsXRotation,
    SensorsYRotation,
    SensorsZRotation,
    rotate,
    spline_weights,
    standard_positions,
)

BCI = [
    "Fz",
    "FC3",
    "FC1",
    "FCz",
    "FC2",
    "FC4",
    "C5",
    "C3",
    "C1",
    "Cz",
    "C2",
    "C4",
    "C6",
    "CP3",
    "CP1",
    "CPz",
    "CP2",
    "CP4",
    "P1",
    "Pz",
    "P2",
    "POz",
]
SLEEP = ["Fpz", "Pz"]
CLASSES = {"x": SensorsXRotation, "y": SensorsYRotation, "z": SensorsZRotation}


def windows(n_examples, n_channels, n_times):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_examples, n_channels, n_times, generator=generator)


def directions(ch_names):
    positions = standard_positions(ch_names)
    return positions / np.linalg.norm(positions, axis=1, keepdims=True)


@pytest.mark.filterwarnings("ignore:Montage name")
@pytest.mark.parametrize("ch_names", [BCI, SLEEP], ids=["bci", "sleep"])
@pytest.mark.parametrize("axis", "xyz")
def test_agrees_with_braindecode(axis, ch_names):
    X = windows(9, len(ch_names), 50)
    positions, degrees = standard_positions(ch_names), np.linspace(-30, 30, 9)
    theirs, _ = library.sensors_rotation(
        X, None, torch.from_numpy(positions.T.copy()), axis, torch.from_numpy(degrees), True
    )
    weights = spline_weights(positions, rotate(positions, degrees, axis=axis))
    ours = torch.from_numpy(weights).float() @ X
    # Weights and signals rounded to single precision, sums of 22 terms of order 1.
    torch.testing.assert_close(ours, theirs, atol=5e-6, rtol=0)
    library_positions = LibraryRotation(1.0, ch_names).sensors_positions_matrix
    np.testing.assert_array_equal(library_positions.T, positions)


@pytest.mark.parametrize("axis", "xyz")
def test_the_object_rotates_by_uniform_angles(axis, monkeypatch):
    seen = []

    def spy(positions, degrees, *, axis):
        seen.append((degrees, axis))
        return rotate(positions, degrees, axis=axis)

    monkeypatch.setattr("common.augmentation.rotations.rotate", spy)
    X = windows(2000, 2, 3)
    transform = CLASSES[axis](ch_names=SLEEP, max_degrees=12, seed=0, probability=1.0)
    out = transform(X)
    ((degrees, along),) = seen
    assert along == axis and len(np.unique(degrees)) == 2000
    # The extremes of 2,000 draws are within 0.5 % of the range of its ends, at odds of e^-10.
    assert -12 <= degrees.min() < -11.88 and 11.88 < degrees.max() < 12
    positions = standard_positions(SLEEP)
    weights = spline_weights(positions, rotate(positions, degrees, axis=axis))
    torch.testing.assert_close(out, torch.from_numpy(weights).float() @ X)


@pytest.mark.parametrize("axis", "xyz")
def test_rotation_is_that_of_scipy(axis):
    positions = standard_positions(BCI)
    for degrees, rotated in zip(
        (-20.0, 35.0), rotate(positions, [-20, 35], axis=axis), strict=True
    ):
        expected = Rotation.from_euler(axis, degrees, degrees=True).apply(positions)
        np.testing.assert_allclose(rotated, expected, atol=1e-15)


@pytest.mark.parametrize("axis", "xyz")
def test_back_and_forth_brings_back_the_positions_exactly(axis):
    positions = standard_positions(BCI)
    np.testing.assert_array_equal(rotate(positions, [0.0], axis=axis)[0], positions)
    forth = rotate(positions, [17.0], axis=axis)[0]
    # Positions are 0.1 m; two products of three terms.
    np.testing.assert_allclose(rotate(forth, [-17.0], axis=axis)[0], positions, atol=1e-15)


def test_without_regularization_no_rotation_is_the_identity():
    for ch_names in (BCI, SLEEP):
        positions = standard_positions(ch_names)
        weights = spline_weights(positions, positions[None], regularization=0)[0]
        # The system of the 22 channels has a condition number of 3e7.
        np.testing.assert_allclose(weights, np.eye(len(ch_names)), atol=1e-9)


def test_with_the_regularization_of_the_study_no_rotation_smooths_dense_sensors():
    # W = (G + aI)^-1 G up to the constant: eigenvalues g / (g + a), of which those of fine patterns
    # are well below 1.
    positions = standard_positions(BCI)
    unit = positions / np.linalg.norm(positions, axis=1, keepdims=True)
    weights = spline_weights(positions, positions[None])[0]
    # In the space of weights that sum to zero, W = I - a P (P G P + a)^-1 P.
    n = len(unit)
    basis = np.linalg.qr(np.c_[np.ones(n), np.eye(n)[:, 1:]])[0][:, 1:]
    orders = np.arange(1, 51)
    factors = (2 * orders + 1) / (4 * np.pi * (orders * (orders + 1.0)) ** 4)
    G = basis.T @ np.polynomial.legendre.legval(unit @ unit.T, np.r_[0, factors]) @ basis
    lost = basis @ np.linalg.inv(G / 1e-5 + np.eye(n - 1)) @ basis.T
    np.testing.assert_allclose(weights, np.eye(n) - lost, atol=1e-8)
    # Of white signals over 22 channels less than half of the power is left, of two channels all.
    assert np.sum(weights**2) / n < 0.5
    two = standard_positions(SLEEP)
    np.testing.assert_allclose(spline_weights(two, two[None])[0], np.eye(2), atol=1e-3)


@pytest.mark.parametrize("regularization", [1e-5, 0])
def test_what_is_the_same_everywhere_stays(regularization):
    positions = standard_positions(BCI)
    rotated = rotate(positions, np.linspace(-30, 30, 7), axis="y")
    weights = spline_weights(positions, rotated, regularization=regularization)
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-9)


@pytest.mark.parametrize("axis", "xyz")
def test_smooth_fields_are_rotated_and_come_back(axis):
    # A dipolar field x = a . r, read at the rotated sensors.
    ch_names = [*BCI, "Fp1", "Fp2", "F7", "F8", "T7", "T8", "P7", "P8", "O1", "O2", "F3", "F4"]
    unit, positions = directions(ch_names), standard_positions(ch_names)
    field = unit @ [0.3, -1.0, 0.5]
    degrees = np.array([-10.0, 10.0])
    weights = spline_weights(positions, rotate(positions, degrees, axis=axis))
    expected = rotate(unit, degrees, axis=axis) @ [0.3, -1.0, 0.5]
    size = np.abs(field).max()
    # A spline is not exact between sensors, and less so beyond the outermost ones.
    assert np.abs(weights @ field - expected).max() < 0.05 * size
    unmoved = np.abs(expected - field).max()
    assert np.abs(weights @ field - expected).max() < 0.5 * unmoved
    # Rotated back the signals return about as well, and not exactly.
    error = np.abs(weights[0] @ weights[1] @ field - field).max()
    assert 1e-6 * size < error < 0.1 * size


def test_more_sensors_of_one_direction_are_one():
    # Only directions count.
    positions = standard_positions(BCI)
    farther = positions * np.linspace(0.5, 2, len(BCI))[:, None]
    rotated = rotate(positions, [5.0], axis="x")
    np.testing.assert_allclose(
        spline_weights(farther, 3 * rotated), spline_weights(positions, rotated), atol=1e-8
    )


def test_errors_say_what_is_wrong():
    with pytest.raises(
        ValueError, match=r"channel 1, 'FPZZ', has no position .*mean 'Fpz'\? Rename"
    ):
        standard_positions(["Pz", "FPZZ"])
    with pytest.raises(
        ValueError, match=r"channel 0, 'EOG-left', has no position .*montage. Rename"
    ):
        SensorsXRotation(ch_names=["EOG-left"], max_degrees=1, seed=0)
    with pytest.raises(ValueError, match=r"channels 0 and 2 are both 'Pz'"):
        standard_positions(["Pz", "Cz", "Pz"])
    for degrees in (-1, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"max_degrees must be at least 0 °, got"):
            SensorsZRotation(ch_names=SLEEP, max_degrees=degrees, seed=0)
    with pytest.raises(ValueError, match=r"X has 3 channels, but 2 names were given"):
        SensorsZRotation(ch_names=SLEEP, max_degrees=1, seed=0, probability=1)(windows(2, 3, 4))
