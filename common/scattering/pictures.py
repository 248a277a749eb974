"""A picture of what a maximum entropy model makes of an observed image or point pattern."""

import numpy as np

from common import validation

__all__ = ["beside"]


def beside(observed, drawn, *, window=1.0):
    """Draw what was observed and what a model has drawn, side by side and alike.

    Parameters
    ----------
    observed : array_like
        What the model was fitted to: a real image of shape (height, width), a picture in colour of
        shape (height, width, 3), or a point pattern of shape (n_points, 2).
    drawn : array_like, shape (n, ...)
        What ``sample`` has returned: n of them.
    window : float, default=1
        Side of the square that holds a point pattern.

    Returns
    -------
    fig : matplotlib.figure.Figure
        Images share the grey scale of the observed one, from its least to its largest value; in
        colour, the range of all channels. Values beyond are shown as its ends.

    Raises
    ------
    ValueError
        If the shape of one is not that of an image, a picture or a pattern, or that of the others
        is another one, or a value is not finite.
    TypeError
        If one does not hold real numbers.

    Examples
    --------
    >>> points = np.random.default_rng(0).random((5, 50, 2))
    >>> len(beside(points[0], points[1:]).axes)
    5
    """
    import matplotlib.pyplot as plt  # here: a fit does without

    observed = validation.array(observed, "observed")
    drawn = validation.array(drawn, "drawn")
    is_pattern = observed.ndim == 2 and observed.shape[1] == 2
    if not (is_pattern or observed.ndim == 2 or (observed.ndim == 3 and observed.shape[2] == 3)):
        raise ValueError(
            "observed must have the shape (height, width) of an image, (height, width, 3) of a "
            f"picture in colour, or (n_points, 2) of a pattern, got {observed.shape}."
        )
    if drawn.ndim != observed.ndim + 1 or drawn.shape[-1 if is_pattern else 1 :] != (
        (2,) if is_pattern else observed.shape
    ):
        raise ValueError(
            f"drawn must hold images or patterns like the observed one, of shape {observed.shape}, "
            f"one after the other; got shape {drawn.shape}."
        )
    window = validation.number(window, "window", above=0)
    low, high = float(observed.min()), float(observed.max())
    shown = [observed, *drawn]
    n_columns = min(len(shown), 5)
    n_rows = -(-len(shown) // n_columns)
    fig, axes = plt.subplots(
        n_rows, n_columns, figsize=(1.9 * n_columns, 2.1 * n_rows), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for ax in axes.flat[len(shown) :]:
        ax.remove()
    for number, (ax, one) in enumerate(zip(axes.flat, shown, strict=False)):
        ax.set_title("observed" if number == 0 else f"drawn {number}", fontsize="medium")
        ax.set(xticks=[], yticks=[])
        if is_pattern:
            ax.plot(*one.T, ".", color="black", ms=2)
            ax.set(xlim=(0, window), ylim=(0, window), aspect="equal")
        else:
            scale = max(high - low, np.finfo(float).tiny)
            ax.imshow(np.clip((one - low) / scale, 0, 1), cmap="gray", vmin=0, vmax=1)
    return fig
