"""Checkpoints and model folders that would run code, by what is hostile in them."""

import os
from collections import OrderedDict

import torch
from plain_networks import PlainGenerator

from nirgan.networks.generators.compact import Compact

MARK = "it_ran"
"""A file that every payload makes in the working folder, if it runs."""
MODULE = f"""
from pathlib import Path
from torch import nn

Path({MARK!r}).touch()

class Evil(nn.Module):
    pass

def run(*args, **kwargs):
    return 1.0
"""
INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"
ADVERSARIAL = "nirgan.tasks.adversarial.AdversarialTask"
COMPACT = "nirgan.networks.generators.compact.Compact"
PATCH = "nirgan.networks.discriminators.patch.PatchGAN"
VIRTUAL = "nirgan.networks.virtual_batch_norm.VirtualBatchNormalized"


def spec(path, /, **arguments):
    return {"class_path": path, "init_args": arguments}


def hyper(**changes):
    """What `fit` stores of a method."""
    stored = {
        "_class_path": ADVERSARIAL,
        "_instantiator": INSTANTIATOR,
        "generator": spec(COMPACT, widths=[4, 6]),
        "discriminator": spec(PATCH, widths=[4]),
    }
    return stored | changes


def loss(**arguments):
    return {"x": {"loss": spec("torch.nn.L1Loss", **arguments), "weight": 1.0}}


def untyped(value):
    """Under an argument that has no type, where the parser builds whatever it is given."""
    return hyper(reconstruction=loss(size_average=value))


CALLS = {
    "os.system": {"command": f"touch {MARK}"},
    "subprocess.Popen": {"args": ["touch", MARK]},
    "torch.hub.load": {"repo_or_dir": ".", "model": "run", "source": "local"},
    "torch.utils.data.DataLoader": {"dataset": [1]},
    "torch.nn.functional.relu": {},
    "nirgan.data.store.PairStore": {"folder": MARK},
    "nirgan.tasks.base.torch.hub.load": {"repo_or_dir": ".", "model": "run", "source": "local"},
    "evil_module.Evil": {},
    "plain_networks.PlainGenerator": {},  # a network, and imported: by nobody who vouches for it
}
"""Functions and classes: of other packages, of torch, of nirgan, and where only classes may be."""
PLACES = {
    "the method": lambda v: {"_class_path": v["class_path"], **v["init_args"]},
    "the method, as in a file": lambda v: {"class_path": ADVERSARIAL, "init_args": v},
    "generator": lambda v: hyper(generator=v),
    "generator's list": lambda v: hyper(generator=spec(COMPACT, widths=[4, v])),
    "a dotted key": lambda v: hyper(**{"generator.class_path": v["class_path"]}),
    "a key of a key": lambda v: untyped({"a.class_path": v["class_path"], "a.init_args": {}}),
}
RUN = "{class_path: os.mkdir, init_args: {path: " + MARK + "}}"
STRINGS = {
    "a function's path": "evil_module.run",
    "the short name of a class": "Sequential",
    "YAML": RUN,
    "a file": "evil.yaml",
    "a file without an end": "evil",
    "a file in a folder": "evil_package/evil.yaml",
    "a file elsewhere": "../evil.yaml",
    "a file's address": "file://evil.yaml",
    "standard input": "-",
    "an interpolation": "${oc.decode:evil_module.run}",
}


def hidden():
    """A mapping that shows nothing to who asks it for its items."""
    mapping = OrderedDict(reconstruction=loss(size_average=spec("os.mkdir", path=MARK)))
    mapping.items = OrderedDict
    return mapping


def endless():
    inner = []
    inner.append(inner)
    return inner


def deep():
    value = spec("os.mkdir", path=MARK)
    for _ in range(150):
        value = [value]
    return value


EVIL = spec("evil_module.Evil")
OTHERS = {
    "an instantiator": hyper(_instantiator="evil_module.run"),
    "hidden items": hidden(),
    "no mapping": [EVIL],
    "a tensor": untyped(torch.zeros(1)),
    "a type": untyped(torch.float32),
    "a key of bytes": hyper(lr_factors={b"evil_module": 1.0}),
    "without an end": untyped(endless()),
    "deep": untyped(deep()),
    "a class of one word": untyped({"class_path": "linear"}),
}
HOSTILE = {
    **{f"{path} without a type": untyped(spec(path, **given)) for path, given in CALLS.items()},
    **{f"a module as {name}": place(EVIL) for name, place in PLACES.items()},
    **{kind: untyped(text) for kind, text in STRINGS.items()},
    **OTHERS,
}


class Reduced:
    """Calls a function when it is unpickled without care."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


RUNS = Reduced(os.system, f"touch {MARK}")
WEIGHTS = {f"generator.{key}": value for key, value in Compact([4, 6]).state_dict().items()}
GOOD = {"state_dict": WEIGHTS, "hyper_parameters": hyper(), "epoch": 0, "global_step": 0}
PICKLES = {
    "hyperparameters": GOOD | {"hyper_parameters": RUNS},
    "all of it": RUNS,
    "a function": GOOD | {"more": os.system},
    "a network of one's own": GOOD | {"more": PlainGenerator()},
}
