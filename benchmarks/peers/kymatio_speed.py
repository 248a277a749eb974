"""Scattering transforms: ours and Kymatio's torch backend, in one process, taking turns.

    .venv-peers/bin/python benchmarks/peers/kymatio_speed.py [--case 1d-4096 ...] [--threads 1]

Writes one JSON object a line for each implementation of each case: median wall and processor time
of a batch (on a busy machine the second is the fairer one), the time that its Fourier transforms
take alone, time to construct, peak memory above what was in use before (construction and one
batch, in a process of its own), and the largest difference from Kymatio's values over the largest
value. ``time_ratio`` is Kymatio's time over that of the implementation, on the processor's clock
(on a graphics processor the wall's): the geometric mean over rounds, each of which times both in
turn, with its 95 % interval, which needs two rounds or more. Without Kymatio, for example in the
repository's own environment, only ours is timed.

``--published`` takes the configurations of published timings, in smaller batches; ``--sweep``
varies length and batch.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
import warnings
from importlib import util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLASSES = {"1D": "Scattering1D", "2D": "Scattering2D", "3D": "HarmonicScattering3D"}


def case(shape, batch, **options):
    """Shape of a signal, signals in a batch, options of the transform."""
    return {"shape": (shape,) if isinstance(shape, int) else shape, "batch": batch} | options


CASES = {
    "1d-65536": case(65536, 4, J=13, Q=12),
    "1d-4096": case(4096, 32, J=8, Q=8),
    "1d-1024": case(1024, 32, J=8, Q=1),
    "2d-224": case((224, 224), 12, J=3),
    "2d-32": case((32, 32), 96, J=2),
    "3d-128": case((128,) * 3, 1, J=2, L=2),
    "3d-32": case((32,) * 3, 4, J=2, L=2),
}
# With the batch of the publication.
PUBLISHED = {
    "1d-65536-J10-Q8": case(65536, 2, J=10, Q=8, published_batch=64),
    "1d-1024-J8-Q1": case(1024, 32, J=8, Q=1, published_batch=32),
    "1d-4096-J8-Q8": case(4096, 16, J=8, Q=8, published_batch=32),
    "1d-65536-J13-Q12": case(65536, 2, J=13, Q=12, published_batch=32),
    "2d-256-J3-L8": case((256, 256), 6, J=3, L=8, published_batch=384),
    "2d-32-J2-L8": case((32, 32), 96, J=2, L=8, published_batch=96),
    "2d-224-J3-L8": case((224, 224), 6, J=3, L=8, published_batch=96),
    "2d-64-J6-L2": case((64, 64), 48, J=6, L=2, published_batch=96),
    "3d-128-J2-L2": case((128,) * 3, 1, J=2, L=2, published_batch=8),
    "3d-32-J2-L2": case((32,) * 3, 4, J=2, L=2, published_batch=4),
}
SWEEP = {
    **{f"1d-length-{2**n}": case(2**n, 4, J=8, Q=8, sweep="size") for n in range(10, 17)},
    **{f"2d-length-{n}": case((n, n), 4, J=3, sweep="size") for n in (32, 64, 128, 256)},
    **{f"3d-length-{n}": case((n,) * 3, 1, J=2, L=2, sweep="size") for n in (16, 32, 64)},
    **{f"1d-batch-{2**n}": case(4096, 2**n, J=8, Q=8, sweep="batch") for n in range(7)},
    **{f"2d-batch-{2**n}": case((64, 64), 2**n, J=3, sweep="batch") for n in range(7)},
    **{f"3d-batch-{2**n}": case((32,) * 3, 2**n, J=2, L=2, sweep="batch") for n in range(5)},
}
ALL = CASES | PUBLISHED | SWEEP


def main():
    """Time the cases asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", nargs="+", choices=ALL, metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--published", action="store_true")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--peak", choices=("ours", "kymatio"), help="memory of one case only")
    settings = parser.parse_args()
    # Read by the numerical libraries when they are imported.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(settings.threads)
    sys.path.insert(0, str(ROOT))
    warnings.simplefilter("ignore")  # of borders; both implementations warn
    import torch

    torch.set_num_threads(settings.threads)
    names = settings.case or [
        *(PUBLISHED if settings.published else ()),
        *(SWEEP if settings.sweep else ()),
        *(() if settings.published or settings.sweep else CASES),
    ]
    if settings.peak:
        print(peak_memory(names[0], settings.peak, settings.device))
        return
    alone = settings.ours_only or util.find_spec("kymatio") is None
    for name in names:
        for row in measure(name, ["ours"] if alone else ["kymatio", "ours"], settings):
            print(json.dumps(row), flush=True)


def measure(name, implementations, settings):
    """One row for each implementation."""
    import torch

    generator = torch.Generator().manual_seed(0)
    of_case = ALL[name]
    x = torch.randn(of_case["batch"], *of_case["shape"], generator=generator).to(settings.device)
    transforms, building, values = {}, {}, {}
    for implementation in implementations:
        build("1d-1024", implementation, settings.device)  # load libraries
        start = time.perf_counter()
        transforms[implementation] = build(name, implementation, settings.device)
        building[implementation] = time.perf_counter() - start
        values[implementation] = transforms[implementation](x)
    calls = {which: fourier_transforms(transform, x) for which, transform in transforms.items()}
    tasks = {which: lambda t=transform: t(x) for which, transform in transforms.items()}
    tasks |= {(which, "fft"): lambda c=of: replay(c) for which, of in calls.items()}
    rounds = take_turns(tasks, settings.rounds, settings.device)
    times = {
        task: [statistics.median(clock) for clock in zip(*of, strict=True)]
        for task, of in rounds.items()
    }
    reference = values[implementations[0]]
    for which in implementations:
        error = (values[which] - reference).abs().max() / reference.abs().max()
        (wall, cpu), (fft_wall, fft_cpu) = times[which], times[which, "fft"]
        yield {
            "case": name,
            "transform": name[:2].upper(),
            "implementation": which,
            **of_case,
            "threads": settings.threads,
            "device": settings.device,
            "seconds": wall,
            "cpu_seconds": cpu,
            "fft_seconds": fft_wall,
            "fft_cpu_seconds": fft_cpu,
            "n_fft_calls": sum(count for count, *_ in calls[which]),
            "construction_seconds": building[which],
            "peak_mb": peak_of_process(name, which, settings),
            "relative_error": None if len(implementations) == 1 else float(error),
            **ratio(rounds.get("kymatio"), rounds[which], clock=int(settings.device == "cpu")),
        }


def build(name, implementation, device):
    """A transform, with its filters where they will be used."""
    import torch

    if implementation == "kymatio":
        import kymatio.torch as package
    else:
        from common import scattering as package
    of_case = dict(ALL[name])
    batch, shape = of_case.pop("batch"), of_case.pop("shape")
    options = {k: v for k, v in of_case.items() if k not in ("published_batch", "sweep")}
    transform = getattr(package, CLASSES[name[:2].upper()])(shape=shape, **options)
    if implementation == "kymatio":
        return transform.to(device)
    transform._filters(torch.zeros(batch, device=device))
    return transform


def take_turns(tasks, rounds, device):
    """Wall and processor time of each task in each round, one round after the other."""
    import torch

    times = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            clocks = time.perf_counter(), time.process_time()
            task()
            if device != "cpu":
                torch.cuda.synchronize()
            then = time.perf_counter(), time.process_time()
            times[name].append([b - a for a, b in zip(clocks, then, strict=True)])
    return times


def ratio(theirs, ours, *, clock):
    """Geometric mean over rounds of their time over ours, with its interval; None without."""
    names = ("time_ratio", "ratio_low", "ratio_high")
    if theirs is None or len(ours) < 2:
        return dict.fromkeys(names)
    from common.report.statistics import mean_interval  # imports for a second

    logs = [math.log(a[clock] / b[clock]) for a, b in zip(theirs, ours, strict=True)]
    return dict(zip(names, map(math.exp, mean_interval(logs)), strict=True))


def fourier_transforms(transform, x):
    """The Fourier transforms that a transform computes: how often, function, input, options."""
    import torch

    functions = [f"{i}{r}fft{n}" for i in ("", "i") for r in ("", "r") for n in ("", "2", "n")]
    original = {name: getattr(torch.fft, name) for name in functions}
    calls = {}

    def recorded(name):
        def function(z, *arguments, **options):
            options.pop("out", None)
            memory = z.shape, z.stride(), z.dtype, z.device
            call = calls.setdefault(repr((name, memory, arguments, options)), [0])
            call[0] += 1
            call[1:] = original[name], memory, arguments, options
            return original[name](z, *arguments, **options)

        return function

    try:
        for name in functions:
            setattr(torch.fft, name, recorded(name))
        transform(x)
    finally:
        for name in functions:
            setattr(torch.fft, name, original[name])
    return list(calls.values())


def replay(calls):
    """Compute Fourier transforms alone, of zeros."""
    import torch

    for count, function, (shape, stride, dtype, device), arguments, options in calls:
        z = torch.empty_strided(shape, stride, dtype=dtype, device=device).zero_()
        for _ in range(count):
            function(z, *arguments, **options)


def peak_of_process(name, implementation, settings):
    """Peak memory of a case, in MB, in a process of its own."""
    command = [sys.executable, __file__, "--case", name, "--peak", implementation]
    command += ["--threads", str(settings.threads), "--device", settings.device]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def peak_memory(name, implementation, device):
    """Peak of this process above its present use, for construction and one batch, in MB."""
    import torch

    x = torch.rand(ALL[name]["batch"], *ALL[name]["shape"]).to(device)
    build("1d-1024", implementation, device)(torch.rand(1, 1024, device=device))  # load libraries
    if device != "cpu":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        build(name, implementation, device)(x)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    # ru_maxrss would begin at the size of the process that started this one.
    before = resident("VmRSS")
    build(name, implementation, device)(x)
    return resident("VmHWM") - before


def resident(field):
    """A line of this process's status, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return 1.024e-3 * float(status[field].split()[0])


if __name__ == "__main__":
    main()
