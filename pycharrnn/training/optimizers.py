"""Optimisers: the numbers of each update rule. The steps themselves are kernels, fused with clipping.

In every equation g is the gradient after clipping, p the parameters, and `rate` the learning rate of the update. All
vectors start from zero unless a class says otherwise, and all operations are per entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pycharrnn import _kernels
from pycharrnn.arguments import Real
from pycharrnn.network.records import compare
from pycharrnn.tables import Checked

__all__ = ["SGD", "AdaGrad", "Adam", "Momentum", "RMSProp"]

OptimizerName = Literal["adagrad", "sgd", "momentum", "rmsprop", "adam"]
_SHARE = Real(zero=True, below=1)


class Optimizer(Checked):
    """An update rule. Its fields are its own numbers; its class variables tell the kernels and the model what it needs.

    Attributes
    ----------
    name : str
        What `CharRNN(optimizer=...)`, files and the kernels call the rule.
    moments : tuple of str
        Which of the vectors m and v, each as long as the parameters, the rule keeps from one update to the next.
    start : float
        What every entry of v starts from.
    rate : float
        The learning rate when none is given.
    sums : bool
        Whether v sums over all updates. Otherwise it is a mean of the last ones.
    sparse : bool
        Whether an entry with a zero gradient stays as it is. The kernels then skip the rows that an update has not
        read.

    Examples
    --------
    >>> Optimizer.of("adam"), Optimizer.of("adagrad").moments, Optimizer.of("sgd").rate
    (Adam(beta1=0.9, beta2=0.999, eps=1e-08), ('v',), 0.005)
    """

    name: ClassVar[OptimizerName]
    moments: ClassVar[tuple[str, ...]] = ()
    start: ClassVar[float] = 0.0
    rate: ClassVar[float] = 0.01
    sums: ClassVar[bool] = False
    sparse: ClassVar[bool] = False
    averages: ClassVar[bool] = False  # without a `Descent`, which may

    @classmethod
    def of(cls, optimizer: Optimizer | OptimizerName) -> Optimizer:
        """Make an optimiser of a name.

        Parameters
        ----------
        optimizer : Optimizer or str
            The optimiser or its name.

        Returns
        -------
        Optimizer
            The optimiser itself, or the one of that name with its default numbers.
        """
        return optimizer if isinstance(optimizer, Optimizer) else OPTIMIZERS[optimizer]()


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent.

    The learning rate is 0.005 when none is given.

    Notes
    -----
    ::

        p <- p - rate g

    References
    ----------
    H. Robbins and S. Monro (1951). A stochastic approximation method. The Annals of Mathematical Statistics 22(3),
    400-407.

    Examples
    --------
    >>> from pycharrnn import CharRNN, optim
    >>> model = CharRNN(optimizer=optim.SGD(), learning_rate=0.01)
    """

    name: ClassVar[OptimizerName] = "sgd"
    rate: ClassVar[float] = 0.005
    sparse: ClassVar[bool] = True


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Gradient descent with momentum.

    The learning rate is 0.0005 when none is given.

    Parameters
    ----------
    momentum : float, default 0.9
        The share of the last step that goes into the next one, at least 0 and below 1. 0 is plain gradient descent.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is not a number.

    Notes
    -----
    ::

        m <- momentum m + g
        p <- p - rate m

    References
    ----------
    B. T. Polyak (1964). Some methods of speeding up the convergence of iteration methods. USSR Computational
    Mathematics and Mathematical Physics 4(5), 1-17.

    Examples
    --------
    >>> from pycharrnn import CharRNN, optim
    >>> model = CharRNN(optimizer=optim.Momentum(momentum=0.95))
    """

    name: ClassVar[OptimizerName] = "momentum"
    moments: ClassVar[tuple[str, ...]] = ("m",)
    rate: ClassVar[float] = 0.0005
    momentum: Annotated[float, _SHARE] = 0.9


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    """AdaGrad: steps that become smaller the larger the gradients of an entry have been.

    The learning rate is 0.1 when none is given.

    Parameters
    ----------
    eps : float, default 1e-8
        Keeps the divisor above zero; above 0 itself.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is not a number.

    Notes
    -----
    ::

        v <- v + g^2
        p <- p - rate g / sqrt(v + eps)

    References
    ----------
    J. Duchi, E. Hazan and Y. Singer (2011). Adaptive subgradient methods for online learning and stochastic
    optimization. Journal of Machine Learning Research 12, 2121-2159.

    Examples
    --------
    >>> from pycharrnn import CharRNN, optim
    >>> model = CharRNN(optimizer=optim.AdaGrad(eps=1e-6))
    """

    name: ClassVar[OptimizerName] = "adagrad"
    moments: ClassVar[tuple[str, ...]] = ("v",)
    rate: ClassVar[float] = 0.1
    start: ClassVar[float] = 1e-30  # far below eps, and no sum of tiny squares is subnormal
    sums: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    eps: Annotated[float, Real()] = 1e-8


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """RMSProp: AdaGrad with a running mean of the squared gradients in place of their sum.

    The learning rate is 0.002 when none is given.

    Parameters
    ----------
    decay : float, default 0.9
        The share of the old mean in the new one, at least 0 and below 1.
    eps : float, default 1e-8
        Keeps the divisor above zero; above 0 itself.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is not a number.

    Notes
    -----
    ::

        v <- decay v + (1 - decay) g^2
        p <- p - rate g / sqrt(v + eps)

    References
    ----------
    T. Tieleman and G. Hinton (2012). Lecture 6.5, rmsprop: Divide the gradient by a running average of its recent
    magnitude. COURSERA: Neural Networks for Machine Learning.

    Examples
    --------
    >>> from pycharrnn import CharRNN, optim
    >>> model = CharRNN(optimizer=optim.RMSProp(decay=0.95))
    """

    name: ClassVar[OptimizerName] = "rmsprop"
    moments: ClassVar[tuple[str, ...]] = ("v",)
    rate: ClassVar[float] = 0.002
    decay: Annotated[float, _SHARE] = 0.9
    eps: Annotated[float, Real()] = 1e-8


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: a running mean of the gradients divided by the root of one of their squares.

    The learning rate is 0.002 when none is given.

    Parameters
    ----------
    beta1 : float, default 0.9
        The share of the old mean gradient in the new one, at least 0 and below 1.
    beta2 : float, default 0.999
        The same of the mean squared gradient.
    eps : float, default 1e-8
        Keeps the divisor above zero; above 0 itself.

    Raises
    ------
    ValueError
        If a number is out of its range.
    TypeError
        If it is not a number.

    Notes
    -----
    After update number t::

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        p <- p - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    References
    ----------
    D. P. Kingma and J. Ba (2015). Adam: A method for stochastic optimization. International Conference on Learning
    Representations. arXiv:1412.6980.

    Examples
    --------
    >>> from pycharrnn import CharRNN, optim
    >>> model = CharRNN(optimizer=optim.Adam(beta2=0.99), learning_rate=0.001)
    """

    name: ClassVar[OptimizerName] = "adam"
    moments: ClassVar[tuple[str, ...]] = ("m", "v")
    rate: ClassVar[float] = 0.002
    beta1: Annotated[float, _SHARE] = 0.9
    beta2: Annotated[float, _SHARE] = 0.999
    eps: Annotated[float, Real()] = 1e-8


OPTIMIZERS: dict[str, type[Optimizer]] = {rule.name: rule for rule in (SGD, Momentum, AdaGrad, RMSProp, Adam)}

compare("the optimisers", sorted(_kernels.RULES), sorted(OPTIMIZERS))
