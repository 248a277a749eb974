import mne
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from common.dictionary.contamination import patterns, simulated_contaminated
from common.dictionary.estimator import ConvolutionalDictionary, RobustConvolutionalDictionary
from common.dictionary.recovery import match_atoms
from common.dictionary.simulation import simulated_atoms, simulated_trials


@pytest.fixture
def recording():
    u, v = simulated_atoms(8, 20)
    options = {"n_trials": 1, "n_valid": 3000, "density": 0.004, "sigma": 0.005}
    X, _ = simulated_trials(u, v, rng=np.random.default_rng(0), **options)
    return X[0], u, v


def test_a_recording_and_its_array_give_the_same_atoms(recording):
    X, _, v = recording
    info = mne.create_info(8, 100.0, "eeg")
    raw = mne.io.RawArray(X, info, verbose="error")
    raw.info["bads"] = [raw.ch_names[3]]
    options = {"n_atoms": 2, "atom_length": 0.2, "start": "greedy", "n_iter": 10}
    found = ConvolutionalDictionary(**options).fit(raw)
    array = ConvolutionalDictionary(sfreq=100.0, **options).fit(np.delete(X, 3, axis=0))
    np.testing.assert_allclose(found.v_, array.v_)
    assert found.info_.ch_names == [name for name in raw.ch_names if name != raw.ch_names[3]]
    assert found.u_.shape == (2, 7) and found.sfreq_ == 100.0
    assert match_atoms(found.v_, v, max_shift=10).score < 0.5
    assert (np.take_along_axis(found.v_, np.abs(found.v_).argmax(1)[:, None], 1) > 0).all()
    times = found.events()
    assert len(times) == 1 and len(times[0]) == 2 and (times[0][0] < 30.2).all()


def test_transform_of_what_was_fitted_explains_it_as_well(recording):
    X, _, _ = recording
    options = {"n_atoms": 2, "atom_length": 0.2, "start": "greedy", "n_iter": 10, "sfreq": 100.0}
    found = clone(ConvolutionalDictionary(**options)).fit(X)
    z = found.transform(X)
    assert z.shape == found.z_.shape
    rests = [
        X - sum(found.u_[k, :, None] * np.convolve(each[0, k], found.v_[k]) for k in range(2))
        for each in (z, found.z_)
    ]
    penalised = [
        0.5 * (rest**2).sum() + found.penalty_ * each.sum()
        for rest, each in zip(rests, (z, found.z_), strict=True)
    ]
    assert penalised[0] == pytest.approx(penalised[1], rel=0.02)


def test_bad_input_has_one_clear_error(recording):
    X, _, _ = recording
    with pytest.raises(ValueError, match="give sfreq, in Hz"):
        ConvolutionalDictionary().fit(X)
    with pytest.raises(ValueError, match=r"atom_length=0.01 s is 1 sample\(s\) at 100 Hz"):
        ConvolutionalDictionary(atom_length=0.01, sfreq=100.0).fit(X)
    with pytest.raises(ValueError, match="sfreq=50 Hz is not that of the recording, 100 Hz"):
        raw = mne.io.RawArray(X, mne.create_info(8, 100.0, "eeg"), verbose="error")
        ConvolutionalDictionary(sfreq=50).fit(raw)
    with pytest.raises(NotFittedError):
        ConvolutionalDictionary(sfreq=100.0).transform(X)
    with pytest.raises(NotFittedError):
        ConvolutionalDictionary(sfreq=100.0).events()


@pytest.fixture(scope="module")
def artefacts():
    """Trials of the simulation with artefacts, in V, and where these are."""
    sizes = {"n_trials": 4, "n_times": 1250, "n_events": 80, "n_artefacts": 12}
    _, X, mask = simulated_contaminated(patterns(2, 2, 16), rng=np.random.default_rng(0), **sizes)
    return 1e-5 * X, mask


def test_the_robust_learner_finds_artefacts_in_what_was_fitted_and_in_the_rest(artefacts):
    X, mask = artefacts
    options = {"n_atoms": 3, "atom_length": 0.16, "sfreq": 100.0, "n_batches": 5, "n_epochs": 5}
    found = clone(RobustConvolutionalDictionary(**options)).fit(X[:3])
    assert found.D_.shape == (3, 2, 16) and found.z_.shape == (3, 3, 1235)
    np.testing.assert_allclose(np.linalg.norm(found.D_, axis=(1, 2)), 1)
    np.testing.assert_allclose(found.transform(X[:3]), found.z_)
    for part in (slice(3), slice(3, 4)):
        outliers = found.outliers(X[part])
        assert outliers.shape == mask[part].shape
        f1 = 2 * np.sum(outliers & mask[part]) / (outliers.sum() + mask[part].sum())
        assert f1 > 0.75  # even atoms that are hardly learned tell them: they are large
    events = found.events()
    assert len(events) == 3 and len(events[0]) == 3 and (events[0][0] < 12.5).all()


def test_the_robust_learner_reads_recordings_of_mne(artefacts):
    X, _ = artefacts
    raw = mne.io.RawArray(X[0], mne.create_info(2, 100.0, "eeg"), verbose="error")
    options = {"n_atoms": 2, "atom_length": 0.16, "n_epochs": 2}
    found = RobustConvolutionalDictionary(**options).fit(raw)
    array = RobustConvolutionalDictionary(sfreq=100.0, **options).fit(X[0])
    np.testing.assert_allclose(found.D_, array.D_)
    assert found.info_.ch_names == raw.ch_names and found.sfreq_ == 100.0
    assert not RobustConvolutionalDictionary(method=None, **options).fit(raw).outliers(raw).any()


def test_the_robust_learner_says_what_is_wrong(artefacts):
    X, _ = artefacts
    with pytest.raises(ValueError, match="give sfreq, in Hz"):
        RobustConvolutionalDictionary().fit(X)
    with pytest.raises(ValueError, match="window must be at least 2, got 1"):
        RobustConvolutionalDictionary(atom_length=0.16, sfreq=100.0, window=1).fit(X)
    with pytest.raises(ValueError, match=r"method must be one of .*got 'max'"):
        RobustConvolutionalDictionary(atom_length=0.16, sfreq=100.0, method="max").fit(X)
    with pytest.raises(ValueError, match="twice an atom's length, to 1250, the length of a trial"):
        RobustConvolutionalDictionary(atom_length=8.0, sfreq=100.0).fit(X)
    with pytest.raises(NotFittedError):
        RobustConvolutionalDictionary(sfreq=100.0).outliers(X)
