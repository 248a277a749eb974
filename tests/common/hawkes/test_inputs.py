"""Events from arrays, tables and annotations: every estimator reads them in the same way."""

import mne
import numpy as np
import pandas as pd
import pytest

from common.hawkes import (
    HawkesEstimator,
    LikelihoodEstimator,
    MarkedHawkesEstimator,
    MixtureEstimator,
    TruncatedExponential,
    as_arrays,
    process_names,
)
from common.hawkes.residuals import rescaled_intervals
from common.recordings.annotations import annotate, events_from_raw, events_table

OPTIONS = {"kernel": TruncatedExponential(), "delta": 0.05, "kernel_length": 1.0}
RNG = np.random.default_rng(0)
FIRST, SECOND = (np.sort(RNG.uniform(0, 100, 150)) for _ in range(2))
MARKS = RNG.random(150)


def table(**names):
    """Both processes in one table, in the order of time."""
    both = pd.DataFrame(
        {
            names.get("time", "time"): [*FIRST, *SECOND],
            names.get("process", "process"): ["blink"] * 150 + ["alpha"] * 150,
            "mark": [*MARKS, *MARKS[::-1]],
        }
    )
    return both.sort_values(names.get("time", "time"))


def annotations(extra=()):
    onsets = [*FIRST, *SECOND, *extra]
    texts = ["blink"] * 150 + ["alpha"] * 150 + ["BAD_muscle"] * len(extra)
    return mne.Annotations(onsets, 0.0, texts)


@pytest.mark.parametrize("kind", [HawkesEstimator, LikelihoodEstimator])
def test_tables_and_annotations_have_the_fit_of_their_arrays(kind):
    expected = kind(**OPTIONS, max_iter=5, tol=10.0).fit([SECOND, FIRST], 100.0)
    for events in (
        table(),
        table(time="onset", process="description"),
        table(time="start", process="label"),
        annotations(),
        annotations(extra=[3.0, 50.0]),
        {"alpha": SECOND, "blink": FIRST},
        [pd.Series(SECOND), pd.DataFrame({"mark": MARKS, "time": FIRST})],
    ):
        found = kind(**OPTIONS, max_iter=5, tol=10.0).fit(events, 100.0)
        np.testing.assert_array_equal(found.adjacency_, expected.adjacency_)
        assert found.score(events, 100.0) == expected.score([SECOND, FIRST], 100.0)
        for one, other in zip(
            found.residuals(events, 100.0),
            expected.residuals([SECOND, FIRST], 100.0),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", [MarkedHawkesEstimator, MixtureEstimator])
def test_marks_come_from_the_column_of_that_name(kind):
    arrays = [np.column_stack([SECOND, MARKS[::-1]]), np.column_stack([FIRST, MARKS])]
    options = {**OPTIONS, "max_iter": 3, "tol": 10.0, "n_starts": 1, "random_state": 0}
    expected = kind(**options).fit(arrays, 100.0)
    found = kind(**options).fit(table(), 100.0)
    np.testing.assert_array_equal(found.baseline_, expected.baseline_)
    assert found.log_likelihood(table(), 100.0) == expected.log_likelihood(arrays, 100.0)
    np.testing.assert_array_equal(
        found.residuals(table(), 100.0)[1], expected.residuals(arrays, 100.0)[1]
    )


def test_events_of_a_recording_count_from_its_first_sample():
    raw = mne.io.RawArray(np.zeros((1, 3000)), mne.create_info(1, 100.0, "eeg"), first_samp=500)
    events = events_table(start=[1.0, 2.0, 8.0], end=[1.0, 2.0, 8.0], label=["a", "b", "a"])
    found = as_arrays(events_from_raw(annotate(raw, events)))
    assert [each.tolist() for each in found] == [[1.0, 8.0], [2.0]]


def test_names_are_in_the_order_of_the_processes():
    assert process_names(table()) == process_names(annotations()) == ["alpha", "blink"]
    assert process_names({"b": FIRST, "a": SECOND}) == ["b", "a"]
    assert process_names([FIRST, SECOND]) == [0, 1]
    assert process_names(table()[["time", "mark"]]) == [0]


def test_extras_of_annotations_are_columns():
    extras = [{"mark": 0.5}, {"mark": 1.0}]
    found = as_arrays(mne.Annotations([2.0, 1.0], 0, ["a", "a"], extras=extras), ("mark",))
    np.testing.assert_array_equal(found, [[[1.0, 1.0], [2.0, 0.5]]])


def test_what_is_no_table_comes_back_as_it_is():
    both = np.array([FIRST, SECOND])
    assert as_arrays(both) is both
    assert as_arrays([FIRST])[0] is FIRST


@pytest.mark.parametrize(
    ("events", "columns", "message"),
    [
        (
            pd.DataFrame({"t": [1.0]}), (),
            "events has no column of times, time, onset or start; its columns are t. Rename",
        ),
        (pd.DataFrame({"time": [1.0]}), ("mark",), "events has no column 'mark'; its columns are"),
        (
            pd.DataFrame({"time": [1.0, 2.0], "process": ["a", None]}), (),
            "row 1 of the events says nothing in the column 'process'",
        ),
        (
            pd.DataFrame({"time": pd.to_datetime(["2020-01-01"])}), (),
            r"column 'time' of events holds timestamps \(datetime64.*not seconds.*timedelta64",
        ),
        (
            [np.array([1, 2], "timedelta64[s]")], (),
            r"events\[0\] holds timestamps \(timedelta64\[s\]\), not seconds",
        ),
        (mne.Annotations([], [], []), (), "annotations are empty: there is no event to fit"),
        (
            mne.Annotations([1.0], [0.0], ["EDGE boundary"]), (),
            "no event: all 1 of them mark bad spans or seams",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(events, columns, message):
    with pytest.raises(ValueError, match=message):
        as_arrays(events, columns)


def test_functions_read_what_estimators_do():
    options = {"length": 1.0, "end_time": 100.0}
    model = [1.0, 1.0], np.full((2, 2), 0.1), TruncatedExponential(), [2.0]
    for found, expected in zip(
        rescaled_intervals(table(), *model, **options),
        rescaled_intervals([SECOND, FIRST], *model, **options),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)
