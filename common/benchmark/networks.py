"""A network of braindecode as a scikit-learn classifier, trained as the benchmark trained its own.

The paper trained Keras models: Adam, batches of 64, the last fifth of the training trials kept for
validation, training stopped and the learning rate halved when the validation loss has not fallen
for a while, and the last weights used, not the best ones.
"""

import contextlib
import math

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from common import failures, validation

__all__ = ["NETWORKS", "NetworkClassifier"]

NETWORKS = ("ShallowFBCSPNet", "Deep4Net", "EEGNet", "EEGTCNet", "EEGITNet", "EEGNeX")
"""Names in `braindecode.models`."""

_LEAST_FALL = 1e-4  # of the loss, for Keras to count it against the learning rate's patience
_KERAS_EPSILON = 1e-7


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """Train a network on trials.

    Parameters
    ----------
    network : str
        One of `NETWORKS`.
    options : dict, optional
        Further arguments of the network.
    n_epochs : int, default=300
        At most.
    patience : int, default=75
        Epochs without a lower validation loss after which training stops and, if the loss fell by
        less than 1e-4, the learning rate is halved.
    batch_size : int, default=64
    lr : float, default=1e-3
    validation_share : float, default=0.2
        Of the training trials, the last ones.
    restore_best : bool, default=False
        Return to the weights of the lowest validation loss; the benchmark did not.
    seed : int, default=42
        Weights, order of the trials, and dropout. torch's global generator is left as it was.
    device : str, default="cpu"

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    network_ : torch.nn.Module
        Gives logits.
    n_epochs_ : int
        Trained.
    history_ : list of dict
        ``epoch``, ``train_loss`` and ``valid_loss``.
    """

    def __init__(
        self,
        network,
        options=None,
        n_epochs=300,
        patience=75,
        batch_size=64,
        lr=1e-3,
        validation_share=0.2,
        restore_best=False,
        seed=42,
        device="cpu",
    ):
        self.network = network
        self.options = options
        self.n_epochs = n_epochs
        self.patience = patience
        self.batch_size = batch_size
        self.lr = lr
        self.validation_share = validation_share
        self.restore_best = restore_best
        self.seed = seed
        self.device = device

    def fit(self, X, y):
        """Train.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_channels, n_times)
        y : ndarray, shape (n_trials,)

        Returns
        -------
        self : NetworkClassifier

        Raises
        ------
        TypeError
            If X holds no real numbers, or an argument is no number.
        ValueError
            If the network is unknown or does not fit trials of this shape, X is masked, not finite
            or beyond single precision, there are fewer than two classes, labels are fractions,
            masked or missing, the last trials, kept for validation, have all that there is of a
            class or come sorted by class, or an argument is out of range.
        FloatingPointError
            If the loss is not finite.
        """
        import torch

        from common import training

        X, y = self._checked(X, y)
        self.classes_, y = np.unique(y, return_inverse=True)
        n_valid = max(1, math.floor(self.validation_share * len(y)))
        self._check_parts(y, n_valid)
        self.shape_ = X.shape[1:]
        X = torch.as_tensor(X, dtype=torch.float32, device=self.device)
        y = torch.as_tensor(y, dtype=torch.int64, device=self.device)
        train, valid = (X[:-n_valid], y[:-n_valid]), (X[-n_valid:], y[-n_valid:])
        with training.reproducible(self.seed, self.device), _quiet():
            self.network_ = self._make(X.shape[1:]).to(self.device)
            self._train(train, valid)
        self.network_.eval()
        return self

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_channels, n_times)

        Returns
        -------
        probabilities : ndarray, shape (n_trials, n_classes)

        Raises
        ------
        TypeError
            If X holds no real numbers.
        ValueError
            If trials have another shape than those of the training, or a value is masked, not
            finite or beyond single precision.
        FloatingPointError
            If an output of the network is not finite.
        """
        import torch

        from common import training

        check_is_fitted(self)
        X = _trials(X)
        if X.ndim != 3:
            raise ValueError(f"X must be (n_trials, n_channels, n_times), got {X.shape}.")
        if X.shape[1:] != self.shape_:
            raise ValueError(
                f"X has trials of {X.shape[1]} channels and {X.shape[2]} samples; the network was "
                f"trained on {self.shape_[0]} and {self.shape_[1]}."
            )
        trials = torch.as_tensor(X, dtype=torch.float32, device=self.device)
        with _quiet():
            logits = training.logits(self.network_, trials)
        lost = (~torch.isfinite(logits)).any(dim=1).nonzero()
        if len(lost):
            row = int(lost[0])
            raise FloatingPointError(
                f"the output of {self.network} is not finite for trial {row} of X, one of "
                f"{len(lost)}, whose values reach {np.abs(X[row]).max():.3g} µV. Give X in the "
                "unit of the training, or drop this trial."
            )
        return logits.softmax(1).cpu().numpy().astype(float)

    def predict(self, X):
        """Most likely class of each trial.

        Parameters
        ----------
        X : ndarray, shape (n_trials, n_channels, n_times)

        Returns
        -------
        labels : ndarray, shape (n_trials,)
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def __getstate__(self):
        # Weights instead of the network: torch stores none whose weights are parametrised.
        state = super().__getstate__().copy()
        if "network_" in state:
            weights = state["network_"].state_dict()
            state["network_"] = {name: tensor.cpu() for name, tensor in weights.items()}
        return state

    def __setstate__(self, state):
        from common import training

        super().__setstate__(state)
        if "network_" in state:
            with training.reproducible(self.seed, self.device), _quiet():
                self.network_ = self._make(self.shape_).to(self.device)
            self.network_.load_state_dict(state["network_"])
            self.network_.eval()

    def _checked(self, X, y):
        if self.network not in NETWORKS:
            raise ValueError(f"network must be one of {', '.join(NETWORKS)}, got {self.network!r}.")
        X, y = _trials(X), validation.labels(y, "y")
        if X.ndim != 3 or len(X) != len(y):
            raise ValueError(
                f"X must be (n_trials, n_channels, n_times) with a label each, got {X.shape} and "
                f"{len(y)} labels."
            )
        if y.dtype.kind not in "biuUSO":
            raise ValueError(
                f"labels must be whole numbers or words, got {y.dtype}: {y[:5]}. Encode them "
                "(np.unique(y, return_inverse=True))."
            )
        if len(classes := np.unique(y)) < 2:
            raise ValueError(
                f"all {len(y)} trials are of class {classes.tolist()}; two are needed."
            )
        validation.number(self.validation_share, "validation_share", above=0, below=1)
        for name in ("n_epochs", "patience", "batch_size"):
            validation.count(getattr(self, name), name)
        return X, y

    def _check_parts(self, y, n_valid):
        """Both parts must show the classes, unless they are as mixed as chance would have it."""
        n, counts = len(y), np.bincount(y)
        where = f"the last {n_valid} of {n} trials are kept for validation"
        for part, rows in (("training", y[:-n_valid]), ("validation", y[-n_valid:])):
            lost = np.flatnonzero(np.bincount(rows, minlength=len(counts)) == 0)
            changes = np.count_nonzero(np.diff(y))
            # A quarter of how often neighbours differ in random order, on average.
            sorted_ = changes < 0.25 * n * (1 - np.sum((counts / n) ** 2))
            if len(lost) and (part == "training" or sorted_):
                raise ValueError(
                    f"{where}, and the {part} part has none of class {self.classes_[lost[0]]!s}. "
                    "Shuffle the trials."
                )

    def _make(self, shape):
        import braindecode.models
        import torch

        n_channels, n_times = shape
        settings = {"n_chans": n_channels, "n_outputs": len(self.classes_), "n_times": n_times}
        try:
            made = getattr(braindecode.models, self.network)(**settings, **(self.options or {}))
            with torch.inference_mode():  # some are made for any length, and fail on short ones
                made.eval()(torch.zeros(2, n_channels, n_times))
            return made
        except Exception as error:  # braindecode's own say little about what to do
            if failures.of_machine(error):
                raise
            raise ValueError(
                f"{self.network} cannot be made for trials of {n_channels} channels and {n_times} "
                f"samples ({type(error).__name__}: {str(error).splitlines()[0]}). Use longer "
                "trials, at least two channels, or another network."
            ) from error

    def _train(self, train, valid):
        import torch

        from common import training

        network = self.network_
        optimizer = torch.optim.Adam(network.parameters(), lr=self.lr, eps=_KERAS_EPSILON)
        # torch waits one epoch more than Keras.
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.5, patience=self.patience - 1,
            threshold=_LEAST_FALL, threshold_mode="abs",
        )  # fmt: skip

        def train_epoch(epoch):
            batches = _batches(len(train[1]), self.batch_size)
            return training.one_epoch(network, optimizer, *train, batches)

        def loss():
            outputs = training.logits(network, valid[0])
            return float(torch.nn.functional.cross_entropy(outputs, valid[1]))

        self.history_, _ = training.early_stopping(
            network,
            train_epoch,
            loss,
            n_epochs=self.n_epochs,
            patience=self.patience,
            restore_best=self.restore_best,
            advice=f"Lower the learning rate of {self.network} (lr={self.lr:g}).",
            after=plateau.step,
        )
        self.n_epochs_ = len(self.history_)


def _trials(X):
    """Real numbers that stay finite in single precision, with any number of axes."""
    X = validation.array(X, "X", unit="µV", empty=True)
    if np.abs(X).max(initial=0) > np.finfo(np.float32).max:
        raise ValueError(
            f"X has values of up to {np.abs(X).max():g}, beyond single precision. Is its unit µV?"
        )
    return X


def _batches(n, size):
    """Shuffled rows, all of them; batch normalisation needs two in each batch."""
    import torch

    batches = list(torch.randperm(n).split(size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


@contextlib.contextmanager
def _quiet():
    import warnings

    with warnings.catch_warnings(action="ignore"):
        yield
