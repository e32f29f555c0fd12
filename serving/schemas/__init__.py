"""Bodies of requests and answers. They check themselves and describe themselves in OpenAPI.

How many images a request may hold is a limit of the service, in `serving/settings.py`, and no part
of these.
"""

from serving.schemas.common import MAX_SEED, Body, ImageField, Picture
from serving.schemas.drawing import (
    MAX_PARTIAL_IMAGES,
    EditRequest,
    GenerateAnswer,
    GeneratedImage,
    GenerateRequest,
    Interpolate,
)
from serving.schemas.errors import ErrorAnswer, ErrorDetail, ForeignError
from serving.schemas.images import (
    ClassifyAnswer,
    ClassifyRequest,
    Label,
    PicturesAnswer,
    ReconstructRequest,
    TranslateRequest,
)
from serving.schemas.models import ModelCard, ModelEntry, ModelList, ModelMetric, State

__all__ = [
    "MAX_PARTIAL_IMAGES",
    "MAX_SEED",
    "Body",
    "ClassifyAnswer",
    "ClassifyRequest",
    "EditRequest",
    "ErrorAnswer",
    "ErrorDetail",
    "ForeignError",
    "GenerateAnswer",
    "GenerateRequest",
    "GeneratedImage",
    "ImageField",
    "Interpolate",
    "Label",
    "ModelCard",
    "ModelEntry",
    "ModelList",
    "ModelMetric",
    "Picture",
    "PicturesAnswer",
    "ReconstructRequest",
    "State",
    "TranslateRequest",
]
