"""What trainings share, against closed forms and what they promise."""

import math

import pytest
import torch

from common.training import early_stopping, logits, one_epoch, reproducible


def scalar(value):
    """A network whose only weight can be set from outside."""
    network = torch.nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(value)
    return network


def run(losses, *, patience, restore_best=True, n_epochs=None, after=None):
    """Epochs with given validation losses; the weight of the network is the epoch's number."""
    network, given = scalar(0.0), iter(losses)

    def train(epoch):
        network.weight.data.fill_(epoch)
        return 0.0

    curve, best = early_stopping(
        network,
        train,
        lambda: next(given),
        n_epochs=n_epochs or len(losses),
        patience=patience,
        restore_best=restore_best,
        advice="Try something else.",
        after=after,
    )
    return curve, best, network.weight.item()


def test_stops_after_patience_epochs_without_a_lower_loss():
    curve, best, _ = run([3.0, 2.0, 2.0, 2.5, 1.0], patience=2)
    assert [row["epoch"] for row in curve] == [1, 2, 3, 4]
    assert best == {"epoch": 2, "train_loss": 0.0, "valid_loss": 2.0}


def test_a_lower_loss_restores_patience():
    curve, best, _ = run([3.0, 4.0, 2.0, 3.0, 1.0, 5.0], patience=2)
    assert len(curve) == 6 and best["epoch"] == 5


def test_ends_with_the_epochs_asked_for():
    curve, _, _ = run([4.0, 3.0, 2.0, 1.0], patience=1, n_epochs=3)
    assert len(curve) == 3


@pytest.mark.parametrize(("restore_best", "epoch"), [(True, 2), (False, 4)])
def test_weights_are_the_best_or_the_last(restore_best, epoch):
    _, _, weight = run([3.0, 1.0, 2.0, 1.0], patience=9, restore_best=restore_best)
    assert weight == epoch


def test_a_schedule_sees_the_validation_loss_of_each_epoch():
    seen = []
    run([3.0, 1.0, 2.0], patience=9, after=seen.append)
    assert seen == [3.0, 1.0, 2.0]


def test_a_loss_that_is_not_finite_names_the_epoch_and_the_remedy():
    with pytest.raises(FloatingPointError, match=r"nan \(validation\) in epoch 2\. Try something"):
        run([1.0, math.nan], patience=9)


def test_one_epoch_takes_the_steps_of_gradient_descent():
    # Of two classes with outputs (w x, 0), the loss at w = 0 has the slope -x/2 for class 0.
    network = torch.nn.Linear(1, 2, bias=False)
    network.weight.data.zero_()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    X, y = torch.tensor([[2.0]]), torch.tensor([0])
    loss = one_epoch(network, optimizer, X, y, [torch.tensor([0])])
    assert loss == pytest.approx(math.log(2), rel=1e-6)
    torch.testing.assert_close(network.weight.data, torch.tensor([[0.1], [-0.1]]))


def test_every_example_counts_once_in_the_loss():
    # With a rate of 0 nothing changes: the loss is the mean over examples, not over batches.
    network, X, y = torch.nn.Linear(3, 2), torch.randn(5, 3), torch.tensor([0, 1, 1, 0, 1])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    batches = torch.tensor([4, 2, 0, 1, 3]).split(2)
    expected = torch.nn.functional.cross_entropy(network(X), y).item()
    # Sums of five terms in another order, in single precision.
    assert one_epoch(network, optimizer, X, y, batches) == pytest.approx(expected, rel=1e-5)


def test_augmentation_is_given_the_rows_and_changes_what_is_trained_on():
    network, seen = scalar(0.0), []
    network = torch.nn.Sequential(network, torch.nn.Linear(1, 2))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    X, y = torch.arange(4.0)[:, None], torch.tensor([0, 1, 0, 1])

    def augment(batch, labels, *, indices):
        seen.append((indices.tolist(), batch[:, 0].tolist()))
        return batch, labels

    one_epoch(network, optimizer, X, y, [torch.tensor([3, 1]), torch.tensor([0])], augment=augment)
    assert seen == [([3, 1], [3.0, 1.0]), ([0], [0.0])]


def test_outputs_do_not_depend_on_the_batch_and_draw_no_dropout():
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.5))
    X = torch.randn(7, 3)
    expected = network.eval()(X).detach()
    network.train()
    # A product of another number of rows may differ in its last bit.
    torch.testing.assert_close(logits(network, X, batch_size=3), expected)
    assert not network.training


def test_a_seed_gives_the_same_numbers_and_leaves_the_generator():
    before = torch.get_rng_state()
    found = []
    for seed in (1, 1, 2):
        with reproducible(seed):
            found.append(torch.rand(4))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_the_generator_is_restored_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(KeyError), reproducible(1):
        torch.rand(1)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)
