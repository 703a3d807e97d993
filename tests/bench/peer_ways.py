"""Other ways to classify a folder of pictures and to write annotated copies of them; started by `peers.py`, one process each.

Each is written as its own documentation shows. A line in, [source, target] as JSON, is answered by a line with the seconds
and the labels by file name. All take the Keras model of a package as it is, and draw as we do.
"""

from __future__ import annotations

import atexit
import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from watcher.models.package import import_keras, load
from watcher.models.registry import Registry
from watcher.vision.annotate import annotate
from watcher.vision.decode import fit

BATCH = 32
# A file that tells since when a way is ready that loads its model for each run: only from then on does its time count.
READY = ".ready"
SERVER = Path(__file__).with_name("peer_server.py")


def save(image, scores, labels, target):
    best = np.argsort(-scores)[:5]
    annotate(image, [(labels[i], float(scores[i])) for i in best]).save(target, quality=90)
    return labels[best[0]]


def article(package):
    """Open a picture, predict it alone, draw, save, and so on."""
    model = load(package)

    def run(source, target):
        found = {}
        for path in sorted(source.iterdir()):
            image = Image.open(path).convert("RGB")
            scores = model.predict(fit(image, package.card)[None].astype(np.float32), verbose=0)[0]
            found[path.name] = save(image, scores, package.card.labels, target / path.name)
        return found

    return run


def tf_data(package):
    """A pipeline that decodes beside the model, and `predict` over it in batches."""
    import tensorflow as tf

    model = load(package)

    def pixels(path):
        def read(name):
            return fit(Image.open(name.decode()).convert("RGB"), package.card)

        read_pixels = tf.numpy_function(read, [path], tf.uint8)
        return tf.cast(tf.ensure_shape(read_pixels, (*package.card.input_size, 3)), tf.float32)

    def run(source, target):
        paths = sorted(source.iterdir())
        names = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
        batches = names.map(pixels, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
        found = model.predict(batches, verbose=0)
        return {
            path.name: save(Image.open(path).convert("RGB"), scores, package.card.labels, target / path.name)
            for path, scores in zip(paths, found, strict=True)
        }

    return run


def ray_data(package):
    """Read, decode, predict in an actor, draw: as Ray's guide to batch inference has it."""
    import ray

    ray.init(include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False

    def decoded(row):
        image = Image.open(io.BytesIO(row["bytes"])).convert("RGB")
        return {"path": row["path"], "bytes": row["bytes"], "pixels": fit(image, package.card)}

    class Predictor:
        def __init__(self, ready):
            import_keras()
            self.model = load(package)
            ready.touch()

        def __call__(self, batch):
            scores = self.model.predict_on_batch(np.stack(batch["pixels"]).astype(np.float32))
            return {"path": batch["path"], "bytes": batch["bytes"], "scores": scores}

    def run(source, target):
        def drawn(row):
            image = Image.open(io.BytesIO(row["bytes"])).convert("RGB")
            name = Path(row["path"]).name
            return {"name": name, "label": save(image, row["scores"], package.card.labels, target / name)}

        rows = (
            ray.data.read_binary_files(str(source), include_paths=True)
            .map(decoded)
            .map_batches(Predictor, fn_constructor_args=[target / READY], batch_size=BATCH, concurrency=1, num_cpus=1)
            .map(drawn)
            .take_all()
        )
        return {row["name"]: row["label"] for row in rows}

    return run


def lit_serve(package):
    """A server that batches what clients post at the same time."""
    import requests

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    models, name = package.folder.parents[1], package.card.name
    command = [sys.executable, SERVER, models, name, str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    atexit.register(os.killpg, server.pid, signal.SIGKILL)  # with the processes that it has started
    while True:
        try:
            if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                break
        except requests.ConnectionError:
            if server.poll() is not None:
                raise RuntimeError("its server has ended") from None
            time.sleep(0.5)

    def run(source, target):
        def ask(path):
            data = path.read_bytes()
            asked = {"content": base64.b64encode(data).decode()}
            answer = requests.post(f"http://127.0.0.1:{port}/predict", json=asked, timeout=600).json()
            image = Image.open(io.BytesIO(data)).convert("RGB")
            return path.name, save(image, np.asarray(answer["scores"]), package.card.labels, target / path.name)

        with ThreadPoolExecutor(2 * BATCH) as pool:
            return dict(pool.map(ask, sorted(source.iterdir())))

    return run


WAYS = {"article": article, "tf.data": tf_data, "Ray Data": ray_data, "LitServe": lit_serve}


def main():
    way, models, model = sys.argv[1:]
    package = Registry(Path(models)).current(model)
    if way != "Ray Data":
        import_keras()
    run = WAYS[way](package)
    print("ready", flush=True)
    for line in sys.stdin:
        source, target = map(Path, json.loads(line))
        begun, started = time.perf_counter(), time.time()
        labels = run(source, target)
        if (target / READY).exists():
            begun += (target / READY).stat().st_mtime - started
        print(json.dumps({"seconds": time.perf_counter() - begun, "labels": labels}), flush=True)


if __name__ == "__main__":
    main()
