#!/usr/bin/env python3
"""Makes the HDF5 files and the checkpoint of this corpus again, in the folder of this script. Needs h5py and libxxhash."""

import ctypes
import json
import pathlib

import h5py
import numpy as np

here = pathlib.Path(__file__).parent
frames, neurons, types = 6, 5, 2


def activity(kind=np.float32):
    return (np.arange(frames * neurons).reshape(frames, neurons) / 4).astype(kind)


def add_truth(file):
    file["truth/connectivity"] = activity()[:5, :5]
    file["truth/neuron_type"] = np.arange(neurons) % types
    file["truth/parameters"] = np.ones((types, 3))


def simulated(name, libver):
    """As weft writes it: contiguous arrays, texts of variable length."""
    with h5py.File(here / "dataset" / name, "w", libver=libver) as file:
        file["activity"] = activity()
        file["derivative"] = -activity()
        add_truth(file)
        file.attrs["dt"] = 0.25
        file.attrs["trajectory_starts"] = np.array([0, 3])
        file.attrs["config"] = "name: sample\n"
        file.attrs["config_hash"] = "0123456789abcdef"
        file.attrs["version"] = "0.1.0 (abc)"


def chunked(name):
    """A recording with filters, of other numbers, its dt a dataset."""
    with h5py.File(here / "dataset" / name, "w") as file:
        file.create_dataset("activity", data=activity(np.int16), chunks=(2, 3), compression="gzip", shuffle=True,
                            fletcher32=True)
        file.create_dataset("derivative", data=activity(">f8"), chunks=(4, 5), maxshape=(None, None))
        file["dt"] = 0.5


def extensible(name):
    """The newest index of chunks."""
    with h5py.File(here / "dataset" / name, "w", libver="latest") as file:
        file.create_dataset("activity", data=activity(np.float64), chunks=(1, 5), maxshape=(None, None))
        file["activity"].attrs["dt"] = np.float32(0.5)
        file["activity"].attrs["config"] = np.bytes_("fixed")


def compact(name):
    with h5py.File(here / "dataset" / name, "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((2, 2))
        h5py.h5d.create(file.id, b"activity", h5py.h5t.NATIVE_INT8, space, properties)
        file.attrs["dt"] = 1


def virtual(name):
    """A view, as weft makes it over its shards, of arrays in the same file."""
    with h5py.File(here / "dataset" / name, "w", libver=("v108", "v110")) as file:
        layout = h5py.VirtualLayout((frames, neurons), np.float32)
        for begin, end in ((0, 2), (2, neurons)):
            part = f"part_{begin}"
            file[part] = activity()[:, begin:end]
            layout[:, begin:end] = h5py.VirtualSource(".", part, (frames, end - begin))
        file.create_virtual_dataset("activity", layout, fillvalue=np.nan)
        file.attrs["dt"] = 0.25


def xxh3(content):
    hash_of = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
    hash_of.restype, hash_of.argtypes = ctypes.c_uint64, (ctypes.c_char_p, ctypes.c_size_t)
    return f"{hash_of(content, len(content)):016x}"


def checkpoint(folder):
    folder.mkdir(parents=True, exist_ok=True)
    parts = [(f"shard_r{rank:04}_of_0002.h5", begin, end) for rank, (begin, end) in enumerate([(0, 3), (3, neurons)])]
    for name, begin, end in parts:
        with h5py.File(folder / name, "w", libver=("v108", "v110")) as file:
            file["connectivity"] = activity()[begin:end]
            file["latents"] = np.ones((end - begin, 2))
    with h5py.File(folder / "common.h5", "w", libver=("v108", "v110")) as file:
        file["psi/coefficients"] = np.arange(4.0)
        file["training/steps"] = np.array([1200])
    files = []
    for name, begin, end in parts + [("common.h5", 0, 0)]:
        content = (folder / name).read_bytes()
        files.append({"name": name, "bytes": len(content), "xxh3": xxh3(content), "row_begin": begin, "row_end": end})
    manifest = {"format_version": 3, "step": 1200, "neurons": neurons, "complete": True, "number": 3, "method": "adam",
                "config_hash": "0123456789abcdef", "version": "0.1.0 (abc)", "world_size": 2, "files": files,
                "findings": {"training": {"seconds": 1.5}}}
    sealed = manifest | {"manifest_xxh3": xxh3(json.dumps(manifest, separators=(",", ":")).encode())}
    (folder / "manifest.json").write_text(json.dumps(sealed, indent=2) + "\n")
    manifests = folder.parent / "manifests"
    manifests.mkdir(exist_ok=True)
    (manifests / "version_2.json").write_text(json.dumps(manifest | {"format_version": 2}))
    first = {key: value for key, value in manifest.items() if key not in ("complete", "number", "findings")}
    (manifests / "version_1.json").write_text(json.dumps(first | {"format_version": 1}))


(here / "dataset").mkdir(exist_ok=True)
simulated("earliest.h5", "earliest")
simulated("as_weft_writes.h5", ("v108", "v110"))
chunked("chunked.h5")
extensible("extensible.h5")
compact("compact.h5")
virtual("view.h5")
checkpoint(here / "checkpoint" / "sound")
