"""bench_autoencoder.py BUILD [CLIENTS]: training of segmpi on 2 ranks beside PyTorch's on 2 threads.

BUILD is a build folder.  The default network and the study's, the same layers, batch, activations, optimizer and float32;
PyTorch takes its batches from a tensor by a permutation, without a loader.  A run of many epochs less a run of one: what
remains is training.  Runs alternate.  The errors that both reach are shown, as equal starts are not.
"""

import os
import statistics
import sys
import tempfile
import time

os.environ.setdefault("OMP_NUM_THREADS", "2")

import bench_common as bench
import h5py
import numpy as np
import torch

NETWORKS = {
    # name: layers, batch, learning rate, epochs, activation
    "autoencoder": ([17, 64, 32, 10, 32, 64, 17], 128, 1e-3, 13, torch.nn.ELU),
    "autoencoder:study": ([17, 7, 500, 500, 2000, 10, 2000, 500, 17], 128, 1e-3, 3, torch.nn.ReLU),
}


def fit(binary, folder, name, epochs):
    """Seconds of the phase `embed`, and the last training error."""
    text = bench.run(binary, "fit", f"{folder}/clients.h5", "-o", f"{folder}/model.h5", "-k", 2, "--n-init", 1, "--no-swaps",
                     "--stability", 0, "--outliers", "none", "--embed", name, "--ae-epochs", epochs, "--ae-patience", 0,
                     "--ae-validation", 0, "--force", "--quiet", "--timing", ranks=bench.RANKS)
    with h5py.File(f"{folder}/model.h5") as model:
        loss = model["autoencoder/loss_curve"][()]
    return bench.phase(text, "embed"), np.ravel(loss)[-1]


def train(z, network, epochs):
    """Seconds, and the mean error of the last epoch."""
    layers, batch, rate, _, activation = network
    code = layers.index(min(layers[1:-1])) if activation is torch.nn.ELU else -1
    torch.manual_seed(0)
    parts = []
    for i, (a, b) in enumerate(zip(layers, layers[1:])):
        parts.append(torch.nn.Linear(a, b))
        if i < len(layers) - 2 and i + 1 != code:
            parts.append(activation())
    net = torch.nn.Sequential(*parts)
    optimizer, loss_of = torch.optim.Adam(net.parameters(), lr=rate), torch.nn.MSELoss()
    begun = time.perf_counter()
    for _ in range(epochs):
        order, total = torch.randperm(len(z)), 0.0
        for first in range(0, len(z), batch):
            rows = z[order[first : first + batch]]
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(net(rows), rows)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
    return time.perf_counter() - begun, total / len(z)


def measure(binary, folder, name, rows):
    network, peer, errors = NETWORKS[name], f"PyTorch {torch.__version__}", {}
    epochs, seconds = network[3], {"segmpi": [], peer: []}
    bench.run(binary, "generate", rows, "-o", f"{folder}/clients.h5", "--quiet", "--force")
    for _ in range(bench.RUNS):
        one, (many, errors["segmpi"]) = fit(binary, folder, name, 1)[0], fit(binary, folder, name, epochs)
        seconds["segmpi"].append((many - one) / (epochs - 1))
        z = torch.from_numpy(bench.prepared(f"{folder}/clients.h5", f"{folder}/model.h5"))
        one, (many, errors[peer]) = train(z, network, 1)[0], train(z, network, epochs)
        seconds[peer].append((many - one) / (epochs - 1))
    bench.record(f"epoch of {name}, {rows:,} clients, batch {network[1]}", seconds, notes=", ".join(
        f"{who}: error {errors[who]:.4f} after {epochs} epochs, {rows / statistics.median(values):,.0f} samples/s"
        for who, values in seconds.items()))


def main():
    build, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50_000
    torch.set_num_threads(bench.RANKS)
    with tempfile.TemporaryDirectory() as folder:
        for name in NETWORKS:
            measure(f"{build}/src/segmpi", folder, name, n if name == "autoencoder" else min(n, 8950))


if __name__ == "__main__":
    main()
