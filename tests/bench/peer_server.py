"""A LitServe server for one model package: `python peer_server.py MODELS MODEL PORT`; started by `peer_ways.py`."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

import litserve
import numpy as np
from PIL import Image

from watcher.models.package import load
from watcher.models.registry import Registry
from watcher.vision.decode import fit

BATCH = 32


class Api(litserve.LitAPI):
    """Decodes each request, predicts what came together."""

    def setup(self, device):
        self.package = Registry(Path(sys.argv[1])).current(sys.argv[2])
        self.model = load(self.package)

    def decode_request(self, request):
        return fit(Image.open(io.BytesIO(base64.b64decode(request["content"]))).convert("RGB"), self.package.card)

    def batch(self, inputs):
        return np.stack(inputs)

    def predict(self, pixels):
        return self.model.predict_on_batch(pixels.astype(np.float32))

    def unbatch(self, output):
        return list(output)

    def encode_response(self, output):
        return {"scores": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Api(max_batch_size=BATCH, batch_timeout=0.02), accelerator="cpu", timeout=600)
    server.run(host="127.0.0.1", port=int(sys.argv[3]), generate_client_file=False, log_level="error")
