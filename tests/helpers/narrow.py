"""VGG networks with few channels, for quick tests of code that uses a network."""

from nst.networks import table, vgg


def narrow(monkeypatch, channels, architecture="vgg19"):
    """Gives an architecture other channels, one number per block, until the end of a test."""
    layers = vgg.make_layers(vgg.CONVOLUTIONS[architecture], channels)
    row = table.ARCHITECTURES[architecture]._replace(layers=layers)
    monkeypatch.setitem(table.ARCHITECTURES, architecture, row)
