"""bench_autoencoder.py BUILD [CLIENTS]: training of segmpi on 2 ranks beside PyTorch's on 2 threads.

BUILD is a build folder.  The default network and the study's, the same layers, batch, activations, optimizer and float32;
PyTorch takes its batches from a tensor by a permutation, without a loader.  A run of many epochs less a run of one: what
remains is training.  Runs alternate; printed are medians.  The errors that both reach are shown, as equal starts are not.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("OMP_NUM_THREADS", "2")

import h5py
import numpy as np
import torch

RANKS, RUNS = 2, 3
NETWORKS = {
    # name: layers, batch, learning rate, epochs, activation
    "autoencoder": ([17, 64, 32, 10, 32, 64, 17], 128, 1e-3, 13, torch.nn.ELU),
    "autoencoder:study": ([17, 7, 500, 500, 2000, 10, 2000, 500, 17], 128, 1e-3, 3, torch.nn.ReLU),
}


def fit(binary, folder, name, epochs):
    """Seconds of the phase `embed`, and the last training error."""
    words = ["mpirun", "-n", str(RANKS), binary, "fit", f"{folder}/clients.h5", "-o", f"{folder}/model.h5", "-k", "2",
             "--n-init", "1", "--no-swaps", "--stability", "0", "--outliers", "none", "--embed", name, "--ae-epochs",
             str(epochs), "--ae-patience", "0", "--ae-validation", "0", "--force", "--quiet", "--timing"]
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(words)}\n{result.stderr}")
    with h5py.File(f"{folder}/model.h5") as model:
        loss = model["autoencoder/loss_curve"][()]
    return float(re.search(r"^embed +([0-9.]+)", result.stdout + result.stderr, re.M).group(1)), np.ravel(loss)[-1]


def prepared(folder):
    with h5py.File(f"{folder}/clients.h5") as clients, h5py.File(f"{folder}/model.h5") as model:
        x, stages = clients["features"][()], model["preprocessing"]
        x = np.where(np.isnan(x), stages["fill_value"][()], x)
        return torch.from_numpy(((x - stages["mean"]) / stages["scale"]).astype(np.float32))


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


def main():
    build, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50_000
    binary = f"{build}/src/segmpi"
    torch.set_num_threads(RANKS)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([binary, "generate", str(n), "-o", f"{folder}/clients.h5", "--quiet"], check=True)
        for name, network in NETWORKS.items():
            rows = n if name == "autoencoder" else min(n, 8950)
            if rows < n:
                subprocess.run([binary, "generate", str(rows), "-o", f"{folder}/clients.h5", "--quiet", "--force"],
                               check=True)
            epochs, ours, theirs = network[3], [], []
            for _ in range(RUNS):
                one, (many, error) = fit(binary, folder, name, 1)[0], fit(binary, folder, name, epochs)
                ours.append(rows * (epochs - 1) / (many - one))
                z = prepared(folder)
                one, (many, their_error) = train(z, network, 1)[0], train(z, network, epochs)
                theirs.append(rows * (epochs - 1) / (many - one))
            a, b = statistics.median(ours), statistics.median(theirs)
            print(f"{name}, {rows:,} clients, batch {network[1]}, after {epochs} epochs: error {error:.4f}, PyTorch's "
                  f"{their_error:.4f}")
            print(f"  segmpi, {RANKS} ranks            {a:10,.0f} samples/s ({min(ours):,.0f} to {max(ours):,.0f})")
            print(f"  PyTorch {torch.__version__}, {RANKS} threads {b:10,.0f} samples/s ({min(theirs):,.0f} to {max(theirs):,.0f})")
            print(f"  ratio {a / b:.2f}")
        result = subprocess.run([binary, "inspect", f"{folder}/model.h5", "--provenance"], capture_output=True, text=True,
                                check=False)
        print("\n".join(line for line in result.stdout.splitlines() if "BLAS" in line))


if __name__ == "__main__":
    main()
