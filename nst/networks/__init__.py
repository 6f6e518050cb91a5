"""The frozen networks in whose activations the losses are measured.

    vgg           VGG-16 and VGG-19: an image to {layer: activation}
    slim          activations that are read through linear maps
    convolution   the convolution whose gradient is fast for frozen kernels
    winograd      the same by Winograd's minimal filtering
    pooling       the poolings
    receptive     receptive fields
    remat         gradients that keep less of the forward pass
    checkpoints   find and read published weights
    torchfile     read PyTorch's files without PyTorch
    download      fetch a file and verify it

Imports nothing of nst but `errors`, `files` and `numerics`.
"""
