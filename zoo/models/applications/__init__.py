"""The networks of Keras Applications, as `keras:EfficientNetV2B0`, in any case.

In recipes, where names are of lower-case letters, digits and underscores, it is
`keras_efficientnetv2b0`.
"""

from zoo.registry import Architecture, register

_LIU = "Liu et al.: A ConvNet for the 2020s, CVPR 2022"
_HUANG = "Huang et al.: Densely connected convolutional networks, CVPR 2017"
_TAN = "Tan, Le: EfficientNet: rethinking model scaling for convolutional networks, ICML 2019"
_TAN_2 = "Tan, Le: EfficientNetV2: smaller models and faster training, ICML 2021"
_SZEGEDY = "Szegedy et al.: Rethinking the inception architecture for computer vision, CVPR 2016"
_SZEGEDY_2 = (
    "Szegedy et al.: Inception-v4, Inception-ResNet and the impact of residual connections on "
    "learning, AAAI 2017"
)
_HOWARD = (
    "Howard et al.: MobileNets: efficient convolutional neural networks for mobile vision "
    "applications, 2017"
)
_SANDLER = "Sandler et al.: MobileNetV2: inverted residuals and linear bottlenecks, CVPR 2018"
_HOWARD_2 = "Howard et al.: Searching for MobileNetV3, ICCV 2019"
_ZOPH = "Zoph et al.: Learning transferable architectures for scalable image recognition, CVPR 2018"
_HE = "He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016"
_HE_2 = "He, Zhang, Ren, Sun: Identity mappings in deep residual networks, ECCV 2016"
_SIMONYAN = (
    "Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition, "
    "ICLR 2015"
)
_CHOLLET = "Chollet: Xception: deep learning with depthwise separable convolutions, CVPR 2017"

# Written down, so that listing them does not import Keras; a test compares.
PAPERS = {
    **{f"ConvNeXt{size}": _LIU for size in ("Tiny", "Small", "Base", "Large", "XLarge")},
    **{f"DenseNet{depth}": _HUANG for depth in (121, 169, 201)},
    **{f"EfficientNetB{size}": _TAN for size in range(8)},
    **{f"EfficientNetV2{size}": _TAN_2 for size in ("B0", "B1", "B2", "B3", "S", "M", "L")},
    "InceptionResNetV2": _SZEGEDY_2,
    "InceptionV3": _SZEGEDY,
    "MobileNet": _HOWARD,
    "MobileNetV2": _SANDLER,
    **{f"MobileNetV3{size}": _HOWARD_2 for size in ("Small", "Large")},
    **{f"NASNet{size}": _ZOPH for size in ("Mobile", "Large")},
    **{f"ResNet{depth}": _HE for depth in (50, 101, 152)},
    **{f"ResNet{depth}V2": _HE_2 for depth in (50, 101, 152)},
    **{f"VGG{depth}": _SIMONYAN for depth in (16, 19)},
    "Xception": _CHOLLET,
}

for _name, _paper in PAPERS.items():
    register(
        Architecture(
            name=f"keras_{_name.lower()}",
            alias=f"keras:{_name}",
            task="classification",
            family="applications",
            paper=_paper,
            networks={"network": f"zoo.models.applications.applications:{_name}"},
            method="supervised",
            summary="Of Keras Applications, with weights from ImageNet if asked for; "
            f"in recipes keras_{_name.lower()}",
        )
    )
