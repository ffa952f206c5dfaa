#!/usr/bin/env bash
# Builds the extension module for other platforms, to show that its sources compile and link there: zig, which pip
# installs, brings a compiler and the C libraries of all of them.
#
#     tools/cross.sh OUT [TARGET...]     # OUT/TARGET/pycharrnn/_kernels.abi3.so; without targets, all of them
#
# PYTHON is an interpreter that has setuptools, Cython and ziglang, on a 64-bit Linux or macOS: its headers serve for all.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
out=$(mkdir -p "$1" && cd "$1" && pwd)
shift
targets=("$@")
[[ $# -gt 0 ]] || targets=(x86_64-linux-gnu.2.17 aarch64-linux-gnu.2.17 x86_64-linux-musl aarch64-linux-musl
    x86_64-macos aarch64-macos)
python=${PYTHON:-python3}
zig="$python -m ziglang cc -Wno-unused-command-line-argument"

for target in "${targets[@]}"; do
    link="-shared"
    [[ $target != *-macos ]] || link="-dynamiclib -undefined dynamic_lookup" # Python itself has the missing names
    CC="$zig -target $target" LDSHARED="$zig -target $target $link" \
        "$python" setup.py -q build --build-base "$out/$target/build" build_ext --build-lib "$out/$target" \
        >"$out/$target.log" 2>&1 || { tail -n 30 "$out/$target.log" >&2 && exit 1; }
    printf '%-24s %s\n' "$target" "$(file --brief "$out/$target"/pycharrnn/_kernels.abi3.so | cut -c 1-100)"
done

# For Windows the core alone: what is above it needs Windows' own Python headers.
$zig -target x86_64-windows-gnu -Wall -Wextra -Werror -O3 -ffp-contract=fast -c src/core/core.c -o "$out/core.obj"
printf '%-24s %s\n' x86_64-windows-gnu "$(file --brief "$out/core.obj" | cut -c 1-100), the core alone"
