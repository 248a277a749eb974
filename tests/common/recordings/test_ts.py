"""Files of the `.ts` format, written here by hand."""

import numpy as np
import pytest

from common.recordings.ts import read_ts, restore_channels

HEADER = """# A comment, with : and , in it
#
@problemName Toy
@timestamps false
@univariate false
@equalLength true
@seriesLength 3
@classLabel true left right none
@data
"""


@pytest.fixture
def write(tmp_path):
    def to_file(text, *, encoding="utf-8"):
        file = tmp_path / "toy.ts"
        file.write_bytes(text.encode(encoding))
        return file

    return to_file


def test_cases_channels_values_and_labels(write):
    cases = read_ts(write(HEADER + "1,2,3:-4.5,5e-1,6:right\n7,8,9:10,11,12:left\n"))
    expected = [[[1, 2, 3], [-4.5, 0.5, 6]], [[7, 8, 9], [10, 11, 12]]]
    assert cases.X.dtype == float
    assert cases.X.tolist() == expected
    assert cases.y.tolist() == ["right", "left"]
    assert cases.classes == ("left", "right", "none")
    assert cases.problem == "Toy"


def test_numbers_keep_every_digit(write):
    value = float(np.nextafter(830.0366300366301, 1000))
    X = read_ts(write(HEADER + f"{value!r},0.1,1e-300:left\n")).X
    assert X.tolist() == [[[value, 0.1, 1e-300]]]


def test_univariate_and_labels_that_look_like_numbers(write):
    header = "@problemName one\n@univariate true\n@classLabel true 0 1\n@data\n"
    cases = read_ts(write(header + "1,2:0\n3,4:1\n"))
    assert cases.X.shape == (2, 1, 2)
    assert cases.y.tolist() == ["0", "1"]


def test_missing_values_are_nan(write):
    X = read_ts(write(HEADER + "1,?,3:?, ? ,NaN:left\n")).X
    expected = [[[1, np.nan, 3], [np.nan, np.nan, np.nan]]]
    np.testing.assert_array_equal(X, expected)


def test_line_ends_blank_lines_spaces_and_case_of_keywords_do_not_matter(write):
    plain = read_ts(write(HEADER + "1,2,3:left\n4,5,6:right\n"))
    header = HEADER.replace("@problemName", "@PROBLEMNAME\t").replace("@data", "@Data ")
    other = read_ts(write((header + "\n 1, 2 ,3:left \n\n4,5,6: right\n\n").replace("\n", "\r\n")))
    np.testing.assert_array_equal(other.X, plain.X)
    assert other.y.tolist() == plain.y.tolist()
    assert other.problem == "Toy"


def test_comment_in_another_encoding(write):
    text = HEADER.replace("comment", "±1000 µV") + "1,2,3:left\n"
    assert read_ts(write(text, encoding="latin-1")).X.shape == (1, 1, 3)


def test_what_the_header_says_of_the_length_is_not_used(write):
    # As in published files: 128 samples under @seriesLength 127, equal ones under @equalLength
    # false.
    text = HEADER.replace("@equalLength true", "@equalLength false\n@dimensions 7")
    assert read_ts(write(text + "1,2:3,4:left\n")).X.shape == (1, 2, 2)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.ts does not exist.*registry fetch NAME"):
        read_ts(tmp_path / "none.ts")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"@data\n": ""}, r"toy\.ts is not a \.ts file: it has no line @data"),
        ({"@problemName Toy\n": ""}, "lacks @problemName in its header"),
        (
            {"@problemName Toy\n": "", "@classLabel true left right none\n": ""},
            "lacks @problemName and @classLabel",
        ),
        ({"@timestamps false": "@timeStamps true"}, "has time stamps; only values at a fixed rate"),
        ({"true left right none": "false"}, "has no class labels: @classLabel says 'false'"),
        ({"true left right none": "true"}, "has no class labels: @classLabel says 'true'"),
        ({"true left right none": ""}, "has no class labels: @classLabel says ''"),
    ],
)
def test_errors_of_the_header(write, change, message):
    text = HEADER
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(ValueError, match=message):
        read_ts(write(text + "1,2,3:left\n"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("\n\n", r"has no case after @data"),
        # 9 lines of header, a case, a blank line.
        (
            "1,2:left\n\n1,2:up\n",
            "line 12: the label is 'up', not one of left, right, none",
        ),
        ("1,2:left\n1,2:3,\n", "line 11: the label is '3,', not one of"),  # cut short
        ("1,2:3,4:left\n1,2:left\n", "line 11: 1 channels, but 2 in the first case"),
        (
            "1,2:3,4:left\n1,2:3,4,5:left\n",
            "line 11: channel 1 has 3 values, but there are 2 in the first case. Only cases of eq",
        ),
        ("1,2:3:left\n", "line 10: channel 1 has 1 values, but there are 2"),
        ("1,2:left\n3,four:left\n", r"line 11: 'four' is not a number. A missing value is writ"),
        ("1,:left\n", "line 10: '' is not a number"),
        ("(0,1),(1,2):left\n", r"line 10: '\(0' is not a number"),
        ("1,2?:left\n", r"line 10: '2\?' is not a number"),
    ],
)
def test_errors_of_the_cases(write, body, message):
    with pytest.raises(ValueError, match=message):
        read_ts(write(HEADER + body))


@pytest.mark.parametrize(("n_channels", "n_times", "n_whole"), [(28, 50, 16), (6, 896, 1)])
def test_channels_cut_with_the_wrong_stride_are_restored(n_channels, n_times, n_whole):
    truth = np.random.default_rng(0).standard_normal((3, n_channels, n_times))
    truth[1, 0, 5] = np.nan
    rows = truth.reshape(3, -1)
    start = n_channels * np.arange(n_channels)
    wrong = rows[:, start[:, None] + np.arange(n_times)]
    restored = restore_channels(wrong)
    assert restored.shape == (3, n_whole, n_times)
    np.testing.assert_array_equal(restored, truth[:, :n_whole])


def test_proper_channels_are_not_restored():
    X = np.random.default_rng(0).standard_normal((2, 3, 10))
    with pytest.raises(ValueError, match="not windows of one series, 3 samples apart: use X as it"):
        restore_channels(X)
    with pytest.raises(ValueError, match=r"X must have shape \(n_cases, .* got \(3, 10\)"):
        restore_channels(X[0])
    with pytest.raises(ValueError, match=r"shape \(2, 3, 3\): at least two channels"):
        restore_channels(X[:, :, :3])
    with pytest.raises(ValueError, match=r"shape \(2, 1, 10\): at least two channels"):
        restore_channels(X[:, :1])
