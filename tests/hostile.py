"""Checkpoints and model folders that would run code, by what is hostile in them."""

import functools
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
LAMBDA = "torch.optim.lr_scheduler.LambdaLR"
FITTING = ("fit", "validate", "test", "predict")


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
    "os.mkdir": {"path": MARK},
    "subprocess.Popen": {"args": ["touch", MARK]},
    "subprocess.check_call": {"args": ["touch", MARK]},
    "builtins.open": {"file": MARK, "mode": "w"},
    "builtins.__import__": {"name": "evil_module"},
    "importlib.import_module": {"name": "evil_module"},
    "runpy.run_path": {"path_name": "evil_module.py"},
    "shutil.copy": {"src": "evil_module.py", "dst": MARK},
    "timeit.timeit": {"stmt": f"open({MARK!r}, 'w')", "number": 1},
    "multiprocessing.Process": {"target": "evil_module.run"},
    "torch.hub.load": {"repo_or_dir": ".", "model": "run", "source": "local"},
    "torch.utils.cpp_extension.load": {"name": "evil", "sources": ["evil.cpp"]},
    "torch.load": {"f": "evil.pickle", "weights_only": False},
    "numpy.load": {"file": "evil.pickle", "allow_pickle": True},
    "torch.utils.data.DataLoader": {"dataset": [1]},
    "torch.nn.functional.relu": {},
    "torch.nn.init.normal_": {},
    "torch.optim.adam.adam": {},
    "nirgan.cli.main.main": {"arguments": ["--help"]},
    "nirgan.experiment.lightning_cli.run": {"verb": "fit", "arguments": []},
    "nirgan.utils.atomic_write.write_json": {"file": MARK, "value": 1},
    "nirgan.data.store.PairStore": {"folder": MARK},
    "nirgan.tasks.training.make_optimizer": {},
    "nirgan.tasks.base.torch.hub.load": {"repo_or_dir": ".", "model": "run", "source": "local"},
    "lightning.pytorch.cli.instantiate_class": {"args": [], "init": {"class_path": "os.mkdir"}},
    "evil_module.Evil": {},
    "evil_module.run": {},
    "evil_package.nets.Evil": {},
    "hubconf.run": {},
    "plain_networks.PlainGenerator": {},  # a network, and imported: by nobody who vouches for it
}
PLACES = {
    "the method": lambda v: {"_class_path": v["class_path"], **v["init_args"]},
    "the method, as in a file": lambda v: {"class_path": ADVERSARIAL, "init_args": v},
    "generator": lambda v: hyper(generator=v),
    "generator's network": lambda v: hyper(generator=spec(VIRTUAL, network=v)),
    "generator's list": lambda v: hyper(generator=spec(COMPACT, widths=[4, v])),
    "discriminator": lambda v: hyper(discriminator=v),
    "a loss": lambda v: hyper(reconstruction={"x": {"loss": v, "weight": 1.0}}),
    "a weight": lambda v: hyper(
        reconstruction={"x": {"loss": spec("torch.nn.L1Loss"), "weight": v}}
    ),
    "a list without a type": lambda v: untyped([[v]]),
    "a mapping without a type": lambda v: untyped({"a": {"b": v}}),
    "further arguments": lambda v: hyper(
        reconstruction={"x": {"loss": spec("torch.nn.L1Loss") | {"dict_kwargs": {"a": v}}}}
    ),
    "optimizer": lambda v: hyper(generator_optimizer=v),
    "optimizer's argument": lambda v: hyper(generator_optimizer=spec("torch.optim.Adam", lr=v)),
    "schedule": lambda v: hyper(scheduler=v),
    "schedule's function": lambda v: hyper(scheduler=spec(LAMBDA, lr_lambda=v)),
    "l1": lambda v: hyper(l1=v),
    "rates of parts": lambda v: hyper(lr_factors={"generator": v}),
    "an argument that is none": lambda v: hyper(more=v),
    "a dotted key": lambda v: hyper(**{"generator.class_path": v["class_path"]}),
    "a key of a key": lambda v: untyped({"a.class_path": v["class_path"], "a.init_args": {}}),
}
RUN = "{class_path: os.mkdir, init_args: {path: " + MARK + "}}"
STRINGS = {
    "a function's path": "evil_module.run",
    "a class's path": "evil_module.Evil",
    "the short name of a class": "Sequential",
    "YAML": RUN,
    "YAML of lines": f"class_path: os.mkdir\ninit_args:\n  path: {MARK}",
    "YAML of a list": "- evil_module.run",
    "YAML of a tag": "!!python/object/apply:os.mkdir [it_ran]",
    "a file": "evil.yaml",
    "a file without an end": "evil",
    "a file in a folder": "evil_package/evil.yaml",
    "a file elsewhere": "../evil.yaml",
    "a file's address": "file://evil.yaml",
    "standard input": "-",
    "an interpolation": "${oc.decode:evil_module.run}",
    "the environment": "${oc.env:HOME}",
}
STRING_PLACES = {
    "generator": lambda v: hyper(generator=v),
    "schedule": lambda v: hyper(scheduler=v),
    "schedule's function": lambda v: hyper(scheduler=spec(LAMBDA, lr_lambda=v)),
    "schedule's list": lambda v: hyper(scheduler=spec(LAMBDA, lr_lambda=[v])),
    "without a type": untyped,
    "a class": lambda v: untyped({"class_path": v}),
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
}
HOSTILE = {
    **{f"{path} without a type": untyped(spec(path, **given)) for path, given in CALLS.items()},
    **{f"os.mkdir as {n}": place(spec("os.mkdir", path=MARK)) for n, place in PLACES.items()},
    **{f"a module as {name}": place(EVIL) for name, place in PLACES.items()},
    **{
        f"{kind} as {name}": place(text)
        for kind, text in STRINGS.items()
        for name, place in STRING_PLACES.items()
    },
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
    "weights": GOOD | {"state_dict": RUNS},
    "a weight": GOOD | {"state_dict": {**WEIGHTS, "generator.last.bias": RUNS}},
    "callbacks": GOOD | {"callbacks": {"Last": RUNS}},
    "optimizers": GOOD | {"optimizer_states": [RUNS]},
    "another part": GOOD | {"more": [{"a": RUNS}]},
    "all of it": RUNS,
    "exec": GOOD | {"more": Reduced(exec, f"open({MARK!r}, 'w')")},
    "import": GOOD | {"more": Reduced(__import__, "evil_module")},
    "hub": GOOD | {"more": Reduced(torch.hub.load, ".", "run", False, None, None)},
    "a partial function": GOOD | {"more": functools.partial(os.mkdir, MARK)},
    "a function": GOOD | {"more": os.system},
    "a network": GOOD | {"more": Compact([4, 6])},
    "a network of one's own": GOOD | {"more": PlainGenerator()},
}
