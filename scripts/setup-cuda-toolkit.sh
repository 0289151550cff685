#!/usr/bin/env bash
# Puts a CUDA 13.0 compiler (nvcc, headers, static runtime; 271 MB) into a folder, from NVIDIA's
# Python wheels. It needs python3 with pip and g++, but no GPU, no driver, no installed CUDA and no
# rights beyond that folder. It ends at once when the folder is complete.
#
#   scripts/setup-cuda-toolkit.sh [FOLDER]          FOLDER: target/cuda-toolkit
#   . FOLDER/env                                    the variables that a build needs
#   cargo build --release --features cuda
#
#   scripts/setup-cuda-toolkit.sh --check [FOLDER]  downloads nothing: an nvcc that compiles nothing,
#   . FOLDER/env-check                              for cargo check and clippy; never link with it
#
# FOLDER/cuda is then the toolkit (CUDA_HOME), FOLDER/licences the texts that came with the wheels.
set -euo pipefail

# The newest whose PTX (ISA 9.0) a driver of the 580 series compiles at run time.
packages=(
    nvidia-cuda-nvcc==13.0.88
    nvidia-cuda-crt==13.0.88
    nvidia-nvvm==13.0.88
    nvidia-cuda-runtime==13.0.96
    nvidia-cuda-cccl==13.0.85
)
wanted="layout 1: ${packages[*]}"

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# The variables for a toolkit in $1. cudarc takes its bindings from CUDARC_CUDA_VERSION, the kernels
# their machine code from CUDA_COMPUTE_CAP: 90 is the H100 and H200.
write_env() {
    cat << END
export CUDA_HOME='$1' NVCC='$1/bin/nvcc'
export CUDA_COMPUTE_CAP="\${CUDA_COMPUTE_CAP:-90}" CUDARC_CUDA_VERSION=13000
export CUDAFORGE_THREADS="\${CUDAFORGE_THREADS:-\$(nproc)}"
case ":\$PATH:" in *":$1/bin:"*) ;; *) export PATH="$1/bin:\$PATH" ;; esac
END
}

stand_in() {
    mkdir -p "$folder/check/bin" "$folder/check/lib64"
    printf '!<arch>\n' > "$folder/check/lib64/libcudart_static.a"
    cat > "$folder/check/bin/nvcc" << 'END'
#!/usr/bin/env bash
# Stands in for nvcc where CUDA code is only type-checked: writes empty results, compiles nothing.
# What is linked with it lacks every kernel.
out='' folder='' source=''
while [ $# -gt 0 ]; do
    case $1 in
        --version) printf 'nvcc\n\n\nCuda compilation tools, release 13.0, V13.0.88\n'; exit 0 ;;
        --list-gpu-code) echo sm_90; exit 0 ;;
        -o) out=$2; shift ;;
        --output-directory) folder=$2; shift ;;
        *.cu) source=$1 ;;
    esac
    shift
done
case $out in
    *.a) printf '!<arch>\n' > "$out" ;;
    ?*) : > "$out" ;;
    '') if [ -n "$folder" ] && [ -n "$source" ]; then
            name=$(basename "$source" .cu)
            : > "$folder/$name.ptx"
        fi ;;
esac
END
    chmod +x "$folder/check/bin/nvcc"
    write_env "$folder/check" > "$folder/env-check"
    echo "stand-in for type checks: $folder/check; next: . $folder/env-check"
}

# One real compile proves that the parts fit together, the host's compiler included.
prove() {
    cat > "$new/probe.cu" << 'END'
#include <cuda_fp16.h>
#include <cuda_bf16.h>
extern "C" __global__ void probe(__nv_bfloat16 *x, float a) { x[threadIdx.x] = __float2bfloat16(a); }
END
    "$folder/cuda/bin/nvcc" -arch=sm_90 -ptx -o "$new/probe.ptx" "$new/probe.cu" >&2
    grep -q '^\.version 9\.0' "$new/probe.ptx" || fail "nvcc writes another PTX version than 9.0"
    "$folder/cuda/bin/nvcc" -gencode=arch=compute_90a,code=sm_90a -c -o "$new/probe.o" "$new/probe.cu" >&2
}

install() {
    command -v g++ > /dev/null || fail "g++ is missing: nvcc needs a host compiler"
    command -v "$python" > /dev/null || fail "$python is missing: pip fetches the wheels"
    new=$(mktemp -d "$folder/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    "$python" -m pip install --quiet --disable-pip-version-check --no-warn-script-location \
        --root-user-action=ignore --no-cache-dir --no-compile --no-deps --only-binary=:all: \
        --target "$new/site" "${packages[@]}" >&2
    mkdir "$new/licences"
    for text in "$new"/site/*.dist-info/licenses/* "$new"/site/*.dist-info/[Ll][Ii][Cc][Ee][Nn]*; do
        if [ -f "$text" ]; then
            wheel=${text#"$new/site/"}
            cp "$text" "$new/licences/${wheel%%.dist-info*}.txt"
        fi
    done
    rm -rf "$folder/cuda" "$folder/licences" "$folder/stamp"
    mv "$new/site/nvidia/cu13" "$folder/cuda"
    mv "$new/licences" "$folder/licences"
    ln -s lib "$folder/cuda/lib64"
    chmod +x "$folder"/cuda/bin/* "$folder/cuda/nvvm/bin/cicc"
    prove
    write_env "$folder/cuda" > "$folder/env"
    printf '%s\n' "$wanted" > "$folder/stamp" # last: it says that all of it is there
}

check=no
folder=""
for word in "$@"; do
    case $word in
        --check) check=yes ;;
        -h | --help) usage; exit 0 ;;
        -*) fail "there is no option $word: see --help" ;;
        *) folder=$word ;;
    esac
done
python=${PYTHON:-python3}
folder=${folder:-$(dirname "${BASH_SOURCE[0]}")/../target/cuda-toolkit}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
case $folder in *[\'\"\$\ ]*) fail "$folder: nvcc wants a path without spaces and quotes" ;; esac

if [ $check = yes ]; then
    stand_in
    exit 0
fi
if [ ! -f "$folder/stamp" ] || [ "$(cat "$folder/stamp")" != "$wanted" ]; then
    install
fi
echo "CUDA toolkit: $folder/cuda ($("$folder/cuda/bin/nvcc" --version | sed -n 4p)); next: . $folder/env"
