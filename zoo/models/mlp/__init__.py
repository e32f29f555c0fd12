"""Multilayer perceptrons, and what has one layer of weights."""

from zoo.models.mlp.recipes import RECIPES
from zoo.registry import Architecture, register

register(
    Architecture(
        name="mlp",
        task="classification",
        family="mlp",
        paper="Rumelhart, Hinton, Williams: Learning representations by back-propagating errors, "
        "Nature 323 (1986)",
        networks={"network": "zoo.models.mlp.mlp:mlp"},
        method="supervised",
        summary="Dense layers with normalisation and dropout",
    ),
    Architecture(
        name="perceptron",
        task="classification",
        family="mlp",
        paper="Rosenblatt: The perceptron, Psychological Review 65 (1958)",
        networks={"network": "zoo.models.mlp.linear:linear"},
        method="supervised",
        method_options={"loss": "perceptron"},
        summary="Step units, one a class; logistic units with the loss bce",
    ),
    Architecture(
        name="linear_regression",
        task="classification",
        family="mlp",
        paper="Legendre: Nouvelles méthodes pour la détermination des orbites des comètes (1805); "
        "of classes: Hastie, Tibshirani, Friedman: The elements of statistical learning (2009)",
        networks={"network": "zoo.models.mlp.linear:linear"},
        method="supervised",
        method_options={"loss": "mse"},
        summary="Least squares on the classes' indicators",
    ),
    Architecture(
        name="softmax_regression",
        task="classification",
        family="mlp",
        paper="Cox: Some procedures connected with the logistic qualitative response curve (1966)",
        networks={"network": "zoo.models.mlp.linear:linear"},
        method="supervised",
        summary="Multinomial logistic regression",
    ),
    *RECIPES,
)
