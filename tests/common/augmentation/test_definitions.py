"""What each transformation does, and how examples are drawn."""

import functools
import pickle

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from braindecode.augmentation import functional as library

from common.augmentation.catalog import AUGMENTATIONS, augment_batch, make_transform
from common.augmentation.transforms import (
    ChannelsDropout,
    ChannelsShuffle,
    ChannelsSymmetry,
    FrequencyShift,
    FTSurrogate,
    GaussianNoise,
    SignFlip,
    SmoothTimeMask,
    TimeReverse,
    frequency_shift,
    ft_surrogate,
    mirror_permutation,
    smooth_time_mask,
)

NAMES = ["Fz", "C3", "Cz", "C4", "P3", "Pz", "P4", "Oz"]
EVERY = {"seed": 0, "probability": 1.0}
EXACT = {"atol": 0, "rtol": 0}


def windows(n_examples=6, n_channels=8, n_times=250, *, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_examples, n_channels, n_times, generator=generator, dtype=dtype)


def study_transform(name, **options):
    settings = {"task": "bci", "sfreq": 250, "ch_names": NAMES, "seed": 3} | options
    return make_transform(name, **settings)


def within_binomial(n_successes, n_trials, probability):
    """Not less likely than one in 10,000: seeds are fixed, so this passes always or never."""
    return scipy.stats.binomtest(n_successes, n_trials, probability).pvalue > 1e-4


# Definitions


def test_time_reverse_and_sign_flip_are_exact():
    X = windows()
    torch.testing.assert_close(TimeReverse(**EVERY)(X), X[..., range(249, -1, -1)], **EXACT)
    torch.testing.assert_close(SignFlip(**EVERY)(X), -X, **EXACT)


@pytest.mark.parametrize("n_times", [250, 251])
@pytest.mark.parametrize("channel_indep", [True, False])
def test_surrogate_keeps_amplitudes_mean_and_nyquist(n_times, channel_indep):
    X = windows(n_times=n_times, dtype=torch.float64) + 0.5
    shape = (6, 8 if channel_indep else 1, (n_times - 1) // 2)
    phases = 2 * np.pi * torch.rand(shape, generator=torch.Generator().manual_seed(1)).double()
    before, after = torch.fft.rfft(X), torch.fft.rfft(ft_surrogate(X, phases))
    torch.testing.assert_close(after.abs(), before.abs(), rtol=1e-9, atol=1e-9)
    edges = [0, n_times // 2] if n_times % 2 == 0 else [0]
    torch.testing.assert_close(after[..., edges], before[..., edges], rtol=1e-9, atol=1e-9)
    turn = torch.polar(torch.ones_like(phases), phases)
    inner = slice(1, (n_times + 1) // 2)
    torch.testing.assert_close(after[..., inner], before[..., inner] * turn, rtol=1e-9, atol=1e-9)
    # As it is used, in single precision, whose rounding spreads over all frequencies.
    transform = FTSurrogate(phase_noise_magnitude=1.0, channel_indep=channel_indep, **EVERY)
    single = torch.fft.rfft(transform(X).double())
    assert (single.abs() - before.abs()).abs().max() < 1e-6 * before.abs().max()
    assert not torch.allclose(single, before, rtol=0.1)


def phases_of(transform, X):
    """What the phases of X were turned by, in turns between 0 and 1."""
    turn = torch.fft.rfft(transform(X).double()) / torch.fft.rfft(X.double())
    return (turn[..., 1 : (X.shape[-1] + 1) // 2].angle() / (2 * np.pi)) % 1


@pytest.mark.parametrize("task", ["sleep", "bci"])
def test_surrogate_draws_phases_per_example_and_by_task_per_channel(task):
    # An impulse has the same amplitude at all frequencies, so that phases are well defined.
    X = torch.zeros(40, 3, 300)
    X[..., 10] = 1
    turns = phases_of(study_transform("ft-surrogate", task=task, value=1.0, probability=1.0), X)
    assert (turns[1:] - turns[0]).abs().amax(-1).min() > 0.1  # one vector each, not one a batch
    between = (turns[:, 1:] - turns[:, :1]).abs().amax(-1)
    if task == "sleep":
        assert between.min() > 0.1
    else:
        # Equal up to single precision, around the circle.
        assert torch.minimum(between, 1 - between).max() < 1e-5


@pytest.mark.parametrize("magnitude", [0.3, 0.8])
def test_surrogate_phases_are_uniform_up_to_the_magnitude(magnitude):
    X = torch.zeros(40, 3, 300)
    X[..., 10] = 1
    transform = FTSurrogate(phase_noise_magnitude=magnitude, channel_indep=True, **EVERY)
    turns = phases_of(transform, X)
    assert turns.std(0).min() > 0.15 * magnitude  # every frequency; that of a uniform is 0.29
    turns = turns.flatten().numpy()
    assert scipy.stats.kstest(turns / magnitude, "uniform").pvalue > 1e-4


def test_surrogate_agrees_with_braindecode():
    for n_times, indep in ((250, True), (251, False)):
        X = windows(n_times=n_times)
        shape = (6, 8 if indep else 1, (n_times - 1) // 2)
        phases = 2 * np.pi * 0.7 * np.random.RandomState(5).random_sample(shape)
        theirs, _ = library.ft_surrogate(X, None, 0.7, indep, np.random.RandomState(5))
        ours = ft_surrogate(X, torch.from_numpy(phases).float())
        # Single precision: sums over 250 samples of order 1.
        torch.testing.assert_close(ours, theirs, atol=3e-6, rtol=0)


@pytest.mark.parametrize("shift", [-3.0, 0.7, 3.0])
def test_frequency_shift_moves_a_tone(shift):
    # A whole number of periods in 1024 samples, which need no padding: no leakage.
    sfreq, n_times = 128.0, 1024
    time = torch.arange(n_times, dtype=torch.float64) / sfreq
    X = torch.cos(2 * np.pi * 10 * time)[None, None]
    expected = torch.cos(2 * np.pi * (10 + shift) * time)[None, None]
    shifts = torch.tensor([shift], dtype=torch.float64)
    torch.testing.assert_close(frequency_shift(X, shifts, sfreq=sfreq), expected)


@pytest.mark.parametrize("n_times", [1, 2, 100, 250, 256])
def test_frequency_shift_agrees_with_braindecode(n_times):
    X = windows(n_times=n_times)
    shifts = torch.linspace(-3, 3, 6, dtype=torch.float64)
    theirs, _ = library.frequency_shift(X, None, shifts, 250)
    # Theirs takes time and phase in single precision.
    torch.testing.assert_close(frequency_shift(X, shifts, sfreq=250), theirs, atol=1e-5, rtol=0)


def test_frequency_shift_draws_one_shift_an_example_uniformly():
    # A tone of four seconds: the peak of its padded spectrum gives the shift within 1/64 Hz.
    sfreq, n_times = 128.0, 512
    tone = torch.cos(2 * np.pi * 20 * torch.arange(n_times) / sfreq).expand(200, 2, n_times)
    moved = FrequencyShift(max_shift=2.7, sfreq=sfreq, **EVERY)(tone)
    peak = torch.fft.rfft(moved, n=16 * n_times).abs().argmax(-1) * sfreq / (16 * n_times)
    assert torch.equal(peak[:, 0], peak[:, 1])
    shifts = (peak[:, 0] - 20).numpy()
    assert np.abs(shifts).max() < 2.7 + 1 / 64
    assert scipy.stats.kstest((shifts + 2.7) / 5.4, "uniform").pvalue > 1e-4


def test_noise_is_white_and_of_the_given_deviation():
    X = windows(50, 4, 500)
    noise = (GaussianNoise(sigma=0.16, **EVERY)(X) - X).double() / 0.16
    assert scipy.stats.kstest(noise.flatten().numpy(), "norm").pvalue > 1e-4
    # 5 standard errors of an average over 100,000, and of correlations over 2,000.
    assert noise.std().item() == pytest.approx(1, abs=5 / np.sqrt(2e5))
    between = torch.corrcoef(noise.flatten(1)) - torch.eye(50)
    assert between.abs().max() < 5 / np.sqrt(2000)


def test_mask_has_the_defined_shape():
    n_times, length = 1000, 200
    starts = torch.tensor([0.0, 123.4, 800.0], dtype=torch.float64)
    mask = smooth_time_mask(torch.ones(3, 2, n_times).double(), starts, mask_length=length)
    since = np.arange(n_times) - starts.numpy()[:, None]
    expected = scipy.special.expit(-since) + scipy.special.expit(since - length)  # s = 1000/T = 1
    np.testing.assert_allclose(mask[:, 1].numpy(), expected, rtol=1e-12)
    torch.testing.assert_close(mask[:, 0], mask[:, 1], **EXACT)  # the same for all channels


def test_mask_agrees_with_braindecode():
    X, starts = windows(), torch.linspace(0, 200, 6).double()
    theirs, _ = library.smooth_time_mask(X, None, starts, 50)
    torch.testing.assert_close(smooth_time_mask(X, starts, mask_length=50), theirs)


def test_mask_starts_are_uniform_and_inside_the_window():
    masked = SmoothTimeMask(mask_length=400, **EVERY)(torch.ones(300, 1, 1000))[:, 0]
    removed = (1 - masked).double()
    # The logistic edges are symmetric: the centroid of what is removed is the middle of the mask,
    # up to what is cut off at the ends of the window, a few samples.
    middle = (removed * torch.arange(1000)).sum(1) / removed.sum(1)
    starts = (middle - 200).numpy()
    assert starts.min() > -3 and starts.max() < 603
    assert scipy.stats.kstest(starts.clip(0, 600) / 600, "uniform").pvalue > 1e-4


def test_mask_of_length_zero_changes_nothing_and_a_long_one_does_not_fit():
    X = windows()
    torch.testing.assert_close(SmoothTimeMask(mask_length=0, **EVERY)(X), X, **EXACT)
    with pytest.raises(ValueError, match=r"mask of 251 samples does not fit in a window of 250"):
        SmoothTimeMask(mask_length=251, **EVERY)(X)


@pytest.mark.parametrize("p_drop", [0.0, 0.1, 0.4, 1.0])
def test_dropout_zeroes_whole_channels_at_the_rate_and_leaves_the_others(p_drop):
    X = windows(400, 8, 20)
    out = ChannelsDropout(p_drop=p_drop, **EVERY)(X)
    zero, same = (out == 0).all(-1), (out == X).all(-1)
    assert torch.all(zero ^ same)  # nothing between: braindecode scales some channels
    assert within_binomial(int(zero.sum()), zero.numel(), p_drop)
    # Examples draw independently: numbers of dropped channels are binomial.
    assert zero.sum(1).double().var().item() == pytest.approx(8 * p_drop * (1 - p_drop), rel=0.3)


def test_dropout_scales_no_channel_where_braindecode_does():
    X = torch.ones(2000, 8, 1)
    theirs, _ = library.channels_dropout(X, None, 0.4, np.random.RandomState(0))
    between = ((theirs > 0.01) & (theirs < 0.99)).double().mean()
    # The logistic function is inside (0.01, 0.99) on an interval of length 2 log(99) / 1000.
    assert between.item() == pytest.approx(2 * np.log(99) / 1000, rel=0.3)
    ours = ChannelsDropout(p_drop=0.4, **EVERY)(X)
    assert torch.all((ours == 0) | (ours == 1))


@pytest.mark.parametrize("p_shuffle", [0.0, 0.1, 0.8, 1.0])
def test_shuffle_permutes_the_picked_channels_uniformly(p_shuffle):
    n_examples, n_channels = 3000, 3
    X = torch.arange(n_channels).float().expand(n_examples, n_channels)[..., None]
    order = ChannelsShuffle(p_shuffle=p_shuffle, **EVERY)(X.contiguous())[..., 0].int()
    assert torch.equal(order.sort(1).values, torch.arange(3).int().expand_as(order))
    # Probability of each permutation: that of picking two (or three) channels, times that of it
    # among the permutations of what is picked.
    p, q = p_shuffle, 1 - p_shuffle
    expected = {(0, 2, 1): p**2 * q / 2 + p**3 / 6, (1, 2, 0): p**3 / 6}
    for permutation, probability in expected.items():
        found = int((order == torch.tensor(permutation)).all(1).sum())
        assert within_binomial(found, n_examples, probability)


def test_symmetry_is_an_involution_and_swaps_homologues():
    X = windows()
    transform = ChannelsSymmetry(ch_names=NAMES, **EVERY)
    torch.testing.assert_close(transform(X), X[:, [0, 3, 2, 1, 6, 5, 4, 7]], **EXACT)
    torch.testing.assert_close(transform(transform(X)), X, **EXACT)
    theirs = library.channels_permute(X, None, mirror_permutation(NAMES))[0]
    torch.testing.assert_close(transform(X), theirs, **EXACT)


def test_symmetry_leaves_midline_channels_and_those_without_partner():
    X = windows(n_channels=2)
    transform = study_transform("channels-symmetry", ch_names=["Fpz", "Pz"], probability=1.0)
    torch.testing.assert_close(transform(X), X, **EXACT)
    assert mirror_permutation(["FT9", "T7", "FT10", "P10", "Oz"]) == [2, 1, 0, 3, 4]


# Who is transformed, and with which numbers


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_each_example_is_drawn_with_the_probability(probability):
    X = windows(2000, 1, 4)
    out = SignFlip(seed=1, probability=probability)(X)
    flipped = (out != X).all(-1).all(-1)
    torch.testing.assert_close(out[~flipped], X[~flipped], **EXACT)
    assert within_binomial(int(flipped.sum()), 2000, probability)
    # Runs: neighbours are independent.
    if probability == 0.5:
        assert within_binomial(int((flipped[1:] == flipped[:-1]).sum()), 1999, 0.5)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_half_of_the_examples_are_transformed_by_default(name):
    X = windows(200, 8, 500)
    value = {"smooth-time-mask": 1.0, "channels-shuffle": 1.0}.get(name)
    out = study_transform(name, value=value)(X)
    assert out.dtype == torch.float32 and out.shape == X.shape and torch.isfinite(out).all()
    n_changed = int((out != X).any(-1).any(-1).sum())
    assert within_binomial(n_changed, 200, 0.5)


@pytest.mark.parametrize("name", [*AUGMENTATIONS, "identity", "own.amplitude_scale"])
def test_same_seed_same_result_and_the_input_stays(name):
    X, y = windows(20, 8, 500), torch.arange(20)
    before = X.clone()
    first, labels = study_transform(name)(X, y)
    again, _ = study_transform(name)(X, y)
    torch.testing.assert_close(first, again, **EXACT)
    assert torch.equal(labels, y) and torch.equal(X, before)
    if name != "identity":
        other, _ = study_transform(name, seed=4)(X, y)
        assert not torch.equal(first, other)
        # Another epoch, other numbers: the calls go on where they were.
        transform = study_transform(name)
        assert not torch.equal(transform(X), transform(X))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_neither_cut_nor_order_of_batches_matters(name):
    # Fast Fourier and matrix products may round differently with the number of rows.
    close = {"atol": 3e-6, "rtol": 0}
    X = windows(20, 8, 500)
    whole = study_transform(name)(X)
    transform = study_transform(name)
    parts = torch.cat([transform(X[:7]), transform(X[7:8]), transform(X[8:])])
    torch.testing.assert_close(parts, whole, **close)
    order = np.random.default_rng(0).permutation(20)
    transform, named = study_transform(name), torch.empty_like(X)
    for rows in np.split(order, [4, 15]):
        named[rows] = transform(X[rows], indices=rows, epoch=2)
    torch.testing.assert_close(named, transform(X, indices=range(20), epoch=2), **close)
    assert not torch.equal(named, transform(X, indices=range(20), epoch=3))


def test_transforms_of_one_seed_draw_the_same_examples():
    X = windows(50)
    drawn = [
        (study_transform(name)(X) != X).flatten(1).any(1)
        for name in ("time-reverse", "gaussian-noise", "sensors-z-rotation")
    ]
    assert torch.equal(drawn[0], drawn[1]) and torch.equal(drawn[0], drawn[2])


class Examples(torch.utils.data.Dataset):
    """Windows with label and index."""

    X = windows(40, 8, 300)

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i], i % 4, i


@pytest.mark.parametrize("name", ["gaussian-noise", "bandstop-filter", "own.amplitude_scale"])
def test_a_loader_gives_the_same_with_and_without_workers(name):
    transform, data = study_transform(name), Examples()
    results = {}
    for n_workers in (0, 2):
        collate = functools.partial(augment_batch, transform=transform, epoch=1)
        loader = torch.utils.data.DataLoader(
            data,
            batch_size=16,
            shuffle=True,
            num_workers=n_workers,
            collate_fn=collate,
            generator=torch.Generator().manual_seed(0),
        )
        results[n_workers] = [torch.cat(parts) for parts in zip(*loader, strict=True)]
    for alone, together in zip(results[0], results[2], strict=True):
        torch.testing.assert_close(alone, together, **EXACT)
    assert not torch.equal(
        results[0][0].sum((1, 2)).sort().values, data.X.sum((1, 2)).sort().values
    )


class Loaded(Examples):
    """Transforms in the worker, without saying which example it is."""

    transform = SignFlip(seed=0)

    def __getitem__(self, i):
        return self.transform(self.X[i])


def test_a_worker_must_name_its_examples():
    loader = torch.utils.data.DataLoader(Loaded(), num_workers=1)
    with pytest.raises(RuntimeError, match=r"repeat the draws of the other workers. Name the"):
        next(iter(loader))
    assert len(Loaded()[0]) == 8  # without workers it may


@pytest.mark.parametrize("name", [*AUGMENTATIONS, "identity", "own.amplitude_scale"])
def test_results_are_new_tensors_also_when_every_example_is_transformed(name):
    X = windows(5, 8, 500)
    before = X.clone()
    zero = {} if name in ("identity", "own.amplitude_scale") else {"magnitude": 0.0}
    if name in AUGMENTATIONS and AUGMENTATIONS[name].parameter is None:
        zero = {}
    for options in ({}, zero):
        study_transform(name, probability=1.0, **options)(X).fill_(7)
        assert torch.equal(X, before)


def test_pickled_copies_go_on_alike():
    transform, X = study_transform("gaussian-noise"), windows()
    transform(X)
    copy = pickle.loads(pickle.dumps(transform))
    torch.testing.assert_close(transform(X), copy(X), **EXACT)


def test_one_window_without_labels_and_arrays_are_accepted():
    X = np.random.default_rng(0).standard_normal((8, 100))
    out = TimeReverse(**EVERY)(X)
    assert out.dtype == torch.float32
    np.testing.assert_array_equal(out.numpy(), X[:, ::-1].astype(np.float32))


def test_the_global_generators_are_left_alone():
    numpy_state = np.random.get_state
    before, torch_before = numpy_state()[1:3], torch.get_rng_state()
    for name in (*AUGMENTATIONS, "identity"):
        study_transform(name)(windows(10, 8, 500))
    after = numpy_state()[1:3]
    assert np.array_equal(after[0], before[0]) and after[1] == before[1]
    assert torch.equal(torch.get_rng_state(), torch_before)


def test_large_seeds_differ():
    X = windows()
    outs = [GaussianNoise(sigma=1.0, seed=seed, probability=1.0)(X) for seed in (0, 2**32, 2**64)]
    assert not torch.equal(outs[0], outs[1]) and not torch.equal(outs[0], outs[2])


@pytest.mark.parametrize("seed", [None, -1, 1.0, True, "0"])
def test_the_seed_must_be_an_integer(seed):
    with pytest.raises(ValueError, match="seed must be an integer of 0 or more, got"):
        SignFlip(seed=seed)


def test_errors_say_what_is_wrong():
    X, flip = windows(), SignFlip(seed=0)
    with pytest.raises(ValueError, match=r"probability must be at least 0 and at most 1, got 1.5"):
        SignFlip(seed=0, probability=1.5)
    with pytest.raises(ValueError, match=r"X must have shape .*got \(6, 8, 250, 1\)"):
        flip(X[..., None])
    with pytest.raises(ValueError, match=r"each of the 6 examples, got shape \(5,\)"):
        flip(X, indices=range(5))
    with pytest.raises(ValueError, match=r"indices must be integers of 0 or more, got \[-1"):
        flip(X, indices=np.arange(6) - 1)
    with pytest.raises(ValueError, match=r"indices must be integers"):
        flip(X, indices=np.arange(6) / 2)
    with pytest.raises(ValueError, match=r"epoch must be an integer of 0 or more, got -1"):
        flip(X, indices=range(6), epoch=-1)
    with pytest.raises(ValueError, match=r"X has 8 channels, but 2 names were given"):
        ChannelsSymmetry(ch_names=["C3", "C4"], **EVERY)(X)
    for transform, name in (
        (functools.partial(FTSurrogate, channel_indep=True), "phase_noise_magnitude"),
        (ChannelsDropout, "p_drop"),
        (ChannelsShuffle, "p_shuffle"),
    ):
        with pytest.raises(ValueError, match=rf"{name} must be at least 0 and at most 1, got 1.1"):
            transform(**{name: 1.1}, seed=0)
    for transform, name, values in (
        (functools.partial(FrequencyShift, sfreq=100), "max_shift", (-1, np.inf, np.nan)),
        (GaussianNoise, "sigma", (-1, np.inf, np.nan)),
        (SmoothTimeMask, "mask_length", (-1,)),
    ):
        for value in values:
            with pytest.raises(ValueError, match=rf"{name} must be at least 0.*, got {value}"):
                transform(**{name: value}, seed=0)
    for value in (np.inf, np.nan, 2.5):
        with pytest.raises(TypeError, match=rf"mask_length must be a whole number, got {value}"):
            SmoothTimeMask(mask_length=value, seed=0)


def test_an_empty_batch_stays_empty():
    for name in AUGMENTATIONS:
        assert study_transform(name)(torch.zeros(0, 8, 500)).shape == (0, 8, 500)


def test_symmetry_knows_homologues_in_other_spellings():
    spelt = ["EEG T3-LE", "c3", "EEG T8-REF", "C4-A1", "FP2", "Fp1-Ref", "Cz."]
    assert mirror_permutation(spelt) == [2, 3, 0, 1, 5, 4, 6]


@pytest.mark.parametrize(
    ("ch_names", "message"),
    [
        # Numbers of a cap are odd and even, but not left and right.
        (["E35", "E36", "Cz"], r"channel 0, 'E35', has no position .*here also 'E36'\."),
        (["C3", "C3-P3", "C4"], r"channel 1, 'C3-P3', has no position"),
        (["C3", "C4", "EOG1", "EOG2"], r"channel 2, 'EOG1', has no .*here also 'EOG2'\."),
        (["T3", "C3", "T7"], r"channels 0 and 2 are both 'T7': 'T3' and 'T7'"),
    ],
)
def test_symmetry_refuses_what_has_no_side(ch_names, message):
    with pytest.raises(ValueError, match=message):
        mirror_permutation(ch_names)
    with pytest.raises(ValueError, match=message):
        ChannelsSymmetry(ch_names=ch_names, **EVERY)
