"""The DANCE network has the authors' blocks, and starts where each initialisation says."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from common.events.model import dance
from common.events.simulation import SENSORS

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # braindecode names a montage of old
    from braindecode.models import DANCE
    from braindecode.modules import dance_modules

WINDOW, SFREQ, N_CLASSES, N_QUERIES, N_LATENTS, N_BANDS = 4.0, 64.0, 2, 5, 40, 8
N_TIMES = round(WINDOW * SFREQ)
SMALL = {
    "embed_dim": 32,
    "conv_hidden": 8,
    "conv_depth": 3,
    "conv_dilation_growth": 2,
    "conv_initial_linear": 8,
    "n_virtual_channels": 6,
    "fourier_emb_dim": 32,
    "merger_drop_prob": 0.0,
    "num_latents": N_LATENTS,
    "perceiver_depth": 2,
    "cross_dim_head": 16,
    "latent_dim_head": 16,
    "num_freq_bands": N_BANDS,
    "max_freq": 9,
    "decoder_dim": 24,
    "decoder_depth": 1,
    "drop_prob": 0.0,
}


def build(init="library", *, seed=0, positions=SENSORS, **options):
    torch.manual_seed(seed)
    options = {"conv_dropout": 0.0, **SMALL, **options}
    return dance(
        n_classes=N_CLASSES,
        positions=positions,
        sfreq=SFREQ,
        window=WINDOW,
        n_queries=N_QUERIES,
        init=init,
        **options,
    )


def noise(n_windows=4, *, n_times=N_TIMES, seed=1):
    return torch.randn(n_windows, 8, n_times, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def features(net, X):
    """What the convolutions make of windows, shape (n_windows, embed_dim, n_times)."""
    return net.conv(X, positions=net.channel_positions.expand(len(X), -1, -1))


@pytest.mark.parametrize("init", ["library", "anchored"])
def test_shapes_and_ranges_of_the_answers(init):
    net = build(init)
    output = net.detect(noise())
    assert output["class"].shape == (4, N_QUERIES, N_CLASSES + 1)
    assert output["start"].shape == output["end"].shape == (4, N_QUERIES)
    assert output["dense"].shape == (4, N_LATENTS, N_CLASSES + 1)
    for name in ("start", "end"):
        assert torch.all((output[name] >= 0) & (output[name] <= 1))
    net.eval()
    assert torch.equal(net(noise()), net.detect(noise())["dense"])


def test_blocks_are_the_authors_in_all_but_the_last_convolution():
    net = build(conv_dropout=0.3)
    *blocks, last = net.conv.sequence
    assert len(blocks) == SMALL["conv_depth"] - 1
    for block in blocks:
        kinds = [nn.BatchNorm1d, nn.GELU, nn.Dropout, nn.Conv1d, nn.ReLU]
        assert [type(layer) for layer in block.act] == kinds
        width = block.conv.out_channels
        assert block.act[0].num_features == width
        assert block.act[2].p == 0.3
        rewrite = block.act[3]
        assert (rewrite.in_channels, rewrite.out_channels) == (width, width)
        assert rewrite.kernel_size == (1,)
    assert last.act is None


@pytest.mark.parametrize("init", ["library", "anchored"])
def test_gradients_reach_every_parameter(init):
    net = build(init)
    output = net.detect(noise())
    rng = torch.Generator().manual_seed(2)
    sum(
        (value * torch.randn(value.shape, generator=rng)).sum() for value in output.values()
    ).backward()
    silent = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


@pytest.mark.parametrize("init", ["library", "anchored"])
def test_same_seed_same_network(init):
    a, b, other = build(init), build(init), build(init, seed=1)
    for (name, value), again in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(value, again), name
    assert not torch.equal(a.final_layer.weight, other.final_layer.weight)


def test_initialisations_differ_in_values_alone():
    shapes = [
        {n: v.shape for n, v in build(i).state_dict().items()} for i in ("library", "anchored")
    ]
    assert shapes[0] == shapes[1]


def test_channels_may_come_in_any_order():
    # Attention over channels knows them by their places.
    order = [3, 1, 0, 2, 7, 6, 5, 4]
    names = list(SENSORS)
    net = build("anchored").eval()
    shuffled = build(positions={names[i]: SENSORS[names[i]] for i in order}).eval()
    moved = build(positions={names[k]: SENSORS[names[i]] for k, i in enumerate(order)}).eval()
    for other in (shuffled, moved):
        other.load_state_dict(net.state_dict())
    X = noise()
    torch.testing.assert_close(net(X), shuffled(X[:, order]), atol=1e-5, rtol=1e-4)
    a, b = features(net, X), features(moved, X)
    # Most of the features is constant; what varies in time is another mixture of the channels.
    assert (a - b).std() > 0.03 * a.std(dim=2).mean()


def test_places_may_be_in_three_dimensions():
    # The network looks from above: the third coordinate does not matter.
    flat, solid = build(), build(positions={n: (*xy, 0.1) for n, xy in SENSORS.items()})
    assert torch.equal(flat.channel_positions, solid.channel_positions)


# init="library"


def test_library_leaves_the_weights_of_braindecode():
    net = build("library")
    torch.manual_seed(0)
    theirs = DANCE(
        n_outputs=N_CLASSES + 1,
        chs_info=[
            {"ch_name": n, "loc": np.array([*xy, *np.zeros(10)])} for n, xy in SENSORS.items()
        ],
        n_times=N_TIMES,
        sfreq=SFREQ,
        n_queries=N_QUERIES,
        **SMALL,
    )
    ours = net.state_dict()
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours[name], value), name
    assert torch.equal(net.channel_positions, theirs.channel_positions)
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    weights = torch.cat([module.weight.flatten() for module in linear])
    # A standard deviation is estimated with an error of sigma / sqrt(2 n).
    assert weights.std().item() == pytest.approx(0.02, rel=5 / math.sqrt(2 * len(weights)))
    assert all(not module.bias.any() for module in linear if module.bias is not None)


# init="anchored"


def time_code(time, perceiver):
    """braindecode's own encoding of times in [-1, 1], without the raw time at its end."""
    code = dance_modules._fourier_encode(time, perceiver.max_freq, perceiver.num_freq_bands)
    return code[:, :-1]


def own_times(net):
    n_latents = len(net.perceiver.latents)
    return 2 * (torch.arange(n_latents) + 0.5) / n_latents - 1


@pytest.mark.parametrize("seed", range(3))
def test_anchored_features_have_unit_variance(seed):
    net = build("anchored", seed=seed)
    X = noise(16, n_times=1024, seed=seed + 10)
    # Set on 8 windows of other noise; what varies between draws is some per cent, like the share
    # of the windows' padded edges.
    assert features(net, X).std().item() == pytest.approx(1, abs=0.05)
    assert not net.conv.sequence[-1].conv.bias.any()


def test_anchored_linear_layers_have_the_scale_of_torch():
    # Uniform within 1 / sqrt(fan-in), away from the perceiver, where codes are written.
    net = build("anchored", decoder_dim=96)
    for layer in (net.decoder.input_proj, net.decoder.layers[0].self_attn.to_q, net.final_layer):
        bound = layer.in_features**-0.5
        assert layer.weight.abs().max() <= bound
        # The variance of a uniform variable is bound^2 / 3, its fourth moment bound^4 / 5.
        error = math.sqrt((1 / 5 - 1 / 9) / layer.weight.numel())
        second = layer.weight.square().mean().item() / bound**2
        assert second == pytest.approx(1 / 3, abs=5 * error)


def test_anchored_latents_carry_the_code_of_their_own_time():
    perceiver = build("anchored").perceiver
    expected = time_code(2 * (torch.arange(N_LATENTS) + 0.5) / N_LATENTS - 1, perceiver)
    torch.testing.assert_close(perceiver.latents[:, : 2 * N_BANDS], expected)


def cross_attention(net, X, monkeypatch):
    """Logits of the first cross-attention, shape (batch * heads, n_latents, n_times)."""
    softmax, logits = torch.Tensor.softmax, []

    def spy(self, *args, **kwargs):
        logits.append(self.detach())
        return softmax(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "softmax", spy)
        net(X)
    assert logits[0].shape == (2 * len(X), len(net.perceiver.latents), X.shape[2])
    return logits[0]


SHARP = {"embed_dim": 64, "cross_dim_head": 32, "num_freq_bands": 16, "max_freq": 17}


@pytest.mark.parametrize("seed", range(3))
def test_anchored_latents_look_at_their_own_time(monkeypatch, seed):
    net = build("anchored", seed=seed, **SHARP)
    time, own = torch.linspace(-1, 1, N_TIMES), own_times(net)
    bands = torch.linspace(1, 8.5, 16)
    cosines = torch.cos(math.pi * bands * (time - own[:, None])[..., None]).sum(dim=2)
    # The peak of the cosines is about a quarter of their mean period wide on each side.
    width = 1 / (2 * bands.mean())
    for X in (noise(), 30 * noise(seed=2), torch.zeros(4, 8, N_TIMES)):
        logits = cross_attention(net, X, monkeypatch)
        distance = (time[logits.argmax(dim=2)] - own).abs()
        # Random weights move the peak, and may do so for one latent in a hundred.
        assert distance.median() < width / 4 and (distance < width).float().mean() > 0.99
        # As a function of time the logits are those cosines, as far as the layer norms and what
        # random weights add let them.
        similar = [
            np.corrcoef(row, cosine)[0, 1]
            for head in logits
            for row, cosine in zip(head, cosines, strict=True)
        ]
        assert np.mean(similar) > 0.85
        near = (time - own[:, None]).abs() < width  # a tenth of the window
        assert (logits.softmax(dim=2) * near).sum(dim=2).mean() > 0.9
    library = cross_attention(build("library", seed=seed, **SHARP), noise(), monkeypatch)
    assert (time[library.argmax(dim=2)] - own).abs().median() > 0.3


def test_anchored_latents_pass_on_what_they_see_through_a_rotation():
    first = build("anchored").perceiver.layers[0][0].fn
    dim = SMALL["embed_dim"]
    values = first.to_kv.weight[first.to_q.out_features :, :dim]
    torch.testing.assert_close(values @ values.T, torch.eye(dim), atol=1e-5, rtol=0)
    output = first.to_out.weight[2 * N_BANDS :]
    torch.testing.assert_close(output @ output.T, torch.eye(len(output)), atol=1e-5, rtol=0)


def test_anchored_code_is_still_there_after_the_perceiver():
    net = build("anchored")
    n_code = 2 * N_BANDS
    with torch.no_grad():
        latents = net._encode(noise())
    # Each of 6 output projections adds 0.02 of what it would; the code has entries of order 1.
    assert (latents - net.perceiver.latents)[..., :n_code].abs().max() < 6 * 0.02
    assert (latents - net.perceiver.latents)[..., n_code:].std() > 0.3


# Errors


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match=r"init must be one of anchored, library, got 'zero'"):
        build("zero")
    expected = r"embed_dim=32 leaves no room beside a time code of 32 numbers.*num_freq_bands=16"
    with pytest.raises(ValueError, match=expected):
        build("anchored", num_freq_bands=16)
    build("library", num_freq_bands=16)  # needs none
