"""Models that make new data: variational autoencoders, adversarial networks, diffusion."""
