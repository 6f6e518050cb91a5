"""Writers of files of weights in every layout, and a pickler for names that need not exist."""

import collections
import io
import pickle
import struct
import zipfile

import h5py
import numpy as np
import safetensors.numpy

from nst.networks import formats

LAYERS = ("relu2_1",)
SHAPES = {"conv1_1": (3, 3, 3, 64), "conv1_2": (3, 3, 64, 64), "conv2_1": (3, 3, 64, 128)}
# positions in `features` of torchvision's vgg16 and vgg19, from its source
TORCHVISION = {
    "vgg16": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    "vgg19": (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34),
}
CONVS = {
    "vgg16": "1_1 1_2 2_1 2_2 3_1 3_2 3_3 4_1 4_2 4_3 5_1 5_2 5_3".split(),
    "vgg19": "1_1 1_2 2_1 2_2 3_1 3_2 3_3 3_4 4_1 4_2 4_3 4_4 5_1 5_2 5_3 5_4".split(),
}


def make_params(shapes=SHAPES, seed=0):
    rng = np.random.default_rng(seed)
    return {
        conv: {
            "kernel": rng.normal(size=shape).astype(np.float32),
            "bias": rng.normal(size=shape[-1:]).astype(np.float32),
        }
        for conv, shape in shapes.items()
    }


def our_names(params):
    return {f"{conv}/{part}": array for conv, arrays in params.items() for part, array in arrays.items()}


def torch_names(params, name=None):
    """OIHW under torchvision's names, or under `name(conv)`."""
    name = name or (lambda conv: f"features.{TORCHVISION['vgg19'][CONVS['vgg19'].index(conv[4:])]}")
    arrays = {}
    for conv, part in params.items():
        oihw = np.empty(part["kernel"].shape[3:1:-1] + (3, 3), part["kernel"].dtype)
        for row in range(3):
            for column in range(3):
                oihw[:, :, row, column] = part["kernel"][row, column].T
        arrays |= {f"{name(conv)}.weight": oihw, f"{name(conv)}.bias": part["bias"]}
    return arrays


def gatys_names(params):
    return torch_names(params, lambda conv: conv)


def write_h5(path, params, kernel="{0}_W_1:0", bias="{0}_b_1:0", root=""):
    with h5py.File(path, "w") as file:
        for conv, part in params.items():
            layer = f"block{conv[4]}_conv{conv[6]}"
            file[f"{root}{layer}/{kernel.format(layer)}"] = part["kernel"]
            file[f"{root}{layer}/{bias.format(layer)}"] = part["bias"]
        file.create_group(f"{root}block1_pool")


class Global:
    """A name that a pickle refers to; nothing of that name need exist here."""

    def __init__(self, module, name):
        self.module, self.name = module, name

    def __call__(self):
        raise NotImplementedError


class Call:
    """Pickles as the call of a Global, and then perhaps as setting a state."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args, state)

    def __reduce__(self):
        return self.reduced


class New(Call):
    """Pickles as making an object of a class without calling it."""


class Reference:
    """Pickles as a persistent id."""

    def __init__(self, *record):
        self.record = record


class Pickler(pickle._Pickler):
    def persistent_id(self, item):
        return item.record if isinstance(item, Reference) else None

    def save(self, item, save_persistent_id=True):
        if isinstance(item, Global):
            self.write(pickle.GLOBAL + f"{item.module}\n{item.name}\n".encode())
        elif isinstance(item, New):
            cls, args, state = item.reduced
            self.save(cls)
            self.save(args)
            self.write(pickle.NEWOBJ)
            self.save(state)
            self.write(pickle.BUILD)
        else:
            super().save(item, save_persistent_id)


def pickled(item):
    file = io.BytesIO()
    Pickler(file, 2).dump(item)
    return file.getvalue()


STORAGES = {"<f4": "FloatStorage", "<f2": "HalfStorage", "<f8": "DoubleStorage", "<i8": "LongStorage"}


def storage(key, flat, legacy):
    kind = Global("torch", STORAGES[flat.dtype.str])
    return Reference("storage", kind, key, "cpu", flat.size, *([None] if legacy else []))


def tensor(reference, offset, shape, strides):
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, reference, offset, shape, strides, False, collections.OrderedDict())


def old_tensor(*view):
    return Call(Global("torch._utils", "_rebuild_tensor"), *view)


def write_zip(path, item, flats):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(item))
        archive.writestr("archive/byteorder", "little")
        for key, flat in flats.items():
            archive.writestr(f"archive/data/{key}", flat.tobytes())
        archive.writestr("archive/version", "3\n")


def write_legacy(path, item, flats):
    header = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
    with open(path, "wb") as file:
        for part in (*header, item, list(flats)):
            file.write(pickled(part))
        for flat in flats.values():
            file.write(struct.pack("<q", flat.size) + flat.tobytes())


LAYOUTS = {"zip": write_zip, "legacy": write_legacy}


def write_pth(path, arrays, layout, wrap=lambda state: state, parameter=lambda made: made):
    """A state dict, as torch.save writes it, of contiguous arrays."""
    state, flats = collections.OrderedDict(), {}
    for number, (name, array) in enumerate(arrays.items()):
        key = str(number)
        flats[key] = np.ascontiguousarray(array).ravel()
        strides = tuple(stride // array.itemsize for stride in np.ascontiguousarray(array).strides)
        reference = storage(key, flats[key], layout == "legacy")
        state[name] = parameter(tensor(reference, 0, array.shape, strides))
    LAYOUTS[layout](path, wrap(state), flats)


WRITERS = {
    "keras.h5": write_h5,
    "keras2.h5": lambda path, params: write_h5(path, params, "{0}/kernel:0", "{0}/bias:0"),
    "model.h5": lambda path, params: write_h5(
        path, params, "{0}/kernel:0", "{0}/bias:0", root="model_weights/"
    ),
    "ours.npz": lambda path, params: np.savez(path, **our_names(params)),
    "ours.safetensors": lambda path, params: safetensors.numpy.save_file(our_names(params), path),
    "torch.safetensors": lambda path, params: safetensors.numpy.save_file(torch_names(params), path),
    "gatys.safetensors": lambda path, params: safetensors.numpy.save_file(gatys_names(params), path),
    "torch_zip.pth": lambda path, params: write_pth(path, torch_names(params), "zip"),
    "torch_legacy.pth": lambda path, params: write_pth(path, torch_names(params), "legacy"),
    "gatys_zip.pth": lambda path, params: write_pth(path, gatys_names(params), "zip"),
    "gatys_legacy.pth": lambda path, params: write_pth(path, gatys_names(params), "legacy"),
}


class Every:
    """Contains every name."""

    def __contains__(self, name):
        return True


def read_torch(path):
    """Every tensor of a .pth file."""
    with formats.opened(path, Every()) as arrays:
        return {name: array.read() for name, array in arrays.items()}
