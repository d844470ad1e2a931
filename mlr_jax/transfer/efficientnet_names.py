"""The names of EfficientNet-Lite0's published weights, as the PyTorch port of Google's has them."""

from mlr_jax.nn.efficientnet import STAGES
from mlr_jax.transfer.names import Names, batch_norm, conv, dense


def efficientnet_lite0_names() -> Names:
    """For `nn/efficientnet.py: EfficientNetLite0`."""
    entries = conv("_conv_stem", "stem_conv") + batch_norm("_bn0", "stem_norm")
    blocks = [(stage, index, found) for stage, found in enumerate(STAGES) for index in range(found.depth)]
    for place, (stage, index, found) in enumerate(blocks):
        name, path = f"_blocks.{place}", f"stage{stage}_block{index}"
        if found.expansion > 1:
            entries += conv(f"{name}._expand_conv", f"{path}/expand_conv")
            entries += batch_norm(f"{name}._bn0", f"{path}/expand_norm")
        entries += conv(f"{name}._depthwise_conv", f"{path}/depthwise_conv")
        entries += batch_norm(f"{name}._bn1", f"{path}/depthwise_norm")
        entries += conv(f"{name}._project_conv", f"{path}/project_conv")
        entries += batch_norm(f"{name}._bn2", f"{path}/project_norm")
    entries += conv("_conv_head", "last_conv") + batch_norm("_bn1", "last_norm")
    return Names((*entries, *dense("_fc", "head")))
