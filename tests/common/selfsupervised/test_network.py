"""Encoder, moving average and predictor against plain loops and closed forms."""

import numpy as np
import pytest
import torch

from common import training
from common.selfsupervised.masks import draw_masks
from common.selfsupervised.network import JEPA, Encoder, moving_average, n_tokens
from common.selfsupervised.planted import hemisphere
from common.selfsupervised.probes import (
    attention_to_context,
    constant_losses,
    token_spread,
)

PLACES = hemisphere(12)
CHANNELS = [{"ch_name": f"a{i}", "loc": list(place)} for i, place in enumerate(PLACES)]
SIZE = {"n_encoder_layers": 2, "n_predictor_layers": 2, "feedforward": 32}


def make(seed=0, **options):
    with training.reproducible(seed):
        return JEPA(Encoder(CHANNELS, 300, **SIZE), **options).eval()


def batch(n=5, **options):
    X = torch.randn(n, 12, 300, generator=torch.Generator().manual_seed(1))
    options = {"n_context": 4, "n_target": 3, "n_contexts": 2, "n_targets": 2} | options
    masks = draw_masks(PLACES, radius=0.75, n_examples=n, rng=np.random.default_rng(0), **options)
    return X, masks


def plain(model, X, masks):
    """Loss of one example, context and target at a time, each encoded for itself."""
    encoder, losses = model.encoder, []
    for i, x in enumerate(X):
        for k in range(masks.context.shape[1]):
            tokens, places = model.tokens(x[None])
            context = tokens[:, masks.context[i, k]].flatten(1, 2)
            memory = encoder.transformer.encoder(context)
            hidden, total = tokens.detach().flatten(1, 2), 0
            for layer in model.target.layers[-model.n_target_layers :]:
                hidden = layer(hidden)
                mean = hidden.mean(1, keepdim=True)
                spread = (hidden.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt()
                total = total + (hidden - mean) / spread
            wanted = (total / model.n_target_layers).view_as(tokens)
            for g in range(masks.target.shape[2]):
                rows = masks.target[i, k, g][masks.counted[i, k, g]]
                queries = (model.mask_token + places[rows]).flatten(0, 1)[None]
                found = encoder.transformer.decoder(queries, memory)
                apart = (found - wanted[:, rows].flatten(1, 2)).abs()
                losses.append(apart.unflatten(1, (len(rows), -1)).mean(dim=(0, 2, 3)))
    return torch.cat(losses).mean()


def test_the_loss_is_that_of_a_plain_loop():
    model = make()
    X, masks = batch()
    assert not masks.counted.all()  # padding is tried, too
    # float32: sums in another order.
    assert model.loss(X, masks).item() == pytest.approx(plain(model, X, masks).item(), rel=2e-5)


def test_gradients_are_those_of_a_plain_loop():
    found = []
    for loss in (lambda m, *b: m.loss(*b), plain):
        model = make()
        loss(model, *batch()).backward()
        grads = [p.grad for p in model.trained() if p.grad is not None]
        found.append(torch.cat([one.flatten() for one in grads]))
    assert found[0].shape == found[1].shape
    assert (found[0] - found[1]).abs().max() < 1e-4 * found[0].abs().max()


def test_the_target_gets_no_gradient_and_sees_every_channel():
    model = make()
    X, masks = batch()
    model.loss(X, masks).backward()
    assert all(p.grad is None and not p.requires_grad for p in model.target.parameters())
    assert not {id(p) for p in model.target.parameters()} & {id(p) for p in model.trained()}
    targets = model.targets(model.tokens(X)[0])
    assert not targets.requires_grad
    changed = X.clone()
    changed[:, 0] = changed[:, 0].flip(-1)
    moved = (model.targets(model.tokens(changed)[0]) - targets).abs().amax(dim=(0, 2, 3))
    assert (moved > 0).all()


def test_the_control_lets_gradients_into_the_target():
    model = make(gradient_into_target=True)
    X, _ = batch()
    assert model.targets(model.tokens(X)[0]).requires_grad


def test_a_prediction_depends_on_context_and_on_nothing_else():
    model = make()
    X, masks = batch(n=1, n_contexts=1, n_targets=1)
    before = model(X, masks)[0]
    for channel in range(12):
        changed = X.clone()
        changed[:, channel] = changed[:, channel].flip(-1)
        same = torch.equal(model(changed, masks)[0], before)
        assert same == (channel not in masks.context)


def test_tokens_are_blind_to_the_amplitude_of_a_window():
    model = make()
    X, _ = batch()
    # The epsilon of the normalisation is 1e-5 beside a variance of order 1.
    torch.testing.assert_close(model.tokens(50 * X)[0], model.tokens(X)[0], rtol=0, atol=1e-3)


def test_standardised_targets_have_mean_zero_over_tokens():
    model = make()
    X, _ = batch()
    targets = model.targets(model.tokens(X)[0])
    assert targets.mean(dim=(1, 2)).abs().max() < 1e-5


def test_the_moving_average_is_the_stated_one():
    target, online = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    start, now = target.weight.detach().clone(), online.weight.detach()
    for _ in range(4):
        moving_average(target, online, 0.9)
    # m^4 of the start is left of a constant.
    torch.testing.assert_close(target.weight.detach(), 0.9**4 * start + (1 - 0.9**4) * now)
    moving_average(target, online, 1.0)
    kept = target.weight.detach().clone()
    moving_average(target, online, 1.0)
    assert torch.equal(target.weight, kept)
    moving_average(target, online, 0.0)
    assert torch.equal(target.weight, online.weight)


@pytest.mark.parametrize("momentum", [-0.1, 1.1, np.nan])
def test_a_momentum_beyond_its_range_is_refused(momentum):
    with pytest.raises(ValueError, match="momentum must be"):
        moving_average(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1), momentum)


def test_a_moving_average_of_another_network_is_refused():
    with pytest.raises(ValueError, match=r"same parameters, got shapes \[\(1, 3\), \(1,\)\] and"):
        moving_average(torch.nn.Linear(3, 1), torch.nn.Linear(1, 1), 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counted": torch.zeros(2, 1, 1, 2, dtype=torch.bool)}, "counted is False everywhere"),
        ({"counted": torch.ones(2, 1, 2, dtype=torch.bool)}, "target and counted must have shape"),
        ({"targets": torch.full((2, 3, 4, 5), float("nan"))}, "targets must be finite, got nan"),
        ({"targets": torch.ones(3, 3, 4, 5)}, "for 3 windows"),
    ],
)
def test_losses_of_constants_that_have_no_value_are_refused(change, message):
    arguments = {
        "targets": torch.ones(2, 3, 4, 5),
        "target": torch.zeros(2, 1, 1, 2, dtype=torch.int64),
        "counted": torch.ones(2, 1, 1, 2, dtype=torch.bool),
    } | change
    with pytest.raises(ValueError, match=message):
        constant_losses(**arguments)


def test_an_encoder_comes_back_from_its_file_and_the_bytes_are_the_same(tmp_path):
    encoder = make().encoder
    encoder.save(tmp_path / "one.npz")
    again = Encoder.from_pretrained(tmp_path / "one.npz")
    again.save(tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    X, _ = batch()
    assert torch.equal(encoder.eval()(X), again(X))


def test_a_file_that_is_no_encoder_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", x=np.ones(2))
    with pytest.raises(ValueError, match="is no encoder: it holds x but no 'about'"):
        Encoder.from_pretrained(tmp_path / "other.npz")


@pytest.mark.parametrize(("n_times", "n"), [(152, 1), (279, 1), (280, 2), (536, 4), (2072, 16)])
def test_tokens_of_a_window(n_times, n):
    assert n_tokens(n_times) == n
    encoder = Encoder(CHANNELS, n_times, **SIZE)
    assert encoder.feature_encoder(torch.randn(1, 12, n_times)).shape == (1, 12 * n, 64)


def test_positions_of_an_encoder_are_taken_as_they_are():
    assert Encoder(CHANNELS[:3], 200, **SIZE).positions == pytest.approx(PLACES[:3])
    with pytest.raises(ValueError, match="the encoder has no position for a0"):
        Encoder([{"ch_name": "a0", "loc": [0.0, 0.0, 0.0]}, *CHANNELS[1:]], 200)


def test_a_window_shorter_than_a_token_is_refused():
    with pytest.raises(ValueError, match="a window of 151 samples is shorter than a token"):
        Encoder(CHANNELS, 151)


def test_spread_is_over_windows_and_not_over_places():
    g = torch.Generator().manual_seed(0)
    places = torch.randn(1, 4, 3, 64, generator=g)
    assert token_spread(places.expand(50, -1, -1, -1)) == pytest.approx(0, abs=1e-6)
    windows = places + 0.3 * torch.randn(4000, 4, 3, 64, generator=g)
    assert token_spread(windows) == pytest.approx(0.3, rel=0.01)
    with pytest.raises(ValueError, match="at least two, got 1"):
        token_spread(places)


def test_constants_lose_what_they_leave_out():
    g = torch.Generator().manual_seed(0)
    noise = 0.5 * torch.randn(3000, 4, 2, 64, generator=g)
    places = torch.randn(1, 4, 2, 64, generator=g)
    target = torch.randint(4, (3000, 1, 1, 2), generator=g)
    found = constant_losses(noise + places, target, torch.ones_like(target, dtype=torch.bool))
    # E|z| of a normal z is sqrt(2 / pi) of its deviation.
    assert found["place_loss"] == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=0.01)
    assert found["mean_loss"] > 2 * found["place_loss"]


def test_attention_sums_to_the_context_and_is_that_of_the_predictor():
    model = make()
    X, masks = batch(n=1, n_contexts=1, n_targets=1)
    found = attention_to_context(model, X, masks)
    hidden = masks.target[0, 0, 0][masks.counted[0, 0, 0]]
    context = masks.context[0, 0]
    torch.testing.assert_close(found[hidden][:, context].mean(1), torch.ones(len(hidden)))
    others = np.setdiff1d(np.arange(12), context)
    assert found[:, others].isnan().all()


def test_places_that_only_fill_a_target_up_have_no_attention():
    X, masks = batch(n=1, n_contexts=1, n_targets=1)
    masks.counted[0, 0, 0, 1:] = False
    found = attention_to_context(make(), X, masks)
    hidden, others = masks.target[0, 0, 0, 0], masks.target[0, 0, 0, 1:]
    assert found[hidden, masks.context[0, 0]].isfinite().all() and found[others].isnan().all()


@pytest.mark.parametrize("n_layers", [1, 3])
def test_attention_is_that_of_the_predictor(n_layers):
    with training.reproducible(0):
        size = SIZE | {"n_predictor_layers": n_layers}
        model = JEPA(Encoder(CHANNELS, 300, **size)).eval()
    X, masks = batch(n=1, n_contexts=1, n_targets=1)
    hidden = masks.target[0, 0, 0][masks.counted[0, 0, 0]]
    context = masks.context[0, 0]
    caught = []
    layers = model.encoder.transformer.decoder.layers

    def catch(module, given):
        caught.append((module, *given[:2]))

    hooks = [layer.multihead_attn.register_forward_pre_hook(catch) for layer in layers]
    model(X, masks)
    for hook in hooks:
        hook.remove()
    weights = sum(attend(queries, memory, memory)[1][0] for attend, queries, memory in caught)
    weights = weights / n_layers
    n_tokens = weights.shape[1] // len(context)
    expected = weights.unflatten(1, (len(context), n_tokens)).sum(-1)
    expected = expected.unflatten(0, (-1, n_tokens)).mean(1)[: len(hidden)]
    found = attention_to_context(model, X, masks)[hidden][:, context]
    torch.testing.assert_close(found, len(context) * expected.detach())


def test_attention_needs_one_target():
    with pytest.raises(ValueError, match="one target per context, got 2"):
        attention_to_context(make(), *batch())
