r"""Posteriors of models in which extra observations share parameters: HNPE.

An observation :math:`x_0` depends on local parameters :math:`\alpha` and shared ones
:math:`\beta`, and N extra observations X on the same :math:`\beta`. The posterior is the product
of two conditional flows [1]_,

.. math:: q(\alpha, \beta \mid x_0, X) = q_1(\beta \mid x_0, m(X)) \; q_2(\alpha \mid x_0, \beta),

as :math:`\alpha` given :math:`\beta` depends on :math:`x_0` alone. X enters by its mean m, or
another summary. The loss :math:`-\log q_1 - \log q_2` is a sum of terms without common weights, so
that each flow is trained by itself; and :math:`q_2` does not depend on N, so that it is trained
once for all N.

The **naive** posterior is one flow, :math:`q(\alpha, \beta \mid x_0, m(X))`.

References
----------
.. [1] P. L. C. Rodrigues, T. Moreau, G. Louppe, A. Gramfort, "HNPE: Leveraging Global Parameters
   for Neural Posterior Estimation", NeurIPS 2021, arXiv:2102.06477, section 2.
"""

import functools
import warnings

import numpy as np
import torch
from scipy import stats

from common import training, validation
from common.inference.flows import ConditionalFlow, fit
from common.inference.pools import Hierarchy
from common.inference.priors import BoxPrior

__all__ = ["METHODS", "HierarchicalPosterior", "hnpe", "with_mean"]

METHODS = ("factorised", "naive")
"""HNPE, and one flow of all parameters."""


class HierarchicalPosterior:
    """Samples and densities of a trained posterior; made by `hnpe`.

    Parameters
    ----------
    prior, shared, method, aggregate, coordinates, parameters, context_map
        See `hnpe`.

    Attributes
    ----------
    names : tuple of str
        Parameters, in the order of samples.
    n_extra : tuple of int
        Numbers of extra observations for which there is a network.
    n_simulated, n_invalid : int
        Sets of observations that were drawn, and those left out because a value was not finite.
    losses : dict
        Mean negative log-density at the end of the training: by ``n_extra``, and that of
        ``"local"``.
    """

    def __init__(self, prior, shared, method, aggregate, coordinates, parameters, context_map=None):
        self.prior, self.method, self._aggregate = prior, method, aggregate
        self._map = context_map
        self._shared = prior.only(shared)
        local = [name for name in prior.names if name not in self._shared.names]
        self._local = prior.only(local) if local else None
        self._coordinates = coordinates or _PriorCoordinates(self._shared)
        # A posterior of the shared parameters alone has no flow of the local ones.
        self.names = prior.names if parameters == "all" else self._shared.names
        self._places = [prior.names.index(name) for name in self._shared.names]
        self._local_places = [prior.names.index(name) for name in local]
        self._flows, self.losses, self.n_simulated, self.n_invalid = {}, {}, 0, 0
        self._n_features = None

    @property
    def n_extra(self):
        return tuple(n for n in self._flows if n != "local")

    def sample(self, x, extra=None, n_samples=1000, *, random_state):
        """Samples given observations.

        Parameters
        ----------
        x : array_like, shape (n_observations, n_features)
            Each an observation of interest, with a posterior of its own.
        extra : array_like, shape (n_observations, n_extra, n_features), optional
            Its extra observations. By default there are none.
        n_samples : int, default=1000
        random_state : int
            Seed.

        Returns
        -------
        samples : ndarray, shape (n_observations, n_samples, n_parameters)
            In the units and the order of the prior; of the shared parameters alone where no more
            was asked for.

        Raises
        ------
        TypeError, ValueError
            If an observation is not finite, shapes do not fit, there is no network for this number
            of extra observations, or ``coordinates`` do not lead to finite parameters.
        """
        n_samples = validation.count(n_samples, "n_samples")
        x, extra = self._observations(x, extra)
        context = self._aggregate(x, extra)
        flow = self._flow(extra.shape[1])
        with training.reproducible(validation.count(random_state, "random_state", at_least=0)):
            z = flow.sample(self._seen(context), n_samples).numpy()
            if self.method == "naive":
                return self.prior.from_normal(z)
            shared = self._coordinates.from_normal(z, context[:, None])
            if not np.isfinite(shared).all():
                row = np.flatnonzero(~np.isfinite(shared).all(axis=(1, 2)))[0]
                raise ValueError(
                    "from_normal of the coordinates gives a parameter that is not finite for the "
                    f"context {context[row].tolist()}. Is this observation in the model's range?"
                )
            if len(self.names) == len(self._places):
                return shared
            where = np.broadcast_to(x[:, None], (len(x), n_samples, x.shape[-1]))
            given = np.concatenate([where, shared], axis=-1).reshape(len(x) * n_samples, -1)
            z = self._flows["local"].sample(self._seen(given), 1).numpy()
        local = self._local.from_normal(z).reshape(len(x), n_samples, -1)
        samples = np.empty((len(x), n_samples, len(self.prior)))
        samples[..., self._places], samples[..., self._local_places] = shared, local
        return samples

    @torch.no_grad()
    def log_prob(self, theta, x, extra=None):
        r"""Logarithm of the density of all parameters.

        With z the coordinates in which the prior is standard normal, :math:`q(\theta) = q(z) \,
        p(\theta) / \phi(z)`.

        Parameters
        ----------
        theta : array_like, shape (n_observations, n_parameters)
            Within the prior.
        x, extra
            See `sample`.

        Returns
        -------
        log_prob : ndarray, shape (n_observations,)

        Raises
        ------
        TypeError, ValueError
            As `sample`; if a parameter lies outside of the prior; if there is no flow of the local
            parameters, or coordinates are others than the prior's.
        """
        theta = validation.array(theta, "theta", ndim=2)
        x, extra = self._observations(x, extra)
        validation.same_length(theta=theta, x=x)
        own = not isinstance(self._coordinates, _PriorCoordinates)
        if own or len(self.names) != len(self.prior):
            raise ValueError(
                "log_prob needs flows of all parameters in the prior's coordinates: call hnpe with "
                "parameters='all' and without coordinates."
            )
        z = self.prior.to_normal(theta)
        context, flow = self._seen(self._aggregate(x, extra)), self._flow(extra.shape[1])
        if self.method == "naive":
            found = flow.log_prob(_tensor(z), context)
        else:
            found = flow.log_prob(_tensor(z[:, self._places]), context)
            given = np.concatenate([x, theta[:, self._places]], axis=1)
            local = _tensor(z[:, self._local_places])
            found = found + self._flows["local"].log_prob(local, self._seen(given))
        volume = np.log(self.prior.high - self.prior.low).sum()
        return found.numpy().astype(float) - stats.norm.logpdf(z).sum(axis=1) - volume

    def _seen(self, context):
        """What a flow gets, as a tensor."""
        if self._map is None:
            return _tensor(context)
        with np.errstate(divide="ignore", invalid="ignore"):  # the error below says so
            seen = self._map(context)
        if not np.isfinite(seen).all():
            row = context[~np.isfinite(seen).all(axis=1)][0]
            raise ValueError(
                f"context_map gives a value that is not finite for the context {row.tolist()}. Use "
                "one that is defined for all observations and shared parameters, such as np.log "
                "where all are above 0."
            )
        return _tensor(seen)

    def _flow(self, n_extra):
        if n_extra not in self._flows:
            raise ValueError(
                f"there are {n_extra} extra observations, and networks for "
                f"{', '.join(map(str, self.n_extra))}. Train one: hnpe(..., n_extra=[{n_extra}])."
            )
        return self._flows[n_extra]

    def _observations(self, x, extra):
        x = validation.array(x, "x", ndim=2)
        if x.shape[1] != self._n_features:
            raise ValueError(
                f"x must have {self._n_features} feature(s), as the simulations had, got shape "
                f"{x.shape}."
            )
        if extra is None:
            extra = np.empty((len(x), 0, x.shape[1]))
        extra = validation.array(extra, "extra", ndim=3, empty=True)
        if (len(extra), extra.shape[2]) != x.shape:
            raise ValueError(
                f"x of shape {x.shape} needs extra observations of shape ({len(x)}, n_extra, "
                f"{x.shape[1]}), got {extra.shape}."
            )
        return x, extra


def hnpe(
    simulator,
    prior,
    *,
    shared,
    n_extra=(0,),
    method="factorised",
    parameters="all",
    aggregate=None,
    coordinates=None,
    context_map=None,
    flow="spline",
    n_transforms=1,
    n_steps=2500,
    batch_size=512,
    lr=3e-3,
    random_state=None,
):
    """Learn the posterior of a simulator whose observations share parameters.

    Simulations are drawn anew in each step. Each network has random numbers of its own, which
    depend on ``random_state`` and its number of extra observations alone.

    Parameters
    ----------
    simulator : callable or object
        ``simulator(theta, rng) -> ndarray, shape (n, n_features)``, see
        `common.inference.pools.Hierarchy`; or what has a method ``draw``, as
        `common.inference.pools.GainPool`.
    prior : BoxPrior
    shared : sequence of str
        Parameters that extra observations share.
    n_extra : sequence of int, default=(0,)
        Numbers of extra observations; each has a network.
    method : str, default="factorised"
        One of `METHODS`.
    parameters : str, default="all"
        ``"shared"``: leave out the flow of the local parameters.
    aggregate : callable, optional
        ``aggregate(x, extra) -> ndarray, shape (n, n_context)``, what a flow sees of the
        observations. By default the observation and the mean of the extra ones.
    coordinates : object, optional
        Coordinates of the shared parameters without bounds, with methods ``to_normal(shared,
        context)`` and ``from_normal(z, context)``, where ``context`` is what ``aggregate`` gives.
        By default the prior's.
    context_map : callable, optional
        Applied to what flows see, before it is standardised: what ``aggregate`` gives, and to the
        observation and the shared parameters that the local flow sees. ``np.log`` helps where these
        are positive and multiply one another.
    flow : str, default="spline"
        One of `common.inference.flows.KINDS`.
    n_transforms : int, default=1
        Of each flow.
    n_steps, batch_size : int, default=2500, 512
        Of each network.
    lr : float, default=3e-3
        At most 1e38.
    random_state : int, optional

    Returns
    -------
    posterior : HierarchicalPosterior

    Raises
    ------
    TypeError, ValueError
        If an option is out of range, the prior has no such parameter or reaches outside of the
        simulator's domain, ``context_map`` gives a value that is not finite, or more than half of
        the simulated sets are not finite.
    FloatingPointError
        If a training diverges.

    Warns
    -----
    RuntimeWarning
        If simulated sets were left out because a value was not finite; it says how many.

    Examples
    --------
    >>> from common.inference.priors import BoxPrior
    >>> from common.inference.toy import ToyModel
    >>> prior = BoxPrior({"alpha": (0, 1), "beta": (0, 1)})
    >>> posterior = hnpe(ToyModel(), prior, shared=["beta"], n_steps=3, random_state=0)
    >>> posterior.sample([[0.25]], n_samples=10, random_state=0).shape
    (1, 10, 2)
    """
    validation.choice(method, METHODS, "method")
    validation.choice(parameters, ("all", "shared"), "parameters")
    if not isinstance(prior, BoxPrior):
        raise TypeError(f"prior must be a BoxPrior, got {prior!r}. Make one: BoxPrior(bounds).")
    if isinstance(shared, str) or not np.iterable(shared) or not len(shared):
        raise ValueError(f"shared must be one name or more in a sequence, got {shared!r}.")
    if not np.iterable(n_extra):
        raise TypeError(f"n_extra must be a sequence of whole numbers, got {n_extra!r}.")
    if random_state is None:
        random_state = int(np.random.default_rng().integers(2**32))
    validation.count(random_state, "random_state", at_least=0)
    source = simulator if hasattr(simulator, "draw") else Hierarchy(simulator, prior, shared)
    theirs = getattr(source, "prior", prior)
    if theirs.names != prior.names or np.any([theirs.low != prior.low, theirs.high != prior.high]):
        raise ValueError(
            f"the simulations were drawn from another prior, of {', '.join(theirs.names)} between "
            f"{theirs.low.tolist()} and {theirs.high.tolist()}. Pass that one."
        )
    own = (aggregate or with_mean, coordinates, parameters, context_map)
    posterior = HierarchicalPosterior(prior, tuple(shared), method, *own)
    if not n_extra:
        raise ValueError("n_extra is empty: give at least one number of extra observations.")
    jobs = [validation.count(n, "n_extra", at_least=0) for n in n_extra]
    if method == "factorised" and parameters == "all":
        if posterior._local is None:
            raise ValueError(
                f"all parameters are shared ({', '.join(shared)}): nothing is left for the local "
                "flow. Use method='naive', or parameters='shared'."
            )
        jobs.append("local")
    options = {"n_steps": n_steps, "batch_size": batch_size, "lr": lr}
    for job in jobs:
        _train(posterior, source, job, options, random_state, flow, n_transforms)
    if posterior.n_invalid:
        share = posterior.n_invalid / posterior.n_simulated
        warnings.warn(
            f"{posterior.n_invalid:,} of {posterior.n_simulated:,} simulated sets of observations "
            f"({share:.2%}) hold a value that is not finite, and were left out of the training.",
            RuntimeWarning,
            stacklevel=2,
        )
    return posterior


def with_mean(x, extra):
    """The observation, and the mean of the extra ones if there are any.

    Parameters
    ----------
    x : ndarray, shape (n, n_features)
    extra : ndarray, shape (n, n_extra, n_features)

    Returns
    -------
    context : ndarray, shape (n, n_features) or (n, 2 * n_features)
    """
    if extra.shape[1] == 0:
        return x
    return np.concatenate([x, extra.mean(axis=1)], axis=1)


class _PriorCoordinates:
    """Coordinates that do not depend on the context."""

    def __init__(self, prior):
        self.prior = prior

    def to_normal(self, shared, context):
        return self.prior.to_normal(shared)

    def from_normal(self, z, context):
        return self.prior.from_normal(z)


def _train(posterior, source, job, options, random_state, kind, n_transforms):
    """Train one flow: that of a number of extra observations, or the local one."""
    n_extra = 0 if job == "local" else job
    words = [random_state, *(f"{posterior.method} {job}".encode())]
    sequence = np.random.SeedSequence(words)
    rng = np.random.default_rng(sequence)

    def draw(n):
        theta, x, extra = _valid(posterior, source.draw(n, n_extra, rng))
        shared = theta[:, posterior._places]
        if job == "local":
            contexts = np.concatenate([x, shared], axis=1)
            z = posterior._local.to_normal(theta[:, posterior._local_places])
        else:
            contexts = posterior._aggregate(x, extra)
            if posterior.method == "naive":
                z = posterior.prior.to_normal(theta)
            else:
                z = posterior._coordinates.to_normal(shared, contexts)
        return _tensor(z), posterior._seen(contexts)

    n_dims = len(posterior._local_places) if job == "local" else len(posterior._places)
    if posterior.method == "naive":
        n_dims = len(posterior.prior)
    build = functools.partial(_build, kind, n_dims, n_transforms)
    seed = int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
    posterior._flows[job], posterior.losses[job] = fit(build, draw, seed=seed, **options)


def _build(kind, n_dims, n_transforms, contexts):
    return ConditionalFlow(kind, n_dims, contexts, n_transforms=n_transforms)


def _valid(posterior, draw):
    """Those sets whose observations are all finite; the others are counted."""
    posterior._n_features = draw.x.shape[1]
    valid = np.isfinite(draw.x).all(axis=1) & np.isfinite(draw.extra).all(axis=(1, 2))
    n_invalid = int((~valid).sum())
    posterior.n_simulated += len(valid)
    posterior.n_invalid += n_invalid
    if n_invalid > len(valid) / 2:
        raise ValueError(
            f"{n_invalid} of {len(valid)} simulated sets of observations hold a value that is not "
            "finite. Check the simulator, or choose a prior where it stays finite."
        )
    return draw if not n_invalid else type(draw)(*(one[valid] for one in draw))


def _tensor(values):
    return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float32)
