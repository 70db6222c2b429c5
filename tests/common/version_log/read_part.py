# Opens a part file with numpy alone and prints its tensors: the format is open to everybody.
import json
import sys

import numpy

with open(sys.argv[1], "rb") as file:
    length = int.from_bytes(file.read(8), "little")
    header = json.loads(file.read(length))
    data = file.read()
header.pop("__metadata__")
for name, tensor in sorted(header.items()):
    begin, end = tensor["data_offsets"]
    dtype = {"U8": "u1", "U16": "<u2", "U32": "<u4", "U64": "<u8",
             "F16": "<f2", "BF16": "<u2", "F32": "<f4"}[tensor["dtype"]]
    array = numpy.frombuffer(data[begin:end], dtype).reshape(tensor["shape"])
    if tensor["dtype"] == "BF16":  # which numpy has not: the upper half of a float32
        array = (array.astype("<u4") << 16).view("<f4")
    print(name, array.dtype, list(array.shape), array.tolist())
