"""Input that would give a wrong number in silence is refused, with the value in the message."""

from functools import partial

import numpy as np
import pytest

from common.events import (
    Events,
    Recording,
    average_windows,
    by_duration,
    coverage,
    decode_dense,
    decode_set,
    f1_event,
    iou,
    merge_windows,
    pad_targets,
    render,
    simulation,
    split_subjects,
    szcore,
    targets,
)
from common.events.recording import check_alike

NAN, INF = float("nan"), float("inf")
ONE = Events([1.0], [2.0], [1])
FOUND = Events([1.0], [2.0], [1], [0.9])
SURE = np.full((1, 4, 2), 0.5)
MASKED = np.ma.masked_greater([0.0, 8.0], 1.0)
OUTPUT = {"class": np.zeros((2, 1, 2)), "start": np.zeros((2, 1)), "end": np.ones((2, 1))}


def make(data=None, *, sfreq=10.0, events=ONE, subject="01", channels=("C3", "C4")):
    data = np.zeros((2, 100)) if data is None else data
    return Recording(subject, data, sfreq, channels, np.zeros((len(channels), 2)), events)


def spoilt(shape, at, value, fill=0.5):
    values = np.full(shape, fill)
    values[at] = value
    return values


def simulated(**options):
    rng = np.random.default_rng(0)
    values = {"subject": "01", "duration": 70.0, "sfreq": 50.0, "rng": rng, "subject_rng": rng}
    return simulation.simulate_recording(**(values | options))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # decoding
        (partial(decode_dense, spoilt((1, 4, 2), (0, 2, 1), NAN), window=4), r"got nan at index"),
        (
            partial(decode_dense, spoilt((4, 2), (2, 1), NAN), window=4),
            r"got nan at index \(2, 1\)",
        ),
        (partial(decode_dense, SURE * 8, window=4), r"at most 1, got 4.0 at index"),
        (partial(decode_dense, -SURE, window=4), r"at least 0 and at most 1, got -0.5 at index"),
        (partial(decode_dense, SURE, window=NAN), "window must be above 0 s, got nan s"),
        (
            partial(decode_dense, SURE, window=4, minimum=NAN),
            "minimum must be at least 0 s, got nan",
        ),
        (partial(decode_dense, SURE, [NAN], window=4), r"starts must be .*got nan s at index 0"),
        (partial(average_windows, SURE, [0], window=0), "window must be above 0 s, got 0 s"),
        (partial(average_windows, SURE, MASKED[1:], window=4), "starts is a masked array with 1"),
        (partial(decode_dense, SURE, MASKED[1:], window=4), "starts is a masked array with 1"),
        (partial(decode_dense, SURE, ["1"], window=4), "starts must hold numbers, got"),
        (partial(decode_dense, SURE, [1j], window=4), "starts must hold numbers, got"),
        (
            partial(decode_dense, np.zeros((1, 0, 2)), window=4),
            r"probabilities of shape \(1, 0, 2\) hold no token: windows need one at least",
        ),
        (partial(average_windows, np.zeros((0, 0, 2)), [], window=4), "hold no token"),
        (partial(decode_set, OUTPUT, window=8, start=MASKED), "start is a masked array with 1"),
        (
            partial(decode_set, OUTPUT | {"start": np.ma.masked_less([[0.5], [0]], 0.2)}, window=8),
            "start of the output is a masked array with 1 masked values",
        ),
        (
            partial(decode_set, OUTPUT | {"end": np.full((2, 1), 1j)}, window=8),
            "end of the output must hold real numbers, got complex128",
        ),
        (
            partial(decode_set, OUTPUT | {"end": [["1"], ["1"]]}, window=8),
            "end of the output must hold real numbers, got <U1",
        ),
        (partial(decode_set, OUTPUT, window=-8), "window must be above 0 s, got -8 s"),
        (
            partial(decode_set, OUTPUT, window=8, start=[0, NAN]),
            "start must be finite, got nan s",
        ),
        (
            partial(decode_set, OUTPUT, window=8, start=[0, 8, 16]),
            "must have one length, but windows has 2, start has 3",
        ),
        # merging
        (
            partial(merge_windows, [FOUND], [0], window=8, minimum_agreement=50),
            "minimum_agreement must be at least 0 and at most 1, got 50",
        ),
        (partial(merge_windows, [FOUND], [0], window=NAN), "window must be above 0 s, got nan s"),
        (
            partial(merge_windows, [FOUND], [NAN], window=8),
            "starts must be .* got nan s at index 0",
        ),
        (
            partial(merge_windows, [FOUND], [0], window=8, iou_threshold=50),
            "iou_threshold must be above 0 and at most 1, got 50",
        ),
        (partial(merge_windows, [FOUND], [0], window=8, edge=NAN), "edge must be .* got nan s"),
        # windows
        (partial(targets, ONE, NAN, window=8), "start must be finite, got nan s"),
        (partial(targets, ONE, 0, window=-8), "window must be above 0 s, got -8 s"),
        (partial(targets, ONE, 0, window=8, minimum=NAN), "minimum must be at least 0 s, got nan"),
        (
            partial(coverage, ONE, [0, NAN], window=8),
            "starts must be finite, got nan s at index 1",
        ),
        (partial(coverage, ONE, [0], window=NAN), "window must be above 0 s, got nan s"),
        (partial(coverage, ONE, [0], window=8, minimum=-1), "minimum must be at least 0 s, got -1"),
        (partial(pad_targets, [ONE], window=0, n_queries=5), "window must be above 0 s, got 0 s"),
        (partial(pad_targets, [], window=8, n_queries=0), "n_queries must be at least 1, got 0"),
        (
            partial(pad_targets, [], window=8, n_queries=5, max_events=0),
            "max_events must be at least 1, got 0",
        ),
        # scores
        (partial(by_duration, FOUND, ONE, cuts=[1, NAN]), "cuts must be .* got nan s at index 1"),
        (partial(by_duration, FOUND, ONE, cuts=[-1, 2]), "above 0 s, got -1.0 s at index 0"),
        (partial(f1_event, FOUND, ONE, iou_threshold=NAN), "iou_threshold must be .*, got nan"),
        (partial(iou, 0.0, NAN, 0.0, 1.0), "start and end must be finite, got nan"),
        (partial(iou, [0, 2], [1, 1], 0.0, 1.0), "start and end: event 1 ends before it starts"),
        (partial(render, ONE, n_classes=0, duration=8, rate=1), "n_classes must be at least 1"),
        (partial(render, ONE, n_classes=1, duration=NAN, rate=1), "duration must be above 0 s"),
        (partial(render, ONE, n_classes=1, duration=8, rate=INF), "rate must be .* got inf Hz"),
        (partial(szcore, ONE, FOUND, duration=NAN), "duration must be above 0 s, got nan s"),
        (partial(szcore, ONE, FOUND, duration=8, label=0), "label must be at least 1, got 0"),
        (
            partial(split_subjects, "abcd", n_folds=2, fold=0, valid_fraction=NAN),
            "valid_fraction must be at least 0 and below 1, got nan",
        ),
        # events and recordings
        (partial(ONE.clip, NAN, 2), r"cannot clip to \[nan, 2\] s: times must be numbers"),
        (partial(ONE.clip, 0, 2, minimum=NAN), "minimum must be at least 0 s, got nan s"),
        (
            partial(Events, np.ma.array([1.0], mask=[True]), [2.0], [1]),
            "start is a masked array with 1 masked values",
        ),
        (
            partial(make, spoilt((2, 100), (1, 3), NAN)),
            r"data of the recording of 01 must be finite, got nan at index \(1, 3\)",
        ),
        (partial(make, sfreq=0.0), "sfreq of the recording of 01 must be above 0 Hz, got 0.0 Hz"),
        (partial(make, sfreq=NAN), "sfreq of the recording of 01 must be above 0 Hz, got nan Hz"),
        (partial(make, channels=("C3", "C3")), "recording of 01 has two channels called 'C3'"),
        (partial(make().crop, NAN, 5), "start must be finite, got nan s"),
        (partial(make().windows, [0, NAN], 10), "starts must be finite, got nan s at index 1"),
        (partial(make().windows, [0], 0), "n_times must be at least 1, got 0"),
        (partial(check_alike, []), "there is no recording"),
        (
            partial(check_alike, [make(), make(sfreq=20.0, subject="02")]),
            "recordings of 01 and 02 differ: 10 Hz, .* against 20 Hz",
        ),
        (
            partial(check_alike, [make(events=Events([1], [2], [7]))], n_classes=2),
            "the recording of 01 has an event of class 7, but n_classes=2",
        ),
        # simulation
        (partial(simulated, duration=NAN), "duration must be above 0 s, got nan s"),
        (partial(simulated, sfreq=-50.0), "sfreq must be above 0 Hz, got -50.0 Hz"),
        (partial(simulated, amplitude=NAN), "amplitude must be at least 0, got nan"),
        (
            partial(simulation.EventClass, "a", (2, 1), 9.0, 0.0, 1.0, (0, 0), 0.3, 1.0),
            "longest duration of a must be above 2 s, got 1 s",
        ),
        (
            partial(simulation.EventClass, "a", (1, 2), 9.0, 0.0, 0.0, (0, 0), 0.3, 1.0),
            "rate of a must be above 0 a minute, got 0.0",
        ),
    ],
)
def test_wrong_input_is_one_clear_error(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_a_seed_is_no_generator():
    with pytest.raises(TypeError, match=r"rng must be a numpy.random.Generator, got 0"):
        simulated(rng=0)


# What needs torch


def criterion_of(**spoil):
    torch = pytest.importorskip("torch")
    from common.events.criterion import SetCriterion

    times = {"start": torch.tensor([[0.0, 0.3]]), "end": torch.tensor([[0.1, 0.5]])}
    output = {name: value.clone() for name, value in times.items()}
    output |= {"class": torch.zeros(1, 2, 3), "dense": torch.zeros(1, 4, 3)}
    truth = {**times, "class": torch.tensor([[1, 2]])}
    truth |= {name: torch.tensor(value) for name, value in spoil.items()}
    return SetCriterion(), output, truth


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"end": [[0.1, 5.0]]}, "event 1 of window 0 goes from 0.3 to 5; .* in seconds"),
        ({"start": [[-1.0, 0.3]]}, "event 0 of window 0 goes from -1 to 0.1"),
        ({"start": [[0.0, NAN]]}, "event 1 of window 0 goes from nan to 0.5"),
        ({"start": [[0.2, 0.3]]}, "event 0 of window 0 goes from 0.2 to 0.1"),
        ({"class": [[1.0, 1.7]]}, r"target class must hold whole numbers, got torch.float32"),
        ({"class": [[True, False]]}, r"target class must hold whole numbers, got torch.bool"),
        ({"class": [[1, 1j]]}, r"target class must hold whole numbers, got torch.complex64"),
        ({"class": [[1, 3]]}, "target class has the label 3; labels are 0 to 2"),
        ({"class": [[1, -1]]}, "target class has the label -1; labels are 0 to 2"),
        ({"dense": [[0, 0, 7, 0]]}, "target dense has the label 7; labels are 0 to 2"),
    ],
)
def test_targets_of_the_criterion_are_fractions_and_known_classes(spoil, message):
    from common.events.criterion import dense_labels, match

    criterion, output, truth = criterion_of(**spoil)
    with pytest.raises(ValueError, match=message):
        criterion(output, truth)
    if "dense" not in spoil:
        with pytest.raises(ValueError, match=message):
            match(output, truth)
    if "dense" not in spoil and "3" not in str(spoil.get("class")):
        with pytest.raises(ValueError, match=message.split(";")[0]):
            dense_labels(truth, 4)


@pytest.mark.parametrize("name", ["start", "end"])
def test_a_network_that_answers_nan_has_diverged(name):
    import torch

    from common.events.criterion import SetCriterion, render_queries

    criterion, output, truth = criterion_of()
    output[name][0, 1] = NAN
    message = f"output {name} is nan for query 1 of window 0, one of 1 such values. Has training"
    for loss in (criterion, SetCriterion(weight_consistency=0.0)):
        with pytest.raises(ValueError, match=message):
            loss(output, truth)
    with pytest.raises(ValueError, match=message):
        render_queries(output["class"], output["start"], output["end"], 4)
    output[name][0, 1] = torch.inf  # it lies beyond the window, hence at none of its tokens
    render_queries(output["class"], output["start"], output["end"], 4)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int8", "int32"])
def test_labels_are_whole_numbers_of_any_size(kind):
    import torch

    from common.events.criterion import dense_labels, match

    criterion, output, truth = criterion_of()
    truth["dense"] = torch.tensor([[0, 1, 2, 0]])
    small = truth | {name: truth[name].to(getattr(torch, kind)) for name in ("class", "dense")}
    assert torch.equal(criterion(output, small)[0], criterion(output, truth)[0])
    assert torch.equal(dense_labels(small, 4), dense_labels(truth, 4))
    assert all(map(torch.equal, match(output, small), match(output, truth)))


def test_padding_may_hold_anything():
    criterion, output, truth = criterion_of(**{"class": [[1, 0]], "end": [[0.1, 9.0]]})
    assert criterion(output, truth)[0].isfinite()


def test_weights_and_tokens():
    from common.events.criterion import SetCriterion, dense_labels, render_queries

    _, output, truth = criterion_of()
    with pytest.raises(ValueError, match="weight_dense must be at least 0, got inf"):
        SetCriterion(weight_dense=INF)
    with pytest.raises(ValueError, match="n_tokens must be at least 1, got 0"):
        dense_labels(truth, 0)
    with pytest.raises(ValueError, match="n_tokens must be at least 1, got 0"):
        render_queries(output["class"], output["start"], output["end"], 0)


def batches(recordings, **options):
    from common.events.training import random_windows

    values = {"window": 4.0, "n_queries": 5, "batch_size": 2, "rng": np.random.default_rng(0)}
    return next(random_windows(recordings, **(values | options)))


@pytest.mark.parametrize(
    ("recordings", "options", "message"),
    [
        ([], {}, "there is no recording"),
        ([make(), make(sfreq=20.0)], {}, "recordings of 01 and 01 differ"),
        ([make()], {"window": NAN}, "window must be above 0 s, got nan s"),
        ([make()], {"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ([make()], {"sampler": (NAN, 5)}, "a of the sampler must be .* got nan"),
        ([make()], {"sampler": (0.1, -1)}, "b of the sampler must be at least 0, got -1"),
        ([make(events=Events.empty())], {"sampler": (0, 5)}, r"sampler=\(0, 5\) draws no window"),
        ([make()], {"overlap": NAN}, "overlap must be at least 0 and below 1, got nan"),
    ],
)
def test_windows_that_cannot_be_drawn(recordings, options, message):
    with pytest.raises(ValueError, match=message):
        batches(recordings, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_steps": 0}, "n_steps must be at least 1, got 0"),
        ({"lr": NAN}, "lr must be above 0, got nan"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"patience": 0}, "patience must be at least 1, got 0"),
    ],
)
def test_stages_have_steps_and_a_rate(options, message):
    from common.events.training import Stage

    with pytest.raises(ValueError, match=message):
        Stage(**({"trains": "all", "n_steps": 1, "lr": 0.1, "batch_size": 8} | options))


def test_baselines_check_classes_windows_and_priors():
    import torch

    from common.events import baselines

    seven = make(events=Events([1], [2], [7]))
    with pytest.raises(ValueError, match="an event of class 7, but n_classes=2"):
        baselines.class_shares([seven], n_classes=2)
    options = {"n_steps": 1, "lr": 0.1, "batch_size": 2, "background": True}
    options |= {"rng": np.random.default_rng(0), "n_classes": 2, "window": 1.0}
    with pytest.raises(ValueError, match="an event of class 7, but n_classes=2"):
        baselines.train_classifier([seven], **options)
    with pytest.raises(ValueError, match="window must be above 0 s, got nan s"):
        baselines.train_classifier([make()], **(options | {"window": NAN}))

    class Even(torch.nn.Module):
        def forward(self, X):
            return torch.zeros(len(X), 2)

    slide = partial(baselines.slide, Even(), make())
    with pytest.raises(ValueError, match="stride must be above 0 and at most 10 s, got 11"):
        slide(window=1.0, stride=11)
    with pytest.raises(ValueError, match="prior has 3, classes has 2"):
        slide(window=1.0, stride=1.0, prior=[0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match=r"prior must be .* got nan at index 1"):
        slide(window=1.0, stride=1.0, prior=[0.5, NAN])
    with pytest.raises(ValueError, match="window must be above 0 s, got 0 s"):
        baselines.classify_events(Even(), make(), window=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_classes": 0}, "n_classes must be at least 1, got 0"),
        ({"n_queries": 0}, "n_queries must be at least 1, got 0"),
        ({"sfreq": NAN}, "sfreq must be above 0 Hz, got nan Hz"),
        ({"window": -1}, "window must be above 0 s, got -1 s"),
        ({"conv_dropout": 1.0}, "conv_dropout must be at least 0 and below 1, got 1.0"),
        ({"positions": {"C3": (0.1, NAN)}}, "position of channel C3 must be finite, got nan"),
    ],
)
def test_networks_that_cannot_be_built(options, message):
    pytest.importorskip("torch")
    from common.events.model import dance

    values = {"n_classes": 2, "positions": {"C3": (0.1, 0.2)}, "sfreq": 16.0, "window": 4.0}
    with pytest.raises(ValueError, match=message):
        dance(**(values | {"n_queries": 3} | options))
