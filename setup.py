"""Builds the one extension module; everything else about the package is in pyproject.toml."""

import sys
import sysconfig

from Cython.Build import cythonize
from setuptools import Extension, setup

# One wheel for every CPython from 3.11 on, except the free-threaded builds, which have no limited API yet.
limited = not sysconfig.get_config_var("Py_GIL_DISABLED")
flags = [] if sys.platform == "win32" else ["-g0", "-fvisibility=hidden"]

kernels = Extension(
    "pycharrnn._kernels",
    ["src/_kernels.pyx", "src/core/core.c"],
    include_dirs=["src"],
    depends=["src/core/core.h", "src/core/kernels.h", "src/core/precisions.h"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")] if limited else [],
    py_limited_api=limited,
    # Contraction to fused multiply-add is wanted: the same bits wherever there is one. The two -fno let
    # square roots and selections vectorise and change no result. Never -ffast-math, never -march=native.
    extra_compile_args=["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", *flags],
)

directives = {
    "language_level": "3",
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "auto_pickle": False,
    "autotestdict": False,
    "freethreading_compatible": True,
}

setup(
    ext_modules=cythonize([kernels], compiler_directives=directives, build_dir="build"),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if limited else {},
)
