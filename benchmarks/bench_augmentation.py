"""The thirteen augmentations: ours against braindecode's, on the same batches.

Both transform every example of a batch, in one process on one thread, taking turns, so that a busy
machine slows both. Prints the median time of a batch, random numbers included, the ratio, and the
largest difference of values when both are given the same random numbers: angles, phases, shifts
and so on are drawn once, from the generator that braindecode's function would use. Parameters are
those selected for BCI.

Run with ``python benchmarks/bench_augmentation.py``; ``--task sleep`` takes windows of two channels
and 30 s at 100 Hz.
"""

import argparse
import statistics
import sys
import time
import warnings
from pathlib import Path

import braindecode.augmentation as library
import numpy as np
import torch
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # without an installed `common`

from common.augmentation import transforms
from common.augmentation.bandstop import notch
from common.augmentation.catalog import AUGMENTATIONS, make_transform
from common.augmentation.rotations import rotate, spline_weights, standard_positions

BATCHES = {
    "bci": {
        "sfreq": 250.0,
        "n_times": 1125,
        "ch_names": "Fz FC3 FC1 FCz FC2 FC4 C5 C3 C1 Cz C2 C4 C6 CP3 CP1 CPz CP2 CP4 P1 Pz P2 POz",
    },
    "sleep": {"sfreq": 100.0, "n_times": 3000, "ch_names": "Fpz Pz"},
}


def library_transforms(task, *, sfreq, ch_names):
    """braindecode's transform of each name, with the selected parameters."""
    value = {name: entry.selected[task] for name, entry in AUGMENTATIONS.items()}
    length = round(value["smooth-time-mask"] * sfreq)
    settings = {
        "time-reverse": (library.TimeReverse, {}),
        "sign-flip": (library.SignFlip, {}),
        "ft-surrogate": (
            library.FTSurrogate,
            {
                "phase_noise_magnitude": value["ft-surrogate"],
                "channel_indep": task == "sleep",
            },
        ),
        "frequency-shift": (
            library.FrequencyShift,
            {"sfreq": sfreq, "max_delta_freq": value["frequency-shift"]},
        ),
        "bandstop-filter": (
            library.BandstopFilter,
            {"sfreq": sfreq, "bandwidth": value["bandstop-filter"], "max_freq": 30.0},
        ),
        "gaussian-noise": (library.GaussianNoise, {"std": value["gaussian-noise"]}),
        "smooth-time-mask": (library.SmoothTimeMask, {"mask_len_samples": length}),
        "channels-dropout": (library.ChannelsDropout, {"p_drop": value["channels-dropout"]}),
        "channels-shuffle": (library.ChannelsShuffle, {"p_shuffle": value["channels-shuffle"]}),
        "channels-symmetry": (library.ChannelsSymmetry, {"ordered_ch_names": ch_names}),
    }
    for axis in "XYZ":
        name = f"sensors-{axis.lower()}-rotation"
        settings[name] = (
            getattr(library, f"Sensors{axis}Rotation"),
            {"ordered_ch_names": ch_names, "max_degrees": value[name]},
        )
    return {
        name: kind(probability=1.0, random_state=0, **options)
        for name, (kind, options) in settings.items()
    }


def same_draws(name, theirs, X, *, sfreq, ch_names):
    """Ours with the random numbers that braindecode's transform is about to draw."""
    state = theirs.rng.get_state()
    params = theirs.get_augmentation_params(X, None)
    rng = params.get("random_state")
    n, n_channels, n_times = X.shape
    if name == "ft-surrogate":
        shape = (n, n_channels if theirs.channel_indep else 1, (n_times - 1) // 2)
        phases = 2 * np.pi * theirs.phase_noise_magnitude * rng.random_sample(shape)
        ours = transforms.ft_surrogate(X, torch.from_numpy(phases).to(X))
    elif name == "frequency-shift":
        ours = transforms.frequency_shift(X, params["delta_freq"], sfreq=sfreq)
    elif name == "bandstop-filter":
        centres = params["freqs_to_notch"]
        ours = notch(X, centres, sfreq=sfreq, bandwidth=params["bandwidth"])
    elif name == "smooth-time-mask":
        starts, length = params["mask_start_per_sample"], params["mask_len_samples"]
        ours = transforms.smooth_time_mask(X, starts, mask_length=length)
    elif name.endswith("rotation"):
        positions = standard_positions(ch_names)
        rotated = rotate(positions, params["angles"].numpy(), axis=params["axis"])
        ours = torch.from_numpy(spline_weights(positions, rotated)).to(X) @ X
    elif name == "gaussian-noise":
        ours = X + theirs.std * torch.from_numpy(rng.normal(size=X.shape)).to(X)
    elif name == "channels-dropout":
        keep = torch.from_numpy(rng.uniform(size=(n, n_channels, 1)) >= theirs.p_drop)
        ours = torch.where(keep, X, 0.0)
    elif name == "channels-shuffle":
        picked = rng.uniform(size=(n, n_channels)) > 1 - theirs.p_shuffle
        ours = X.clone()
        for example, row in enumerate(picked):
            channels = np.flatnonzero(row)
            ours[example, channels] = X[example, rng.permutation(channels)]
    else:
        kinds = {"time-reverse": X.flip(-1), "sign-flip": -X}
        ours = kinds.get(name, X[:, transforms.mirror_permutation(ch_names)])
    theirs.rng.set_state(state)  # `params` and the lines above drew from it
    return ours


def take_turns(functions, *, rounds):
    """Median wall time (s) of each function; they alternate."""
    times = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            clock = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - clock)
    return {name: statistics.median(spent) for name, spent in times.items()}


def main():
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=BATCHES, default="bci")
    parser.add_argument("--n-examples", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    batch = BATCHES[options.task]
    sfreq, ch_names = batch["sfreq"], batch["ch_names"].split()
    shape = options.n_examples, len(ch_names), batch["n_times"]
    X = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    y = torch.zeros(len(X), dtype=torch.long)
    warnings.simplefilter("ignore")  # kernels longer than windows, names of montages
    torch.set_num_threads(1)
    with threadpool_limits(limits=1):
        print(f"1 thread, {' x '.join(map(str, shape))}, {sfreq:g} Hz, every example transformed")
        print(f"  {'':20s} {'ours':>9s} {'braindecode':>12s} {'ratio':>7s}   largest difference")
        theirs = library_transforms(options.task, sfreq=sfreq, ch_names=ch_names)
        for name, reference in theirs.items():
            expected = same_draws(name, reference, X, sfreq=sfreq, ch_names=ch_names)
            difference = (
                (reference.operation(X, y, **reference.get_augmentation_params(X, y))[0] - expected)
                .abs()
                .max()
                .item()
            )
            ours = make_transform(
                name, task=options.task, sfreq=sfreq, ch_names=ch_names, seed=0, probability=1.0
            )
            functions = {
                "ours": lambda ours=ours: ours(X, y),
                "theirs": lambda reference=reference: reference(X, y),
            }
            spent = take_turns(functions, rounds=options.rounds)
            print(
                f"  {name:20s} {1e3 * spent['ours']:6.1f} ms {1e3 * spent['theirs']:9.1f} ms "
                f"{spent['theirs'] / spent['ours']:7.1f}   {difference:.0e}"
            )


if __name__ == "__main__":
    main()
