"""Text of which the sentiment is known, as pairs of domains; see `common.adaptation.datasets`."""

import tarfile

import numpy as np
import pandas as pd
import scipy.io

from common import files, validation
from common.adaptation.checks import check_domains, check_known, check_shape
from common.adaptation.pairs import merge

__all__ = ["load_amazon", "load_snippets"]

_SNIPPETS = {
    "amazon": ("amazonReviewSnippets", 3708),
    "movies": ("movieReviewSnippets", 10605),
    "editorials": ("nytEditorialSnippets", 5190),
    "tweets": ("tweets", 4200),
}
_AMAZON_ROWS = {"books": 2000, "dvd": 1999, "elec": 1998, "kitchen": 1999}


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
    check_domains(source, target, _SNIPPETS)
    validation.number(threshold, "threshold", above=0, below=4)
    validation.count(n_components, "n_components", at_least=0)
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
    check_domains(source, target, _AMAZON_ROWS)
    domains = [_read_amazon(folder, each) for each in (source, target)]
    return merge(*domains[0], *domains[1], source, target, ("negative", "positive"))


def _read_snippets(file, name, domain, threshold):
    """Sentences with a clear sentiment, and their labels."""
    part, n_rows = _SNIPPETS[domain]
    member = f"hutto_ICWSM_2014/{part}_GroundTruth.txt"
    files.check_content(file)
    try:
        with tarfile.open(file) as archive:
            text = archive.extractfile(member).read().decode("utf-8-sig")
    except (tarfile.TarError, KeyError) as error:
        raise ValueError(f"{name} is not the archive expected: {error}; {member}.") from None
    rows = [line.split("\t") for line in text.splitlines() if line]
    table = pd.DataFrame(rows)
    check_shape(table, f"{name}, {member}", {n_rows: domain}, 3)
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
    with files.reading(file, "a MATLAB file"):
        content = scipy.io.loadmat(file)
    try:
        X, y = content["fts"], content["labels"]
    except KeyError as error:
        raise ValueError(f"{name} is not a file of reviews with fts and labels: {error}") from None
    check_shape(X, name, {_AMAZON_ROWS[domain]: domain}, 400)
    y = y.ravel().astype(int)
    if len(y) != len(X):
        raise ValueError(f"{name} has {len(y)} labels of {len(X)} reviews.")
    check_known(y, [0, 1], f"{name}, labels")
    return X, y
