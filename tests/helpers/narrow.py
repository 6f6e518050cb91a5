"""VGGs of few channels, so that tests of what surrounds a network are quick."""

from nst.networks import table, vgg

CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


def narrow(monkeypatch, channels, architecture="vgg19"):
    """Gives an architecture other channels, one number a block, for the rest of a test."""
    layers = vgg.make_layers(CONVOLUTIONS[architecture], channels)
    row = table.ARCHITECTURES[architecture]._replace(layers=layers)
    monkeypatch.setitem(vgg.LAYERS, architecture, layers)
    monkeypatch.setitem(table.ARCHITECTURES, architecture, row)
