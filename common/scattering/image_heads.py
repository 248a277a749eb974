"""Classifiers on top of the scattering transform of color images, trained with torch.

Batch normalisation of the coefficients, then a linear map or a small convolutional network [1]_.

References
----------
.. [1] M. Andreux et al., "Kymatio: Scattering Transforms in Python", JMLR 21(60), 2020,
   arXiv:1812.11214; its example on CIFAR-10 has the sizes and the settings.
"""

import numpy as np
import torch

from common import training, validation

__all__ = ["accuracy", "augment", "make_head", "normalize", "train_head"]

_CONVOLUTIONS = (256, 256, 256, "halve", 512, 512, 512, 1024, 1024)
# Of ImageNet's images, by color, for values from 0 to 1.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def make_head(kind, n_channels, size, *, rng, n_classes=10):
    """A network from coefficients to the scores of classes.

    Parameters
    ----------
    kind : {"linear", "cnn"}
        After batch normalisation: a linear map of all coefficients; or eight convolutions of
        3 x 3 with 256 to 1024 channels, each with batch normalisation and rectification, halved
        once after the third, averages over quarters of the image and a linear map.
    n_channels : int
        Paths times colors.
    size : tuple of int
        Height and width of the coefficients.
    rng : numpy.random.Generator
        Draws the first weights; torch's own generator is left as it was.
    n_classes : int, default=10

    Returns
    -------
    head : torch.nn.Module
        Maps (n_images, n_channels, height, width), or the same with separate axes of colors and
        paths, to (n_images, n_classes).
    """
    validation.choice(kind, ("linear", "cnn"), "kind")
    validation.count(n_channels, "n_channels", at_least=1)
    validation.count(n_classes, "n_classes", at_least=2)
    height, width = (validation.count(n, "size", at_least=1) for n in size)
    validation.generator(rng)
    with training.reproducible(int(rng.integers(2**63))):
        layers = [_Channels(n_channels), torch.nn.BatchNorm2d(n_channels)]
        n_inputs = n_channels * height * width
        if kind == "cnn":
            before = n_channels
            for after in _CONVOLUTIONS:
                if after == "halve":
                    layers.append(torch.nn.MaxPool2d(2))
                    continue
                layers.append(torch.nn.Conv2d(before, after, 3, padding=1))
                layers += [torch.nn.BatchNorm2d(after), torch.nn.ReLU(inplace=True)]
                before = after
            layers.append(torch.nn.AdaptiveAvgPool2d(2))
            n_inputs = 4 * before
        return torch.nn.Sequential(
            *layers, torch.nn.Flatten(), torch.nn.Linear(n_inputs, n_classes)
        )


def train_head(
    head,
    transform,
    images,
    labels,
    *,
    rng,
    epochs=90,
    test=None,
    device="cpu",
    batch_size=128,
    learning_rate=0.1,
    decay=0.2,
    decay_every=20,
    augmented=True,
):
    """Train a head with stochastic gradient descent; the transform stays as it is.

    Momentum 0.9, weight decay 0.0005. Momentum starts anew whenever the rate falls.

    Parameters
    ----------
    head : torch.nn.Module
        From `make_head`; trained in place and left on ``device``.
    transform : callable
        Of tensors, such as `Scattering2D`.
    images : ndarray of uint8, shape (n_images, 3, height, width)
    labels : ndarray of int, shape (n_images,)
    rng : numpy.random.Generator
        Draws the order of images, shifts and reflections.
    epochs : int, default=90
    test : tuple of (images, labels), optional
        Scored after each epoch, and not used otherwise.
    device : str or torch.device, default="cpu"
    batch_size : int, default=128
        Images in a step; a few more where it does not divide their number.
    learning_rate : float, default=0.1
    decay : float, default=0.2
        Factor of the rate after each ``decay_every`` epochs.
    decay_every : int, default=20
    augmented : bool, default=True
        Whether images are shifted and reflected at random.

    Returns
    -------
    rows : list of dict
        ``epoch`` from 1, mean ``loss`` while training, and, with ``test``, ``accuracy``.

    Raises
    ------
    ValueError
        If images and labels differ in number, or an option is out of range.
    FloatingPointError
        If the loss is not finite.
    """
    _check_images(images, labels)
    for name, value in (("epochs", epochs), ("decay_every", decay_every)):
        validation.count(value, name, at_least=1)
    # Batch normalisation has no variance of one image.
    validation.count(batch_size, "batch_size", at_least=2)
    validation.number(learning_rate, "learning_rate", above=0)
    validation.number(decay, "decay", above=0, at_most=1)
    validation.generator(rng)
    if test is not None:
        _check_images(*test)
    head.to(device)
    rows = []
    for epoch in range(epochs):
        if epoch % decay_every == 0:
            rate = learning_rate * decay ** (epoch // decay_every)
            optimizer = torch.optim.SGD(head.parameters(), rate, momentum=0.9, weight_decay=5e-4)
        head.train()
        total = 0.0
        order = rng.permutation(len(images))
        n_batches = max(1, len(order) // batch_size)
        for chosen in np.array_split(order, n_batches):
            batch = images[chosen]
            batch = augment(batch, rng=rng) if augmented else batch
            with torch.no_grad():
                coefficients = transform(normalize(batch).to(device))
            target = torch.as_tensor(labels[chosen], device=device)
            loss = torch.nn.functional.cross_entropy(head(coefficients), target)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss.item()} in epoch {epoch + 1}; lower learning_rate, "
                    f"which is {learning_rate}."
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        row = {"epoch": epoch + 1, "loss": total / len(order)}
        if test is not None:
            row["accuracy"] = accuracy(head, transform, *test, device=device)
        rows.append(row)
    return rows


def accuracy(head, transform, images, labels, *, device="cpu", batch_size=256):
    """Share of images whose class has the highest score.

    Parameters
    ----------
    head : torch.nn.Module
    transform : callable
    images : ndarray of uint8, shape (n_images, 3, height, width)
    labels : ndarray of int, shape (n_images,)
    device : str or torch.device, default="cpu"
    batch_size : int, default=256

    Returns
    -------
    accuracy : float
    """
    _check_images(images, labels)
    head.to(device).eval()
    right = 0
    with torch.no_grad():
        for i in range(0, len(images), batch_size):
            scores = head(transform(normalize(images[i : i + batch_size]).to(device)))
            right += int(np.sum(scores.argmax(1).cpu().numpy() == labels[i : i + batch_size]))
    return right / len(images)


def augment(images, *, rng, padding=4):
    """Shift each image at random, over a black border, and reflect every second one.

    Parameters
    ----------
    images : ndarray, shape (n_images, n_colors, height, width)
    rng : numpy.random.Generator
    padding : int, default=4
        Largest shift, in pixels.

    Returns
    -------
    images : ndarray, shape (n_images, n_colors, height, width)
        New ones.
    """
    validation.count(padding, "padding", at_least=0)
    n, _, height, width = images.shape
    padded = np.pad(images, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    top, left = rng.integers(0, 2 * padding + 1, size=(2, n))
    rows = top[:, None] + np.arange(height)
    columns = left[:, None] + np.arange(width)
    reflected = rng.uniform(size=n) < 0.5
    columns[reflected] = columns[reflected, ::-1]
    image = np.arange(n)[:, None, None]
    found = padded.transpose(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]]
    return found.transpose(0, 3, 1, 2)


def normalize(images):
    """Colors less their usual mean, over their usual deviation.

    Parameters
    ----------
    images : ndarray of uint8, shape (n_images, 3, height, width)

    Returns
    -------
    images : Tensor of float32, of the same shape
    """
    mean, std = (torch.tensor(values)[:, None, None] for values in (_MEAN, _STD))
    return (torch.from_numpy(np.ascontiguousarray(images)).float() / 255 - mean) / std


class _Channels(torch.nn.Module):
    """Colors and paths on one axis."""

    def __init__(self, n_channels):
        super().__init__()
        self.n_channels = n_channels

    def forward(self, x):
        return x.reshape(len(x), self.n_channels, *x.shape[-2:])


def _check_images(images, labels):
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(
            "images must be bytes of shape (n_images, 3, height, width), got "
            f"{images.dtype} of shape {images.shape}."
        )
    if len(images) != len(labels) or len(images) < 2:
        raise ValueError(
            f"at least two images with a label each are needed, got {len(images)} images and "
            f"{len(labels)} labels."
        )
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise ValueError(
            f"labels must be whole numbers from 0, got {labels.min()} of type {labels.dtype}."
        )
