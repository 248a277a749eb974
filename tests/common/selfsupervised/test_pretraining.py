"""Pre-training: it learns, resumes to the byte, and refuses what it cannot use."""

import mne
import numpy as np
import pytest
import torch

from common import seeds, training
from common.recordings.electrodes import TEN_TWENTY
from common.selfsupervised import pretraining
from common.selfsupervised.network import JEPA, Encoder
from common.selfsupervised.planted import hemisphere, plant
from common.selfsupervised.pretraining import (
    learning_rate,
    momentum_at,
    pretrain,
    pretrain_windows,
)
from common.selfsupervised.windows import cut_windows

PLACES = hemisphere(12)
CHANNELS = [{"ch_name": f"a{i}", "loc": list(place)} for i, place in enumerate(PLACES)]
SMALL = {
    "radius": 0.75,
    "size": {"n_encoder_layers": 1, "n_predictor_layers": 1, "feedforward": 16},
    "masking": {"n_context": 4, "n_target": 3, "n_contexts": 1, "n_targets": 1},
    "batch_size": 8,
    "n_epochs": 3,
    "lr": 2e-3,
}


def windows(n=24, n_times=152):
    rng = seeds.generator("test", "windows", n=n)
    return plant("evoked", PLACES, n_windows=n, n_times=n_times, rng=rng)[0]


def raw(seconds=60, names=TEN_TWENTY, montage=True):
    rng = seeds.generator("test", "raw")
    info = mne.create_info(list(names), 200.0, "eeg")
    made = mne.io.RawArray(
        2e-5 * rng.standard_normal((len(names), 200 * seconds)), info, verbose="error"
    )
    return made.set_montage("colin27_1020") if montage else made


def test_the_same_seed_gives_the_same_bytes_and_another_other_ones(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        done = pretrain_windows(windows(), windows(16), CHANNELS, seed=seed, **SMALL)
        done.encoder.save(tmp_path / f"{name}.npz")
    a, b, c = ((tmp_path / f"{name}.npz").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_epochs_draw_from_generators_of_their_own(monkeypatch):
    reproducible, given = training.reproducible, []

    def noted(seed, device=None):
        given.append(seed)
        return reproducible(seed, device)

    monkeypatch.setattr(training, "reproducible", noted)
    pretrain_windows(windows(), windows(16), CHANNELS, seed=0, **SMALL)
    epochs = given[-SMALL["n_epochs"] :]
    assert len(set(epochs)) == SMALL["n_epochs"] and min(epochs) > 2**40


@pytest.mark.parametrize("restore_best", [True, False])
def test_a_run_that_was_killed_ends_with_the_same_bytes(tmp_path, monkeypatch, restore_best):
    def run(checkpoint=None):
        return pretrain_windows(
            windows(), windows(16), CHANNELS, checkpoint=checkpoint, restore_best=restore_best,
            **SMALL,
        )  # fmt: skip

    whole = run()
    whole.encoder.save(tmp_path / "whole.npz")
    checkpoint = tmp_path / "run.checkpoint"
    for killed_in in (1, 2):
        steps = {"left": 3 * killed_in + 1}  # three steps an epoch
        step = torch.optim.AdamW.step

        def die(self, *given, steps=steps, step=step, **options):
            if steps["left"] == 0:
                raise KeyboardInterrupt
            steps["left"] -= 1
            return step(self, *given, **options)

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(torch.optim.AdamW, "step", die)
            checkpoint.unlink(missing_ok=True)
            run(checkpoint)
        assert checkpoint.exists()
        resumed = run(checkpoint)
        resumed.encoder.save(tmp_path / "resumed.npz")
        assert (tmp_path / "resumed.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
        assert resumed.curve == whole.curve
        assert not checkpoint.exists()


def test_a_checkpoint_of_another_run_and_a_damaged_one_are_refused(tmp_path, monkeypatch):
    checkpoint = tmp_path / "run.checkpoint"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("pathlib.Path.unlink", _interrupt)
        pretrain_windows(windows(), windows(16), CHANNELS, checkpoint=checkpoint, **SMALL)
    with pytest.raises(ValueError, match="that of a run with other settings or data"):
        pretrain_windows(windows(), windows(20), CHANNELS, checkpoint=checkpoint, **SMALL)
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"cannot be read \(.*Delete it to begin again"):
        pretrain_windows(windows(), windows(16), CHANNELS, checkpoint=checkpoint, **SMALL)


def test_it_learns_and_the_curve_begins_before_it():
    options = SMALL | {"n_epochs": 8, "momentum": (0.9, 0.99), "momentum_steps": 30}
    done = pretrain_windows(windows(48), windows(16), CHANNELS, **options)
    assert [row["epoch"] for row in done.curve] == list(range(9))
    assert done.curve[0]["train_loss"] is None
    last = done.curve[-1]
    assert last["valid_loss"] < 0.9 * done.curve[0]["valid_loss"]
    assert last["valid_loss"] < last["mean_loss"]
    assert last["token_sd"] > 0.1 * done.curve[0]["token_sd"]


def test_patience_ends_a_run_that_gets_no_better():
    options = SMALL | {"lr": 1e-12, "n_epochs": 50, "patience": 2}
    done = pretrain_windows(windows(), windows(16), CHANNELS, **options)
    best = min(done.curve[1:], key=lambda row: row["valid_loss"])
    assert len(done.curve) - 1 == best["epoch"] + 2


def test_the_weights_of_the_lowest_loss_come_back_and_patience_counts_from_there(monkeypatch):
    losses, weights = iter([9.0, 3.0, 1.0, 2.0, 2.5, 0.5]), []

    def measures(run):
        weights.append(run.model.state_dict()["mask_token"].clone())
        return {"valid_loss": next(losses)}

    monkeypatch.setattr(pretraining._Run, "measures", measures)
    options = SMALL | {"n_epochs": 50, "patience": 2, "restore_best": True}
    done = pretrain_windows(windows(), windows(16), CHANNELS, **options)
    assert [row["valid_loss"] for row in done.curve] == [9.0, 3.0, 1.0, 2.0, 2.5]
    assert torch.equal(done.model.state_dict()["mask_token"], weights[2])
    assert not torch.equal(weights[2], weights[1])
    assert not torch.equal(weights[2], weights[4])


class Sure(JEPA):
    """Without dropout, whose draws on a GPU are others than those on a CPU."""

    def __init__(self, *given, **options):
        super().__init__(*given, **options)
        for module in self.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
            if isinstance(module, torch.nn.MultiheadAttention):
                module.dropout = 0.0


def one_step(monkeypatch, device):
    """A training of one step on all windows, with settings in which every detail counts."""
    masking = {"n_context": 4, "n_target": 3, "n_contexts": 2, "n_targets": 2}
    options = SMALL | {"masking": masking, "batch_size": 24, "n_epochs": 1, "restore_best": False}
    options |= {"momentum": (0.5, 0.5)}  # so that the target moves, too
    with monkeypatch.context() as patched:
        patched.setattr(pretraining, "JEPA", Sure)
        return pretrain_windows(windows(), windows(16), CHANNELS, device=device, **options)


def test_without_dropout_a_step_is_the_same_again(monkeypatch):
    # What the next test relies on; with dropout the loss of the step depends on the seed's draws.
    first, second = (one_step(monkeypatch, "cpu") for _ in range(2))
    assert first.curve == second.curve
    before, after = (row["valid_loss"] for row in first.curve)
    assert abs(after - before) > 1e-3  # the step does something that can be compared


def test_a_gpu_and_a_cpu_agree_on_a_step(monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("torch has no CUDA here")
    cpu, gpu = (one_step(monkeypatch, device) for device in ("cpu", "cuda"))
    for name in ("train_loss", "valid_loss", "mean_loss", "place_loss", "token_sd"):
        # Single precision, and convolutions on a GPU may round to 10 bits (TF32).
        ours, theirs = cpu.curve[1][name], gpu.curve[1][name]
        assert theirs == pytest.approx(ours, rel=5e-3), name
    # Adam's first step moves a weight by lr, in the direction of its gradient: where that is almost
    # 0 the sign may differ, else nothing does.
    pairs = zip(cpu.model.state_dict().values(), gpu.model.state_dict().values(), strict=True)
    apart = torch.cat([(a - b).abs().flatten() for a, b in pairs])
    assert apart.max() < 2.1 * SMALL["lr"]
    assert (apart > 0.1 * SMALL["lr"]).float().mean() < 0.05


def test_recordings_become_an_encoder():
    options = SMALL | {"n_epochs": 1, "radius": 0.8}
    encoder = pretrain([raw(), raw()], length=1.1875, **options)
    assert isinstance(encoder, Encoder)
    assert [one["ch_name"] for one in encoder.chs_info] == list(TEN_TWENTY)


def test_windows_keep_a_gap_and_overlap_in_no_part():
    made = raw(60)
    cut = cut_windows(made, length=1.1875, every=1.0, valid=0.25, gap=5.0)
    # Training: starts 0 .. 40 - 1.19; validation: 45 .. 60 - 1.19.
    assert (len(cut.train), len(cut.valid)) == (39, 14)
    assert cut.train.shape[1:] == (19, 152)
    assert np.abs(cut.train.mean(axis=1)).max() < 1e-2  # average reference, in µV
    assert [len(getattr(cut_windows(made, length=1.1875, every=5, valid=0.0), p))
            for p in ("train", "valid")] == [12, 0]  # fmt: skip
    assert len(cut_windows(made, length=1.1875, every=5, valid=1.0).train) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pretrain([], radius=0.8), "raws is empty"),
        (lambda: pretrain([raw(montage=False)], radius=0.8), "no position for Fp1"),
        (
            lambda: pretrain([raw(), raw(names=TEN_TWENTY[:-1])], radius=0.8, length=1.1875),
            "differ in channels: O2",
        ),
        (lambda: pretrain([raw()], radius=0.8, length=1.0), "128 samples is shorter than a token"),
        (lambda: pretrain([raw(12)], radius=0.8, length=4.2), "two are needed"),
        (lambda: pretrain([raw()], radius=1.7, length=1.1875), "leaves .* n_context=8"),
    ],
)
def test_bad_recordings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_epoch": 3}, "option must be one of .*got 'n_epoch'"),
        ({"masking": {"contexts": 2}}, "masking must be one of"),
        ({"lr": -1.0}, "lr must be above 0"),
        ({"momentum": (0.9, 1.5)}, "momentum must be"),
        ({"patience": 0}, "patience must be"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        pretrain_windows(windows(), windows(16), CHANNELS, **(SMALL | options))


def test_bad_windows_are_refused():
    broken = windows()
    broken[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="train must be finite, got nan"):
        pretrain_windows(broken, windows(16), CHANNELS, **SMALL)
    with pytest.raises(ValueError, match="train and valid differ"):
        pretrain_windows(windows(), windows(16, 200), CHANNELS, **SMALL)
    with pytest.raises(ValueError, match="windows have 12 channels, and 11 are named"):
        pretrain_windows(windows(), windows(16), CHANNELS[:-1], **SMALL)


def test_a_loss_that_is_not_finite_stops_the_run():
    with pytest.raises(FloatingPointError, match=r"in step \d+. Lower lr"):
        pretrain_windows(windows(), windows(16), CHANNELS, **(SMALL | {"lr": 1e30}))


def test_schedules_begin_and_end_where_they_should():
    rates = [learning_rate(i, lr=1.0, n_steps=100, warm_up=0.1) for i in range(100)]
    assert np.diff(rates[:11]).min() > 0
    assert np.diff(rates[10:]).max() < 0
    assert max(rates) == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    moments = [momentum_at(i, momentum=(0.9, 0.99), n_steps=10) for i in (0, 5, 10, 99)]
    assert moments == pytest.approx([0.9, 0.945, 0.99, 0.99])


def _interrupt(*given, **options):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: learning_rate(10, lr=1.0, n_steps=10, warm_up=0.1), "step must be at least 0 and"),
        (lambda: learning_rate(-5, lr=1.0, n_steps=10, warm_up=0.1), "at most 9, got -5"),
        (lambda: learning_rate(0, lr=np.nan, n_steps=10, warm_up=0.1), "lr must be above 0, got n"),
        (lambda: learning_rate(0, lr=1.0, n_steps=10, warm_up=2), "warm_up must be at least 0 and"),
        (
            lambda: momentum_at(-50, momentum=(0.9, 0.99), n_steps=10),
            "step must be at least 0, got",
        ),
        (lambda: momentum_at(0, momentum=(3, 5), n_steps=10), "at most 1, got 3.0 at index 0"),
        (lambda: momentum_at(0, momentum=[0.9], n_steps=10), "must be its first and its last val"),
        (lambda: momentum_at(0, momentum=(0.9, 1), n_steps=0), "n_steps must be at least 1, got 0"),
    ],
)
def test_steps_and_rates_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
