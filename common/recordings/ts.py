"""Labelled time series in the `.ts` text format of the time-series-classification archives.

The archives hold short, cut recordings (cases) without names of channels, sampling rate or units;
the registry says what is known of these.
"""

from typing import NamedTuple

import numpy as np

from common import files

__all__ = ["TimeSeriesCases", "read_ts", "restore_channels"]

_MISSING = "?"


class TimeSeriesCases(NamedTuple):
    """Cases of one file.

    Attributes
    ----------
    X : ndarray, shape (n_cases, n_channels, n_times)
        In the file's order and unit; NaN where a value is missing.
    y : ndarray of str, shape (n_cases,)
        Label of each case.
    classes : tuple of str
        Every label that the header declares, in its order, whether it occurs or not.
    problem : str
        The file's name for the data set.
    """

    X: np.ndarray
    y: np.ndarray
    classes: tuple
    problem: str


def read_ts(path):
    """Read a `.ts` file of cases of equal length with class labels.

    The header must have ``@problemName``, ``@classLabel true A B …`` and ``@data``; comments begin
    with ``#``. After it, a line is a case: channels separated by ``:``, values by ``,``, the label
    last, for example ``1,2,3:4,?,6:left``. What the header says about the number of channels and
    samples (``@univariate``, ``@equalLength``, ``@dimensions``, ``@seriesLength``) is not used:
    published files are wrong about it, and the cases tell.

    Parameters
    ----------
    path : str or Path
        Relative to the repository root.

    Returns
    -------
    cases : TimeSeriesCases

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the header is incomplete or declares time stamps or no class labels; if there is no
        case, a case lacks its label or has one that is not declared, cases or channels differ in
        length, or a value is not a number.
    """
    file, name = files.existing(path)
    files.check_content(file)
    # Only comments hold other characters than ASCII, and not always in UTF-8.
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    header, first = _header(lines, name)
    classes = _classes(header, name)
    rows = [(i, line.strip()) for i, line in enumerate(lines[first:], first + 1) if line.strip()]
    if not rows:
        raise ValueError(f"{name} has no case after @data.")
    numbers = [number for number, _ in rows]
    series, labels = _labels(rows, classes, name)
    shape = _shape(series, numbers, name)
    X = _values(series, numbers, name).reshape(shape)
    return TimeSeriesCases(X, np.array(labels), classes, header["problemname"])


def restore_channels(X):
    r"""Channels that are left whole in a file converted with the wrong stride.

    Some files of the archives were cut from rows in which the channels follow one another,
    :math:`r = (r_0, r_1, \ldots)` with channel k at :math:`r_{kT}, \ldots, r_{kT + T - 1}`, by
    advancing ``n_channels`` (D) samples from channel to channel instead of ``n_times`` (T):

    .. math:: X_{c, t} = r_{c D + t}.

    What such a file calls channels are overlapping windows of the first few. The row is left up to
    sample :math:`(D - 1) D + T`, and with it :math:`1 + \lfloor (D - 1) D / T \rfloor` channels.

    Parameters
    ----------
    X : ndarray, shape (n_cases, n_channels, n_times)
        As read from the file; ``n_channels < n_times``.

    Returns
    -------
    restored : ndarray, shape (n_cases, n_whole, n_times)
        The first channels of the recording, exactly.

    Raises
    ------
    ValueError
        If X has another number of dimensions, or its channels are not such windows: then there is
        nothing to restore.

    Examples
    --------
    >>> row = np.arange(12.0)  # three channels of four samples, and the windows 0:4, 3:7, 6:10
    >>> X = np.stack([row[0:4], row[3:7], row[6:10]])[None]
    >>> restore_channels(X)[0].tolist()
    [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]
    """
    X = np.asarray(X)
    if X.ndim != 3:
        raise ValueError(f"X must have shape (n_cases, n_channels, n_times), got {X.shape}.")
    _, n_channels, n_times = X.shape
    if not 1 < n_channels < n_times:
        raise ValueError(
            f"X of shape {X.shape}: at least two channels, and fewer channels than samples, are "
            "needed to see whether channels overlap."
        )
    equal = np.array_equal(X[:, 1:, :-n_channels], X[:, :-1, n_channels:], equal_nan=True)
    if not equal:
        raise ValueError(
            f"the channels of X are not windows of one series, {n_channels} samples apart: use X "
            "as it is."
        )
    row = np.concatenate([X[:, 0], X[:, 1:, -n_channels:].reshape(len(X), -1)], axis=1)
    n_whole = row.shape[1] // n_times
    return row[:, : n_whole * n_times].reshape(len(X), n_whole, n_times)


def _header(lines, name):
    """Declarations by lower-case name, and the index of the line after ``@data``."""
    words = [[*line.split(maxsplit=1), "", ""][:2] for line in lines if line.startswith("@")]
    header = {key[1:].lower(): value.strip() for key, value in words}
    if "data" not in header:
        raise ValueError(f"{name} is not a .ts file: it has no line @data.")
    missing = [key for key in ("problemName", "classLabel") if key.lower() not in header]
    if missing:
        raise ValueError(f"{name} lacks @{' and @'.join(missing)} in its header.")
    if header.get("timestamps", "false").lower() != "false":
        raise ValueError(f"{name} has time stamps; only values at a fixed rate are supported.")
    first = next(i for i, line in enumerate(lines, 1) if line.strip().lower() == "@data")
    return header, first


def _classes(header, name):
    declared, *classes = header["classlabel"].split() or ["false"]
    if declared.lower() != "true" or not classes:
        raise ValueError(
            f"{name} has no class labels: @classLabel says '{header['classlabel']}', expected "
            "'true' and the labels."
        )
    return tuple(classes)


def _labels(rows, classes, name):
    """Text of the series and of the label of every case."""
    known, series, labels = set(classes), [], []
    for number, line in rows:
        values, _, label = line.rpartition(":")
        label = label.strip()
        if label not in known:
            raise ValueError(
                f"{name}, line {number}: the label is '{label[:40]}', not one of "
                f"{', '.join(classes)}."
            )
        series.append(values)
        labels.append(label)
    return series, labels


def _shape(series, numbers, name):
    lengths = [[channel.count(",") + 1 for channel in text.split(":")] for text in series]
    n_channels, n_times = len(lengths[0]), lengths[0][0]
    for number, each in zip(numbers, lengths, strict=True):
        if len(each) != n_channels:
            raise ValueError(
                f"{name}, line {number}: {len(each)} channels, but {n_channels} in the first case."
            )
        if set(each) != {n_times}:
            channel = next(i for i, length in enumerate(each) if length != n_times)
            raise ValueError(
                f"{name}, line {number}: channel {channel} has {each[channel]} values, but there "
                f"are {n_times} in the first case. Only cases of equal length are supported."
            )
    return len(series), n_channels, n_times


def _values(series, numbers, name):
    text = ",".join(series).replace(":", ",").replace(_MISSING, "nan")
    try:
        return np.array(list(map(float, text.split(","))))
    except ValueError:
        for number, case in zip(numbers, series, strict=True):
            for value in case.replace(":", ",").split(","):
                try:
                    float(value.replace(_MISSING, "nan"))
                except ValueError:
                    raise ValueError(
                        f"{name}, line {number}: '{value.strip()[:40]}' is not a number. A missing "
                        f"value is written {_MISSING}."
                    ) from None
        raise
