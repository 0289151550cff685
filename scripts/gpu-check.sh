#!/usr/bin/env bash
# Checks a CUDA build on a machine that has a GPU and perhaps no Rust at all.
#
#   scripts/gpu-check.sh pack    where it was built (cargo build --release --features cuda):
#                                puts the binary, compressed, into target/gpu-check
#   scripts/gpu-check.sh run     on the GPU machine, in a copy of this repository with that folder
#
# `run` needs the driver and CUDA 13's cuBLAS and cuRAND: installed, or as the wheels that come with
# PyTorch. It says what it did, and ends with 1 at the first thing that is not as it should be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=target/gpu-check

pack() {
    binary=${CARGO_TARGET_DIR:-target}/release/textport
    mkdir -p "$folder"
    xz -6 --threads=0 --keep --stdout "$binary" > "$folder/textport.xz"
    ls -l "$folder/textport.xz"
}

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# Where PyTorch's wheels keep NVIDIA's libraries; nothing where there are none.
wheels() {
    python3 - << 'END'
import glob, importlib.util
found = importlib.util.find_spec("nvidia")
folders = list(found.submodule_search_locations) if found else []
print(":".join(sorted(lib for folder in folders for lib in glob.glob(folder + "/*/lib"))))
END
}

run() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    python3 - "$folder/textport.xz" "$work/textport" << 'END'
import lzma, shutil, sys
with lzma.open(sys.argv[1]) as packed, open(sys.argv[2], "wb") as binary:
    shutil.copyfileobj(packed, binary)
END
    chmod +x "$work/textport"
    export TEXTPORT_HOME="$work/home" LD_LIBRARY_PATH
    LD_LIBRARY_PATH="$(wheels)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    textport=$work/textport

    "$textport" --version
    # It ends with 1 where something else is missing, e.g. the default model: only this line counts.
    device=$("$textport" doctor | grep ' device ' || true)
    echo "$device"
    [[ $device == *cuda:0* ]] || fail "doctor names no GPU"

    code=0
    "$textport" ask --device cuda:99 -m none.gguf hello 2> "$work/words" || code=$?
    cat "$work/words"
    [ $code = 5 ] || fail "cuda:99 ended with $code instead of 5"

    for model in crates/adapter-local/tests/fixtures/tiny-*-f32.gguf; do
        for device in cpu cuda; do
            "$textport" ask -m "$model" --device "$device" --temperature 0 --max-tokens 48 \
                --no-log "Count to twenty." > "$work/$device"
        done
        cmp "$work/cpu" "$work/cuda" || fail "$model: the GPU's greedy answer differs"
        echo "$model: the same $(wc -c < "$work/cpu") bytes from both"
    done
    echo "all as it should be"
}

case ${1:-} in
    pack | run) "$1" ;;
    *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
