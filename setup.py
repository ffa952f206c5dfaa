"""Builds the one extension module; everything else about the package is in pyproject.toml."""

import shutil
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# One wheel for every CPython from 3.11 on, except the free-threaded builds, which have no limited API yet.
LIMITED = not sysconfig.get_config_var("Py_GIL_DISABLED")

# Contraction to fused multiply-add is wanted: the same bits wherever there is one. The two -fno let
# square roots and selections vectorise and change no result. Never -ffast-math, never -march=native.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]
# Nobody unwinds the stack through loops in C, nor looks for their names. A write beyond an array on it is seen.
SMALL = ["-g0", "-fvisibility=hidden", "-fno-asynchronous-unwind-tables", "-fstack-protector-strong"]
SEALED = ["-Wl,-z,relro,-z,now"] if sys.platform == "linux" else []  # names are resolved at once, then read-only

DIRECTIVES = {
    "language_level": "3",
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "auto_pickle": False,
    "autotestdict": False,
    "freethreading_compatible": True,
}


class BuildExt(build_ext):
    """On Windows, clang-cl compiles: MSVC does not know the vector extensions of the core."""

    def build_extensions(self):
        if self.compiler.compiler_type == "msvc":
            self.compiler.initialize()
            self.compiler.cc = shutil.which("clang-cl") or "clang-cl"
        super().build_extensions()


windows = sys.platform == "win32"
kernels = Extension(
    "pycharrnn._kernels",
    ["src/_kernels.pyx", "src/core/core.c"],
    include_dirs=["src"],
    depends=sorted(path.as_posix() for path in Path("src").rglob("*.[hp]*")),
    define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED else [],
    py_limited_api=LIMITED,
    extra_compile_args=["/clang:" + flag for flag in FLAGS] if windows else FLAGS + SMALL,
    extra_link_args=["/Brepro"] if windows else SEALED,  # no time of the build in the file
)

setup(
    ext_modules=cythonize([kernels], compiler_directives=DIRECTIVES, build_dir="build"),
    cmdclass={"build_ext": BuildExt},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED else {},
)
