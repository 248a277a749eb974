import mne
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from common.dictionary.estimator import ConvolutionalDictionary
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
