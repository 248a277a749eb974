import io
import tarfile

import numpy as np
import pytest
import scipy.io
from sklearn.linear_model import LogisticRegression

from common.adaptation import text

from .conftest import check_form, domains, registered

# Snippets


WORDS = {1: ["good", "great", "lovely", "fine"], -1: ["bad", "poor", "awful", "grim"]}


def snippet_rows(n_rows, seed):
    rng = np.random.default_rng(seed)
    signs, sizes = rng.choice([-1, 1], n_rows), rng.uniform(0, 4, n_rows)
    rows = []
    for k, (sign, size) in enumerate(zip(signs, sizes, strict=True)):
        words = [*rng.choice(WORDS[int(sign)], 2), *rng.choice(list("abcdefgh"), 3) + "xx", f"n{k}"]
        rows.append([str(k), f"{sign * size:.6f}", " ".join(words)])
    return rows


def write_snippets(path, contents):
    with tarfile.open(path, "w:gz") as archive:
        for part, rows in contents.items():
            data = "\r\n".join("\t".join(row) for row in rows).encode("utf-8-sig")
            member = tarfile.TarInfo(f"hutto_ICWSM_2014/{part}_GroundTruth.txt")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def snippets():
    return {
        part: snippet_rows(n_rows, seed)
        for seed, (part, n_rows) in enumerate(text._SNIPPETS.values())
        if part in ("tweets", "amazonReviewSnippets")
    }


def test_only_clear_ratings_and_first_of_equal_texts_count(snippets, tmp_path):
    rows = snippets["tweets"]
    rows[0][1], rows[1][1], rows[2][1] = "1.0", "-1.0", "0.99"
    rows[3][1:] = ["2.0", "same text good great"]
    rows[4][1:] = ["-2.0", "same text good great"]
    path = write_snippets(tmp_path / "a.tar.gz", snippets)
    pair = text.load_snippets(path, "tweets", "amazon", n_components=5)
    ratings = np.array([float(row[1]) for row in rows])
    keep = np.abs(ratings) >= 1
    keep[4] = False
    assert keep[[0, 1, 2, 3]].tolist() == [True, True, False, True]
    n_source = int(keep.sum())
    assert (pair.sample_domain > 0).sum() == n_source
    assert np.array_equal(pair.y[:n_source], ratings[keep] > 0)
    assert pair.X.shape[1] == 5
    # The words tell the classes apart, and nothing else does.
    source, target = domains(pair)
    model = LogisticRegression(C=100).fit(pair.X[source], pair.y[source])
    assert model.score(pair.X[target], pair.y[target]) > 0.95


def test_exchanging_the_domains_exchanges_the_rows(snippets, tmp_path):
    path = write_snippets(tmp_path / "a.tar.gz", snippets)
    there = text.load_snippets(path, "tweets", "amazon", n_components=3)
    back = text.load_snippets(path, "amazon", "tweets", n_components=3)
    # Tolerance of the iterative solver (machine precision), times the gaps of singular values.
    for mine, other in zip(domains(there), domains(back)[::-1], strict=True):
        assert there.X[mine] == pytest.approx(back.X[other], abs=1e-6)
        assert np.array_equal(there.y[mine], back.y[other])


def test_damaged_snippets_are_refused(snippets, tmp_path):
    path = write_snippets(tmp_path / "a.tar.gz", snippets)
    with pytest.raises(ValueError, match=r"not the archive expected: .*movieReviewSnippets"):
        text.load_snippets(path, "tweets", "movies")
    for threshold in (0, 4):
        with pytest.raises(
            ValueError, match=f"threshold must be above 0 and below 4, got {threshold}"
        ):
            text.load_snippets(path, "tweets", "amazon", threshold=threshold)
    with pytest.raises(ValueError, match=r"n_components must be from 1 to .*, got 0"):
        text.load_snippets(path, "tweets", "amazon", n_components=0)
    snippets["tweets"][7][1] = "-5"
    broken = write_snippets(tmp_path / "b.tar.gz", snippets)
    with pytest.raises(ValueError, match="row 7: the rating is '-5', expected a number from -4"):
        text.load_snippets(broken, "tweets", "amazon")
    snippets["tweets"].pop()
    short = write_snippets(tmp_path / "c.tar.gz", snippets)
    with pytest.raises(ValueError, match=r"4199 rows of 3 columns, expected 4200 \(tweets\)"):
        text.load_snippets(short, "tweets", "amazon")
    (tmp_path / "d.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="is not the archive expected"):
        text.load_snippets(tmp_path / "d.tar.gz", "tweets", "amazon")


def test_registered_snippets():
    path = registered("vader-snippets")
    pair = text.load_snippets(path, "editorials", "amazon")
    check_form(pair, n_source=1530, n_target=2447, n_features=50)
    others = text.load_snippets(path, "tweets", "movies", n_components=2)
    check_form(others, n_source=2667, n_target=9171, n_features=2)


# Amazon


def write_amazon(folder, domain, *, n_rows=None, n_columns=400, n_labels=None, value=1):
    n_rows = n_rows or text._AMAZON_ROWS[domain]
    X = np.random.default_rng(n_rows).random((n_rows, n_columns))
    y = (np.arange(n_labels or n_rows) % 2 * value).astype(np.uint8)
    scipy.io.savemat(folder / f"{domain}_400.mat", {"fts": X, "labels": y[:, None]})
    return X, y


def test_amazon(tmp_path):
    X, y = write_amazon(tmp_path, "elec")
    other, labels = write_amazon(tmp_path, "books")
    pair = text.load_amazon(tmp_path, "elec", "books")
    check_form(pair, n_source=1998, n_target=2000, n_features=400)
    assert np.array_equal(pair.X, np.concatenate([X, other]))
    assert np.array_equal(pair.y, np.concatenate([y, labels]))


def test_damaged_amazon_is_refused(tmp_path):
    write_amazon(tmp_path, "dvd")
    write_amazon(tmp_path, "books", n_rows=1999)
    with pytest.raises(ValueError, match=r"1999 rows of 400 columns, expected 2000 \(books\)"):
        text.load_amazon(tmp_path)
    write_amazon(tmp_path, "books", n_labels=3)
    with pytest.raises(ValueError, match="has 3 labels of 2000 reviews"):
        text.load_amazon(tmp_path)
    write_amazon(tmp_path, "books", value=2)
    with pytest.raises(ValueError, match=r"labels: the value at 1 is .*2"):
        text.load_amazon(tmp_path)
    scipy.io.savemat(tmp_path / "books_400.mat", {"fts": np.ones((2, 2))})
    with pytest.raises(ValueError, match="not a file of reviews with fts and labels: 'labels'"):
        text.load_amazon(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"kitchen_400\.mat does not exist"):
        text.load_amazon(tmp_path, "kitchen", "dvd")
