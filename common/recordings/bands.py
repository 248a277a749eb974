"""Covariances of a recording by frequency band and frame."""

import numpy as np
import scipy.signal

from common import validation

__all__ = ["band_covariances"]


def band_covariances(X, *, sfreq, bands, frame, n_epochs, name="the recording"):
    """Covariances of the first frames of a recording, in each frequency band.

    The whole recording is filtered (Butterworth, order 4, forward and backward), then cut. A frame
    holds few independent samples in a narrow band, hence shrinkage (OAS, oracle approximating).

    Parameters
    ----------
    X : ndarray, shape (n_channels, n_times)
    sfreq : float
        In Hz.
    bands : sequence of (float, float)
        Lower and upper edge of each, in Hz.
    frame : float
        Length of a frame, in s.
    n_epochs : int
        Number of frames, from the beginning.
    name : str
        Whose recording it is: for the message.

    Returns
    -------
    covariances : ndarray, shape (n_bands, n_epochs, n_channels, n_channels)
        In the squared unit of ``X``.

    Raises
    ------
    ValueError
        If a value is not finite, the recording has fewer frames, or a band does not lie between 0
        and ``sfreq / 2``.
    """
    X = validation.array(X, f"the signal of {name}", ndim=2)
    sfreq = validation.number(sfreq, "sfreq", above=0, unit="Hz")
    frame = validation.number(frame, "frame", at_least=2 / sfreq, unit="s")
    n_epochs = validation.count(n_epochs, "n_epochs")
    from pyriemann.geometry.covariance import covariances

    length = round(frame * sfreq)
    if X.shape[1] < n_epochs * length:
        raise ValueError(
            f"{name} has {X.shape[1] // length} frames of {frame:g} s, {n_epochs} are needed: "
            "leave it out, or ask for fewer frames of all (n_epochs)."
        )
    stacks = []
    for low, high in bands:
        if not 0 < low < high < sfreq / 2:
            raise ValueError(
                f"a band must lie between 0 and {sfreq / 2:g} Hz, got {low}-{high} Hz."
            )
        sos = scipy.signal.butter(4, [low, high], "bandpass", fs=sfreq, output="sos")
        filtered = scipy.signal.sosfiltfilt(sos, X, axis=-1)[:, : n_epochs * length]
        frames = filtered.reshape(len(X), n_epochs, length).swapaxes(0, 1)
        stacks.append(covariances(frames, estimator="oas"))
    return np.stack(stacks)
