"""The set criterion against braindecode's, an exhaustive matching, and cases with known loss."""

import itertools
import warnings

import pytest
import torch
from torch.nn import functional

from common.events.criterion import SetCriterion, dense_labels, match, render_queries

N_TOKENS = 32


def make_batch(seed, *, counts=(3, 0, 1, 6), n_queries=6, n_classes=3, n_tokens=N_TOKENS):
    """Random answers and targets; about a quarter of the predicted spans run backwards."""
    rng = torch.Generator().manual_seed(seed)
    batch, n_events = len(counts), max(*counts, 1)
    output = {
        "class": torch.randn(batch, n_queries, n_classes + 1, generator=rng),
        "start": torch.rand(batch, n_queries, generator=rng),
        "dense": torch.randn(batch, n_tokens, n_classes + 1, generator=rng),
    }
    output["end"] = output["start"] + 0.4 * torch.rand(batch, n_queries, generator=rng) - 0.1
    for values in output.values():
        values.requires_grad_()
    start = torch.rand(batch, n_events, generator=rng)
    targets = {
        "start": start,
        "end": (start + 0.5 * torch.rand(batch, n_events, generator=rng)).clamp(max=1),
        "class": torch.randint(1, n_classes + 1, (batch, n_events), generator=rng),
    }
    padded = torch.arange(n_events) >= torch.tensor(counts)[:, None]
    for values in targets.values():
        values[padded] = 0
    return output, targets


def value_and_gradients(criterion, output, targets):
    for values in output.values():
        values.grad = None
    loss, terms = criterion(output, targets)
    loss.backward()
    gradients = {name: values.grad for name, values in output.items()}
    return loss.detach(), terms, gradients


@pytest.fixture(scope="module")
def library_criterion():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = pytest.importorskip("braindecode.training.losses")
    return losses.DanceLoss


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "counts", [(3, 0, 1, 6), (0, 0), (6, 6), (1,)], ids=["mixed", "no event", "full", "one"]
)
@pytest.mark.parametrize("n_tokens", [32, 50])
def test_agrees_with_braindecode(library_criterion, seed, counts, n_tokens):
    output, targets = make_batch(seed, counts=counts, n_tokens=n_tokens)
    theirs = value_and_gradients(library_criterion(num_latents=n_tokens), output, targets)
    ours = value_and_gradients(SetCriterion(), output, targets)
    # Single precision: values of order 5, sums over some hundred terms.
    torch.testing.assert_close(ours[0], theirs[0], atol=1e-6, rtol=1e-6)
    for name, gradient in ours[2].items():
        expected = theirs[2][name]
        expected = torch.zeros_like(gradient) if expected is None else expected
        torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-5, msg=name)
    for name in ("class", "iou", "dense", "consistency"):
        expected = theirs[1][f"{name}_loss"]
        assert ours[1][name].item() == pytest.approx(expected, abs=1e-6, rel=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_given_dense_targets_are_used_like_braindecode(library_criterion):
    output, targets = make_batch(0)
    targets["dense"] = torch.randint(
        0, 4, (4, N_TOKENS), generator=torch.Generator().manual_seed(1)
    )
    theirs, _ = library_criterion(num_latents=N_TOKENS)(output, targets)
    ours, _ = SetCriterion()(output, targets)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_dense_labels_agree_with_braindecode(library_criterion):
    _, targets = make_batch(3, counts=(6, 6, 2, 0))
    theirs = library_criterion(num_latents=N_TOKENS)._dense_target(targets, 4, "cpu")
    assert torch.equal(dense_labels(targets, N_TOKENS), theirs)


def test_perfect_answer_costs_nothing():
    # Two events of classes 1 and 2 on tokens 0-7 and 16-31, answered exactly and with certainty.
    sure = 60.0
    query = torch.tensor([[1, 2, 0]])
    dense = torch.tensor([[1] * 8 + [0] * 8 + [2] * 16])
    output = {
        "class": sure * functional.one_hot(query, 3).float(),
        "start": torch.tensor([[0.0, 0.5, 0.2]]),
        "end": torch.tensor([[0.25, 1.0, 0.1]]),
        "dense": sure * functional.one_hot(dense, 3).float(),
    }
    targets = {
        "class": torch.tensor([[1, 2]]),
        "start": torch.tensor([[0.0, 0.5]]),
        "end": torch.tensor([[0.25, 1.0]]),
    }
    _, terms = SetCriterion()(output, targets)
    assert terms["class"] == pytest.approx(0, abs=1e-6)
    assert terms["iou"] == pytest.approx(0, abs=1e-5)  # 1e-7 in the denominator, times weight 5
    assert terms["dense"] == pytest.approx(0, abs=1e-6)
    # No query lies on tokens 8-15: there the rendering is at its floor of 1e-8 while the dense
    # head is sure of the background, which is worth -log(1e-8) at a quarter of the tokens.
    floor = 0.5 * 0.25 * 18.420681
    assert terms["consistency"] == pytest.approx(floor, rel=1e-5)


def test_iou_over_all_queries_adds_one_for_every_unmatched_query():
    output, targets = make_batch(0)
    weights = {"weight_class": 1.0, "weight_dense": 0.0, "weight_consistency": 0.0, "weight_iou": 1}
    _, matched = SetCriterion(**weights)(output, targets)
    _, every = SetCriterion(**weights, iou_mean="all")(output, targets)
    n_events, n_queries = 10, 24
    expected = (n_events * matched["iou"] + (n_queries - n_events)) / n_queries
    assert every["iou"] == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_matching_is_optimal(seed):
    # Against all assignments of two events to four queries.
    output, targets = make_batch(seed, counts=(2,), n_queries=4)
    window, query, event = match(output, targets)
    log_p = output["class"].log_softmax(-1)

    def cost(queries):
        total = 0.0
        for j, q in enumerate(queries):
            s, e = output["start"][0, q], output["end"][0, q]
            ts, te = targets["start"][0, j], targets["end"][0, j]
            shared = max(0.0, float(min(e, te) - max(s, ts)))
            total += 1 - shared / float(max(e, te) - min(s, ts))
            total -= float(log_p[0, q, targets["class"][0, j]])
        return total

    best = min(cost((a, b)) for a in range(4) for b in range(4) if a != b)
    found = [None, None]
    for q, j in zip(query.tolist(), event.tolist(), strict=True):
        found[j] = q
    assert window.tolist() == [0, 0]
    # Costs, not pairs: two assignments may cost the same.
    assert cost(found) == pytest.approx(best, abs=1e-5)


def assigned(output, targets, **weights):
    """Class, start and end of the event that each query answers for, 0 for none."""
    window, query, event = match(output, targets, **weights)
    shape = output["start"].shape
    found = {name: values.new_zeros(shape) for name, values in targets.items()}
    for name, values in targets.items():
        found[name][window, query] = values[window, event]
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weight_class", [1.0, 0.3])
def test_matching_with_weight_one_is_that_of_braindecode(library_criterion, weight_class):
    # Its matcher takes a weight of the overlap but does not use it.
    matcher = library_criterion(weight_class=weight_class, num_latents=N_TOKENS).matcher
    for seed in range(10):
        output, targets = make_batch(seed)
        theirs = matcher(output, targets)
        ours = assigned(output, targets, weight_class=weight_class, weight_iou=1.0)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("seed", range(5))
def test_matching_with_a_large_weight_maximises_the_overlap_whatever_the_class(seed):
    # Against all assignments of three events to four queries that overlap with every one of them.
    output, targets = make_batch(seed, counts=(3,), n_queries=4)
    output["start"].data = 0.3 * output["start"].data
    output["end"].data = output["start"].data + 0.3 + 0.4 * output["start"].data
    targets["start"] = 0.2 + 0.1 * targets["start"]
    targets["end"] = targets["start"] + 0.2 + 0.3 * targets["end"]

    def overlap(queries):
        total = 0.0
        for j, q in enumerate(queries):
            s, e = output["start"][0, q].item(), output["end"][0, q].item()
            ts, te = targets["start"][0, j].item(), targets["end"][0, j].item()
            total += max(0.0, min(e, te) - max(s, ts)) / (max(e, te) - min(s, ts))
        return total

    best = max(itertools.permutations(range(4), 3), key=overlap)
    _, query, event = match(output, targets, weight_iou=1e4)
    found = query[event.argsort()].tolist()
    # Log-probabilities, of order 1, are worth 1e-4 of overlap.
    assert overlap(found) == pytest.approx(overlap(best), abs=1e-3)
    other = {**output, "class": output["class"].flip(2)}  # other classes, same assignment
    _, query, event = match(other, targets, weight_iou=1e4)
    assert overlap(query[event.argsort()].tolist()) == pytest.approx(overlap(best), abs=1e-3)


def test_weight_of_the_overlap_decides_between_the_right_place_and_the_right_class():
    # Query 0 lies on the event but favours class 2 by 4; query 1 is elsewhere and favours class 1.
    output = {
        "class": torch.tensor([[[0.0, 0.0, 4.0], [0.0, 4.0, 0.0]]]),
        "start": torch.tensor([[0.25, 0.75]]),
        "end": torch.tensor([[0.5, 1.0]]),
    }
    targets = {
        "class": torch.tensor([[1]]),
        "start": torch.tensor([[0.25]]),
        "end": torch.tensor([[0.5]]),
    }
    # Costs are w_class (4 + c) and w_class c + w_iou.
    for weight_iou, expected in ((1.0, 1), (3.9, 1), (4.1, 0), (100.0, 0)):
        _, query, _ = match(output, targets, weight_iou=weight_iou)
        assert query.tolist() == [expected]
    _, query, _ = match(output, targets, weight_class=0.25, weight_iou=1.1)
    assert query.tolist() == [0]
    options = {"weight_dense": 0.0, "weight_consistency": 0.0}
    # The criterion passes its own weight on, and weighs the loss as before.
    for match_iou, overlap_loss in ((1.0, 5.0), (5.0, 0.0)):
        _, terms = SetCriterion(match_iou=match_iou, **options)(output, targets)
        assert terms["iou"].item() == pytest.approx(overlap_loss, abs=1e-5)


def test_order_of_targets_does_not_matter():
    output, targets = make_batch(2, counts=(5, 6))
    targets["dense"] = dense_labels(targets, N_TOKENS)
    loss, _ = SetCriterion()(output, targets)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    shuffled = {name: targets[name][:, order] for name in ("class", "start", "end")}
    again, _ = SetCriterion()(output, {**shuffled, "dense": targets["dense"]})
    torch.testing.assert_close(loss, again)  # padding may stand anywhere, too


def test_spans_of_the_matched_queries_are_what_the_iou_term_trains():
    output, targets = make_batch(1, counts=(1,), n_queries=3)
    weights = {"weight_dense": 0, "weight_consistency": 0}
    _, _, gradients = value_and_gradients(SetCriterion(**weights), output, targets)
    _, query, _ = match(output, targets)
    unmatched = torch.arange(3) != query
    assert torch.all(gradients["start"][0, unmatched] == 0)


def test_later_event_overwrites_the_earlier_one_in_the_dense_labels():
    targets = {
        "class": torch.tensor([[1, 2, 0]]),
        "start": torch.tensor([[0.0, 0.25, 0.0]]),
        "end": torch.tensor([[0.75, 0.5, 1.0]]),
    }
    assert dense_labels(targets, 4).tolist() == [[1, 2, 1, 0]]


def test_rendering_by_hand():
    # Certain queries: class 1 on tokens 0-2, class 2 on tokens 2-3, a backward span, nothing on 3.
    logits = 100.0 * functional.one_hot(torch.tensor([[1, 2, 1]]), 3).float()
    start, end = torch.tensor([[0.0, 0.5, 0.9]]), torch.tensor([[0.75, 0.75, 0.1]])
    rendered = render_queries(logits, start, end, 4)
    expected = torch.tensor([[0.0, 1, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0, 0]])
    torch.testing.assert_close(rendered[0], expected, atol=1e-7, rtol=0)


def test_rendering_leaves_no_noise_after_many_spans():
    # 300 spans end at token 8 of 16: cancellation must leave exact zeros, not rounding errors.
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 300, 4, generator=rng)
    start = 0.4 * torch.rand(1, 300, generator=rng)
    rendered = render_queries(logits, start, torch.full((1, 300), 0.5), 16)
    assert torch.all(rendered[0, 8:] == 0)


@pytest.mark.parametrize("name", ["class", "iou", "dense", "consistency"])
def test_a_term_of_weight_zero_is_left_out_and_the_others_stay(name):
    output, targets = make_batch(0)
    _, full = SetCriterion()(output, targets)
    loss, terms = SetCriterion(**{f"weight_{name}": 0.0})(output, targets)
    assert terms[name] == 0
    assert loss.item() == pytest.approx(sum(v.item() for v in terms.values()), rel=1e-6)
    for other in terms:
        if other != name and not (name == "class" and other == "iou"):  # the matching changes
            assert terms[other] == full[other]


def test_no_dense_head_is_needed_when_no_term_uses_it():
    output, targets = make_batch(0)
    del output["dense"]
    loss, _ = SetCriterion(weight_dense=0, weight_consistency=0)(output, targets)
    assert torch.isfinite(loss)


def test_half_precision_is_accepted():
    output, targets = make_batch(0)
    low = {name: values.detach().bfloat16() for name, values in output.items()}
    loss, _ = SetCriterion()(low, targets)
    assert loss.dtype == torch.float32 and torch.isfinite(loss)


def test_a_diverged_window_does_not_stop_the_matching():
    output, targets = make_batch(0, counts=(2,), n_queries=4)
    output["class"].data[0, 0] = torch.nan
    _, query, _ = match(output, targets)
    assert 0 not in query.tolist()


def test_errors_name_what_is_wrong():
    output, targets = make_batch(0)
    with pytest.raises(ValueError, match=r"weight_iou must be at least 0, got -1"):
        SetCriterion(weight_iou=-1)
    with pytest.raises(ValueError, match=r"match_iou must be at least 0, got -0.5"):
        SetCriterion(match_iou=-0.5)
    with pytest.raises(ValueError, match=r"match_iou must be at least 0, got nan"):
        SetCriterion(match_iou=float("nan"))
    with pytest.raises(ValueError, match="iou_mean must be one of matched, all, got 'mean'"):
        SetCriterion(iou_mean="mean")
    with pytest.raises(ValueError, match=r"output lacks \['dense'\]"):
        SetCriterion()({n: v for n, v in output.items() if n != "dense"}, targets)
    with pytest.raises(ValueError, match=r"targets lacks \['start'\]"):
        SetCriterion()(output, {n: v for n, v in targets.items() if n != "start"})
    with pytest.raises(ValueError, match=r"output end must have shape \(4, 6\), got \(4, 5\)"):
        SetCriterion()({**output, "end": output["end"][:, :5]}, targets)
    with pytest.raises(ValueError, match=r"window 3 of the batch has 6 events but .* 5 queries"):
        SetCriterion()({n: v[:, :5] if n != "dense" else v for n, v in output.items()}, targets)
    assert "weight_iou=5, " in repr(SetCriterion())
    assert "match_iou=2.5" in repr(SetCriterion(match_iou=2.5))
