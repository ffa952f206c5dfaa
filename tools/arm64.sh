#!/usr/bin/env bash
# Trains on an emulated arm64 processor and on this one, and compares the bits of the weights and of the texts.
#
#     tools/arm64.sh FOLDER     # with pycharrnn/_kernels.abi3.so for aarch64-linux-gnu in it, as tools/cross.sh builds it
#
# Needs qemu-aarch64-static, and Debian or Ubuntu, whose arm64 packages bring the interpreter; nothing is installed.
# PYTHON is an interpreter of 3.11 or later that has pycharrnn and pip.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
folder=$(cd "$1" && pwd)
python=${PYTHON:-python3}
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT

# An arm64 Debian beside this one: its own lists, cache and status, so that apt leaves the system alone.
mkdir -p "$tmp"/{lists/partial,cache/archives/partial,root,site}
touch "$tmp/status"
. /etc/os-release
mirror=http://deb.debian.org/debian
keys=/usr/share/keyrings/debian-archive-keyring.gpg
if [[ $ID == ubuntu ]]; then
    mirror=http://ports.ubuntu.com/ubuntu-ports
    keys=/usr/share/keyrings/ubuntu-archive-keyring.gpg
fi
echo "deb [signed-by=$keys] $mirror $VERSION_CODENAME main" >"$tmp/sources.list"
cat >"$tmp/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Dir::Cache "$tmp/cache";
Dir::Etc::SourceList "$tmp/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$tmp/lists";
Dir::State::Status "$tmp/status";
CONF
export APT_CONFIG=$tmp/apt.conf
apt-get update -qq
# The interpreter and the libraries that it is linked with; whatever else is recommended stays where it is.
apt-get install --quiet=2 --yes --download-only --no-install-recommends python3-minimal libpython3-stdlib libgcc-s1 \
    libstdc++6 >"$tmp/apt.log" 2>&1 || { tail -n 20 "$tmp/apt.log" >&2 && exit 1; }
for package in "$tmp"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$tmp/root"
done
interpreter=$(find "$tmp/root/usr/bin" -name 'python3.*' -type f | head -n 1)
version=${interpreter##*/python}

platforms=()
for glibc in 17 27 28; do platforms+=(--platform "manylinux_2_${glibc}_aarch64"); done
"$python" -m pip install --quiet --target "$tmp/site" --only-binary :all: --implementation cp \
    --python-version "$version" "${platforms[@]}" numpy tqdm
cp -r pycharrnn "$tmp/site/"
find "$tmp/site/pycharrnn" -name '*.so' -delete
cp "$folder"/pycharrnn/_kernels.abi3.so "$tmp/site/pycharrnn/"

cd "$tmp"
"$python" -P "$OLDPWD/tools/bits.py" >here.txt
QEMU_LD_PREFIX=$tmp/root PYTHONHOME=$tmp/root/usr PYTHONPATH=$tmp/site qemu-aarch64-static "$interpreter" -P \
    "$OLDPWD/tools/bits.py" >there.txt
head -n 1 here.txt there.txt
diff <(tail -n +2 here.txt) <(tail -n +2 there.txt)
echo "$(tail -n +2 here.txt | wc -l) trainings: the same bits"
