"""Frozen networks, whose activations the losses compare.

    table          the table of architectures, and functions that use a network
    vgg, alexnet, squeezenet, resnet, googlenet, mobilenet, efficientnet, convnext, vit
                   architectures, as lists of operations
    operations     the operations of which architectures are made
    pointwise      operations on the channels of each position
    layers         layers as data: order, inputs, channels, strides, windows
    graph          a list of layers as a network: parameters, variables, activations
    network        the static choices: architecture, preprocessing, pooling, padding, precision
    slim           small networks, with linear maps to the activations of a published one
    convolution    convolutions with frozen kernels, whose gradient is fast
    winograd       convolutions by Winograd's minimal filtering
    pooling        the table of poolings
    receptive      receptive fields
    remat          gradients that keep less of the forward pass
    normalization  weights scaled to equal mean activations
    published      the table of published weights
    checkpoints    loading of weights: how their network must be built, and where their files are found
    formats        reading and checking of files of weights
    stored         arrays in NumPy and safetensors files, whose data are read on request
    hdf5           arrays in HDF5 files
    torchfile      tensors in PyTorch's files, read without PyTorch
    pickles        reading of pickles without executing them
    download       downloading and verifying of files
    fallback       VGG-19, or the small network if VGG-19 is not available

May import `data`, `errors`, `files` and `numerics`.
"""
