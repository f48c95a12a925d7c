"""bench_peer.py PEER FOLDER ITERATIONS [RESTARTS]: k-means of one peer, in a process of its own.

Reads FOLDER/z.npy [n, d] and FOLDER/start.npy [k, d] in float32, and prints as JSON: version, the seconds of a run of one
iteration and of ITERATIONS, how many were made, and the cost of the last centers in float64.  With RESTARTS the peer
seeds by itself and stops by its own rules: the seconds and the cost of one fit.  A run of one iteration before does
not count: whoever allocates first waits for the system's pages, which would make one iteration look long and many short."""

import json
import sys
import time
from pathlib import Path

import numpy as np

THREADS = 2


def of_scikit(module):
    def fit(z, start, k, iterations, restarts):
        options = {"n_init": restarts, "random_state": 0} if restarts else {
            "init": start, "n_init": 1, "max_iter": iterations, "tol": 0}
        kmeans = module.KMeans(k, algorithm="lloyd", **options)
        kmeans.fit(z)
        return kmeans.cluster_centers_, kmeans.n_iter_

    return fit


def scikit():
    import sklearn
    import sklearn.cluster

    return sklearn.__version__, of_scikit(sklearn.cluster)


def intelex():
    import importlib.metadata

    import daal4py
    import sklearnex.cluster

    daal4py.daalinit(THREADS)
    return importlib.metadata.version("scikit-learn-intelex"), of_scikit(sklearnex.cluster)


def faiss():
    import faiss as library

    library.omp_set_num_threads(THREADS)

    def fit(z, start, k, iterations, restarts):
        kmeans = library.Kmeans(z.shape[1], k, niter=25 if restarts else iterations, nredo=restarts or 1, seed=1,
                                min_points_per_centroid=1, max_points_per_centroid=len(z))
        kmeans.train(z, init_centroids=None if restarts else start)
        return kmeans.centroids, len(kmeans.obj)

    return library.__version__, fit


def heat():
    """On two ranks of its own: started by mpirun."""
    import heat as library

    comm = library.get_comm()

    def fit(z, start, k, iterations, restarts):
        if restarts:
            sys.exit("heat has no restarts")
        kmeans = library.cluster.KMeans(k, init=library.array(start), max_iter=iterations, tol=-1.0)
        kmeans.fit(library.array(z, is_split=0))
        comm.Barrier()
        return kmeans.cluster_centers_.numpy(), kmeans.n_iter_

    fit.comm = comm
    return library.__version__, fit


PEERS = {"scikit-learn": scikit, "scikit-learn-intelex": intelex, "faiss": faiss, "heat": heat}


def cost(z, centers):
    centers = np.asarray(centers, np.float64)
    total = 0.0
    for first in range(0, len(z), 65536):
        x = z[first : first + 65536].astype(np.float64)
        total += ((x**2).sum(1)[:, None] - 2 * x @ centers.T + (centers**2).sum(1)).min(1).sum()
    return total


def timed(fit, *arguments):
    begun = time.perf_counter()
    found = fit(*arguments)
    return time.perf_counter() - begun, *found


def main():
    peer, folder, iterations = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    restarts = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    version, fit = PEERS[peer]()
    z, start = np.load(folder / "z.npy"), np.load(folder / "start.npy")
    mine, comm = z, getattr(fit, "comm", None)
    if comm:
        mine = np.array_split(z, comm.size)[comm.rank]
    fit(mine, start, len(start), 1, 0)
    one = 0.0 if restarts else timed(fit, mine, start, len(start), 1, 0)[0]
    many, centers, made = timed(fit, mine, start, len(start), iterations, restarts)
    if not comm or comm.rank == 0:
        print(json.dumps({"version": version, "one": one, "many": many, "made": int(made), "cost": cost(z, centers)}))


if __name__ == "__main__":
    main()
