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
    dtype = {"U32": "<u4", "U64": "<u8", "F32": "<f4"}[tensor["dtype"]]
    array = numpy.frombuffer(data[begin:end], dtype).reshape(tensor["shape"])
    print(name, array.dtype, list(array.shape), array.tolist())
