"""The names of torchvision's published weights, for our networks of the same architecture."""

from typing import Literal

from mlr_jax.nn.alexnet import LAYERS
from mlr_jax.nn.resnet import DEPTHS as RESNET_DEPTHS
from mlr_jax.nn.vgg import DEPTHS as VGG_DEPTHS
from mlr_jax.nn.vit import SIZES
from mlr_jax.transfer.names import SAME, TRANSPOSED, Entry, Names, after_maps, batch_norm, conv, dense, layer_norm


def alexnet_names() -> Names:
    """For `nn/alexnet.py: AlexNet`; torchvision's alexnet."""
    entries = []
    place = 0  # torchvision counts each convolution, relu and pooling
    for index, (*_, pooled) in enumerate(LAYERS):
        entries += conv(f"features.{place}", f"conv{index}", bias=True)
        place += 3 if pooled else 2
    entries += dense("classifier.1", "dense0", after_maps(6, 6)) + dense("classifier.4", "dense1")
    return Names((*entries, *dense("classifier.6", "head")))


def vgg_names(layers: Literal[11, 13, 16, 19], *, normalised: bool = False) -> Names:
    """For `nn/vgg.py: VGG`; torchvision's vgg11 and so on, where normalised vgg11_bn and so on."""
    entries = []
    place = 0  # torchvision counts each convolution, normalisation, relu and pooling
    for stage, depth in enumerate(VGG_DEPTHS[layers]):
        for index in range(depth):
            entries += conv(f"features.{place}", f"stage{stage}_{index}_conv", bias=True)
            if normalised:
                entries += batch_norm(f"features.{place + 1}", f"stage{stage}_{index}_norm")
            place += 3 if normalised else 2
        place += 1
    entries += dense("classifier.0", "dense0", after_maps(7, 7)) + dense("classifier.3", "dense1")
    return Names((*entries, *dense("classifier.6", "head")))


ORDINALS = ("first", "second", "third")


def resnet_names(layers: Literal[18, 34, 50, 101, 152]) -> Names:
    """For `nn/resnet.py: resnet` with its defaults; torchvision's resnet18 and so on."""
    kind, depths = RESNET_DEPTHS[layers]
    entries = conv("conv1", "maps/stem_conv") + batch_norm("bn1", "maps/stem_norm")
    for stage, depth in enumerate(depths):
        for index in range(depth):
            name, path = f"layer{stage + 1}.{index}", f"maps/stage{stage}_block{index}"
            for number, ordinal in enumerate(ORDINALS[: 2 if kind == "basic" else 3], 1):
                entries += conv(f"{name}.conv{number}", f"{path}/{ordinal}_conv")
                entries += batch_norm(f"{name}.bn{number}", f"{path}/{ordinal}_norm")
            if index == 0 and (stage > 0 or kind == "bottleneck"):
                entries += conv(f"{name}.downsample.0", f"{path}/shortcut_conv")
                entries += batch_norm(f"{name}.downsample.1", f"{path}/shortcut_norm")
    return Names((*entries, *dense("fc", "head")))


def vit_names(size: Literal["tiny", "small", "base"]) -> Names:
    """For `nn/vit.py: vit` with a class token; torchvision's vit_b_16 and vit_b_32 are of size "base"."""
    entries = [
        Entry("class_token", "params/token", SAME),
        *conv("conv_proj", "embedding", bias=True),
        Entry("encoder.pos_embedding", "params/positions", SAME),
    ]
    for index in range(SIZES[size][1]):
        name, path = f"encoder.layers.encoder_layer_{index}", f"block{index}"
        entries += [
            *layer_norm(f"{name}.ln_1", f"{path}/attention_norm"),
            Entry(f"{name}.self_attention.in_proj_weight", f"params/{path}/attention/qkv/kernel", TRANSPOSED),
            Entry(f"{name}.self_attention.in_proj_bias", f"params/{path}/attention/qkv/bias", SAME),
            *dense(f"{name}.self_attention.out_proj", f"{path}/attention/out"),
            *layer_norm(f"{name}.ln_2", f"{path}/mlp_norm"),
            *dense(f"{name}.mlp.0", f"{path}/hidden"),
            *dense(f"{name}.mlp.3", f"{path}/output"),
        ]
    return Names((*entries, *layer_norm("encoder.ln", "norm"), *dense("heads.head", "head")))
