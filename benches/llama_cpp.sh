#!/usr/bin/env bash
# Builds the llama.cpp that benches/side_by_side.py measures beside textport: the source tree inside
# the Python package llama-cpp-python, checked against a pinned sha256, for this machine's processor.
# It needs python3 with pip and a package index, make, a C++ compiler and some 600 MB, and takes ten
# minutes on two cores. cmake comes from the index where the machine has none. It ends at once when
# FOLDER is complete.
#
#   benches/llama_cpp.sh [-j JOBS] [--cpu CPU] [FOLDER]     FOLDER: $LLAMA_CPP_DIR, or target/llama.cpp
#
# CPU: native (all that this processor has: the default), no-amx (the same without AMX) or avx2 (AVX2,
# FMA and F16C, whatever else is there). Builds for different processors need different folders.
#
# FOLDER/bin then holds llama-bench, llama-batched-bench, llama-server, llama-perplexity,
# llama-quantize and llama-cli; FOLDER/about.txt says what they were built from and for. To build
# what is published elsewhere, change the two lines below.
set -euo pipefail

version=0.3.36
sha256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e

targets=(llama-bench llama-batched-bench llama-server llama-perplexity llama-quantize llama-cli)
# Without the page of the server: its build downloads what no index has.
options=(
    -DCMAKE_BUILD_TYPE=Release -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF
    -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TESTS=OFF
)

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# pip has no word for "fetch without building", so the index's own page is read (PEP 691), from the
# index that pip uses here.
fetch() {
    "$python" - "$version" "$sha256" "$1" << 'END'
import hashlib, json, os, subprocess, sys, urllib.parse, urllib.request

version, sha256, to = sys.argv[1:]
name = f"llama_cpp_python-{version}.tar.gz"

def index():
    if os.environ.get("PIP_INDEX_URL"):
        return os.environ["PIP_INDEX_URL"]
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    said = subprocess.run(asked, capture_output=True, text=True)
    if said.returncode == 0 and said.stdout.strip():
        return said.stdout.strip()
    from pip._internal.models.index import PyPI
    return PyPI.simple_url

def read(url, **headers):
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)

page = index().rstrip("/") + "/llama-cpp-python/"
with read(page, Accept="application/vnd.pypi.simple.v1+json") as answer:
    if "json" not in answer.headers.get("Content-Type", ""):
        sys.exit("the package index has no JSON pages (PEP 691)")
    files = json.load(answer)["files"]
found = [file for file in files if file["filename"] == name]
if not found:
    sys.exit(f"the package index has no {name}")
digest = hashlib.sha256()
with read(urllib.parse.urljoin(page, found[0]["url"])) as answer, open(to, "wb") as out:
    while chunk := answer.read(1 << 20):
        digest.update(chunk)
        out.write(chunk)
if digest.hexdigest() != sha256:
    os.unlink(to)
    sys.exit(f"{name} has the sha256 {digest.hexdigest()}, not {sha256}")
END
}

# cmake of the machine, else one from the index in a virtual environment of its own.
find_cmake() {
    if command -v cmake; then
        return
    fi
    if [ ! -x "$folder/venv/bin/cmake" ]; then
        "$python" -m venv "$folder/venv" >&2
        "$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check cmake==4.4.4 >&2
    fi
    echo "$folder/venv/bin/cmake"
}

# GCC 12 knows only the first bytes of what _tile_loadconfig reads, and throws the rest away: without
# this line the first product on AMX ends the process (llama.cpp's pull request 26954).
mend() {
    local file="$folder/source/ggml/src/ggml-cpu/amx/mmq.cpp"
    if ! grep -q 'keeps the whole of tc' "$file"; then
        sed -i 's|^    _tile_loadconfig(&tc);|    __asm__ volatile("" : : "m"(tc)); // keeps the whole of tc\n&|' "$file"
        grep -q 'keeps the whole of tc' "$file" || fail "$file is not as expected"
    fi
}

unpack() {
    local new="$folder/source.new"
    rm -rf "$new"
    mkdir "$new"
    tar -xzf "$folder/sdist.tar.gz" -C "$new" --strip-components=3 \
        "llama_cpp_python-$version/vendor/llama.cpp"
    rm -rf "$folder/source"
    mv "$new" "$folder/source"
    rm "$folder/sdist.tar.gz"
}

build() {
    local cmake
    cmake=$(find_cmake)
    mend
    "$cmake" -S "$folder/source" -B "$folder/build" "${options[@]}" > "$folder/configure.log" 2>&1 ||
        fail "cmake failed; see $folder/configure.log"
    for target in "${targets[@]}"; do
        echo "building $target" >&2
        "$cmake" --build "$folder/build" -j "$jobs" --target "$target" > "$folder/build.log" 2>&1 ||
            fail "$target does not build; see $folder/build.log"
    done
    ln -sfn build/bin "$folder/bin"
}

# What the compiler may use, of what counts.
instructions() {
    local flags=()
    case $cpu in
        native) flags=(-march=native) ;;
        no-amx) flags=(-mno-amx-tile -mno-amx-int8 -mno-amx-bf16 -march=native) ;;
        avx2) flags=(-mavx2 -mfma -mf16c) ;;
    esac
    c++ "${flags[@]}" -dM -E -x c++ /dev/null | sed -nE \
        's/^#define __(AVX2|FMA|F16C|AVXVNNI|AVX512F|AVX512BW|AVX512VNNI|AVX512BF16|AVX512FP16|AMX_TILE|AMX_INT8|AMX_BF16|ARM_FEATURE_DOTPROD|ARM_FEATURE_MATMUL_INT8|ARM_FEATURE_SVE)__? 1$/ \1/p' |
        sort | tr -d '\n'
}

about() {
    printf 'llama-cpp-python %s, sha256 %s\n' "$version" "$sha256"
    printf 'options: %s\n' "${options[*]}"
    printf 'built for: %s;%s\n' "$cpu" "$(instructions)"
    printf 'compiler: %s\n' "$(c++ --version | head -n 1)"
    grep -E 'ARM_FLAGS|x86 detected|ARM detected|Adding CPU backend|Including .* backend|OpenMP found|ggml version' \
        "$folder/configure.log" | sed 's/^-- /configure: /' || true
    printf 'version: %s\n' "$("$folder/bin/llama-cli" --version 2>&1 | grep '^version' || true)"
}

jobs=$(nproc)
folder=""
cpu=native
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        -j) jobs=${2:?-j wants a number}; shift ;;
        -j*) jobs=${1#-j} ;;
        --cpu) cpu=${2:?--cpu wants native, no-amx or avx2}; shift ;;
        -*) fail "there is no option $1: see --help" ;;
        *) folder=$1 ;;
    esac
    shift
done
python=${PYTHON:-python3}
folder=${folder:-${LLAMA_CPP_DIR:-$(dirname "${BASH_SOURCE[0]}")/../target/llama.cpp}}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
case $cpu in
    native) options+=(-DGGML_NATIVE=ON) ;;
    # What is said before -march=native holds all the same.
    no-amx)
        without="-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
        options+=(-DGGML_NATIVE=ON "-DCMAKE_C_FLAGS=$without" "-DCMAKE_CXX_FLAGS=$without")
        ;;
    avx2) options+=(-DGGML_NATIVE=OFF) ;;
    *) fail "there is no processor $cpu: native, no-amx or avx2" ;;
esac
wanted="layout 2: llama-cpp-python $version $sha256 ${options[*]}"
for tool in "$python" make c++; do
    command -v "$tool" > /dev/null || fail "$tool is missing"
done

if [ ! -f "$folder/stamp" ] || [ "$(cat "$folder/stamp")" != "$wanted" ]; then
    if [ ! -f "$folder/fetched" ] || [ "$(cat "$folder/fetched")" != "$sha256" ]; then
        fetch "$folder/sdist.tar.gz"
        unpack
        printf '%s\n' "$sha256" > "$folder/fetched"
    fi
    build
    about > "$folder/about.txt"
    printf '%s\n' "$wanted" > "$folder/stamp" # last: it says that all of it is there
fi
cat "$folder/about.txt"
echo "llama.cpp: $folder/bin"
