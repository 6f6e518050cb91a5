"""Frozen networks, whose activations the losses compare.

    table          the architectures: add a row for another one
    vgg, alexnet, squeezenet, resnet, googlenet, mobilenet, efficientnet, convnext, vit
                   architectures, as lists of operations
    operations     the operations of which architectures are made
    pointwise      operations on the channels of each position
    layers         layers as data: order, inputs, channels, strides, windows
    graph          a list of layers as a network: parameters, variables, activations
    network        the static choices: architecture, preprocessing, pooling, padding, precision
    slim           small networks, with linear maps to the activations of a published one
    convolution    the convolution whose gradient is fast for frozen kernels
    winograd       the same by Winograd's minimal filtering
    pooling        the table of poolings: add a row for another one
    receptive      receptive fields
    remat          gradients that keep less of the forward pass
    normalization  weights scaled to equal mean activations
    published      the table of published weights: add a row for another file
    checkpoints    how a network must be built for weights, and where their files are found
    formats        reads and checks files of weights
    stored         the arrays of NumPy and safetensors files, whose data are read on request
    hdf5           the same of HDF5 files
    torchfile      the same of PyTorch's files, without PyTorch
    pickles        reads a pickle without executing it
    download       fetches a file and verifies it
    fallback       VGG-19, or the small network where VGG-19 is not to be had

Imports nothing of nst but `errors`, `files` and `numerics`.
"""
