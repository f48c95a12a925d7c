from spack.package import *


class Segmpi(CMakePackage):
    """Segmentation of bank clients at cluster scale: k-means, principal components or an autoencoder, and named segments,
    with the same bits on any number of ranks."""

    # No address of the source: in a checkout, `spack dev-build segmpi@main`.
    version("main")

    variant("figures", default=True, description="gnuplot for the figures of reports")
    variant("tests", default=False, description="Build the unit tests")

    depends_on("c", type="build")
    depends_on("cmake@3.22:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3.1:")
    depends_on("hdf5@1.10: +mpi +hl")
    depends_on("openblas threads=none")  # with LAPACKE
    depends_on("random123")
    depends_on("xxhash")
    depends_on("jansson")
    depends_on("libinih")
    depends_on("openssl")
    depends_on("gnuplot", type="run", when="+figures")
    depends_on("cmocka", when="+tests")

    def cmake_args(self):
        return [
            self.define_from_variant("SEG_TESTS", "tests"),
            self.define("MPI_C_COMPILER", self.spec["mpi"].mpicc),
            self.define("HDF5_ROOT", self.spec["hdf5"].prefix),
            self.define("RANDOM123_INCLUDE_DIR", self.spec["random123"].prefix.include),
        ]
