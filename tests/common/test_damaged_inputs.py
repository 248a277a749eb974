"""What servers, broken downloads and other programs leave in the place of data."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest
import scipy.io

from common import files
from common.adaptation.datasets import (
    load_digit_images,
    load_mushrooms,
    load_phishing,
    load_websites,
)
from common.adaptation.text import load_amazon
from common.recordings import (
    find_camcan,
    read_camcan,
    read_eeghdf,
    read_ts,
    read_tuh,
    read_tuh_events,
)
from common.scattering.digits import read_recordings
from common.scattering.images import read_cifar10, read_digits
from common.scattering.molecules import read_g2, read_qm7


def read_participants(path):
    path.rename(path.with_name("participants.tsv"))
    find_camcan(path.parent)


def amazon(path):
    path.rename(path.with_name("dvd_400.mat"))
    load_amazon(path.parent, "dvd", "books")


def tuh(path):
    edf = path.rename(path.with_suffix(".edf"))
    path.write_text("channel,start_time,stop_time,label,confidence\n")
    read_tuh(edf)


READERS = {
    "csv": files.read_csv,
    "json": files.read_json,
    "npz": files.read_npz,
    "cases": read_ts,
    "eeghdf": read_eeghdf,
    "Cam-CAN": lambda path: read_camcan(path, sfreq=10.0),
    "participants": read_participants,
    "TUSZ": tuh,
    "TUSZ's events": read_tuh_events,
    "mushrooms": load_mushrooms,
    "phishing": load_phishing,
    "websites": load_websites,
    "images": load_digit_images,
    "reviews": amazon,
    "spoken digits": read_recordings,
    "MNIST": read_digits,
    "CIFAR": read_cifar10,
    "QM7": read_qm7,
    "G2": read_g2,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r" is empty\. Get it again"),
        (b"<!doctype html><title>404</title>", r" is a web page, not data: .*\. Get it again"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            r" is a pointer of Git LFS.*git lfs pull",
        ),
    ],
    ids=["empty", "web page", "LFS"],
)
def test_what_is_no_data_is_named(tmp_path, name, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        READERS[name](tmp_path / "a.csv")
    assert str(error.value).startswith(f"{tmp_path.as_posix()}/")


def broken(kind):
    """A file whose end is lost."""
    rng = np.random.default_rng(0)
    if kind == "gzip":
        return gzip.compress(rng.bytes(1000))[:-100]
    if kind == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("0_a_0.wav", rng.bytes(1000))
        return buffer.getvalue()[:-100]
    return rng.bytes(1000)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("Cam-CAN", "bytes", "cannot be read as a FIF file"),
        ("websites", "gzip", "cannot be read as a table of comma-separated values .*end-of-stream"),
        ("images", "gzip", "cannot be read as a table of comma-separated values .*end-of-stream"),
        ("MNIST", "gzip", "cannot be read as a table of numbers, compressed or not"),
        ("reviews", "bytes", "cannot be read as a MATLAB file"),
        ("spoken digits", "zip", "cannot be read as a zip archive .*not a zip file"),
        ("QM7", "zip", "no zip archive"),
        ("TUSZ's events", "bytes", "NUL byte in line|not in UTF-8"),
        ("phishing", "bytes", "NUL byte in line|not in UTF-8"),
        ("participants", "bytes", "NUL byte in line|not in UTF-8"),
    ],
)
def test_a_file_that_is_cut_short_or_garbage_is_named(tmp_path, name, kind, message):
    (tmp_path / "a.csv").write_bytes(broken(kind))
    with pytest.raises(ValueError, match=message) as error:
        READERS[name](tmp_path / "a.csv")
    assert tmp_path.as_posix() in str(error.value)


def test_a_damaged_part_of_an_archive_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("recordings/0_a_0.wav", b"RIFF no wave")
    with pytest.raises(ValueError, match=r"a\.zip is damaged in recordings/0_a_0\.wav \("):
        read_recordings(tmp_path / "a.zip")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"no wave")] ^= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged in recordings/0_a_0\.wav \(Bad CRC"):
        read_recordings(tmp_path / "a.zip")


def test_matlab_files_lacking_an_array_are_named(tmp_path):
    scipy.io.savemat(tmp_path / "dvd_400.mat", {"fts": np.zeros((2, 400))})
    with pytest.raises(ValueError, match="not a file of reviews with fts and labels: 'labels'"):
        load_amazon(tmp_path, "dvd", "books")


def test_a_tar_archive_that_is_cut_short_is_named(tmp_path):
    (tmp_path / "data").write_bytes(np.random.default_rng(0).bytes(10**5))
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "data", "cifar-10-batches-py/data_batch_1")
    content = (tmp_path / "a.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="is not a tar archive, or is cut short"):
        read_cifar10(tmp_path / "a.tar.gz")


def test_errors_of_the_machine_are_not_blamed_on_the_file(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(MemoryError), files.reading(tmp_path / "a", "a table"):
        raise MemoryError
    message = r"a cannot be read as a table \(KeyError\)\. Get it again"
    with pytest.raises(ValueError, match=message), files.reading(tmp_path / "a", "a table"):
        raise KeyError
