#!/usr/bin/env bash
# Checks and measures a CUDA build on a machine that has a GPU and perhaps no Rust at all.
#
#   scripts/gpu-check.sh pack             where CUDA is built (cargo build --release --features cuda):
#                                         puts the binary and the tests that want a GPU, compressed,
#                                         into target/gpu-check
#   scripts/gpu-check.sh run [SHAPE …]    on the GPU machine, in a copy of this repository with that
#                                         folder: checks first, then measures; figures go to a file in
#                                         benches/results, or in $RESULTS. SHAPE: qwen3-8b; weights are
#                                         kept as each of $KINDS: f16 q8_0 q4_k_m
#
# `run` needs the driver and CUDA 13's cuBLAS and cuRAND: installed, or as the wheels that come with
# PyTorch. It says what it did, and ends with 1 at the first thing that is not as it should be, except
# that figures already taken are kept. Nothing is downloaded: models are tiny ones of this repository,
# and measured are random weights of the true shape.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=target/gpu-check

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# The executable of the local adapter's unit tests, built.
test_binary() {
    cargo test --release --features cuda -p textport-adapter-local --lib --no-run \
        --message-format=json | python3 -c '
import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("executable") and built["profile"]["test"]:
        print(built["executable"])
'
}

pack() {
    binary=${CARGO_TARGET_DIR:-target}/release/textport
    [ -f "$binary" ] || fail "$binary is not there: cargo build --release --features cuda"
    unit_tests=$(test_binary)
    [ -f "$unit_tests" ] || fail "cargo built no tests"
    mkdir -p "$folder"
    xz -6 --threads=0 --stdout "$binary" > "$folder/textport.xz"
    strip --strip-debug -o "$folder/tests" "$unit_tests"
    xz -6 --threads=0 --force "$folder/tests"
    git rev-parse --short HEAD > "$folder/commit" 2> /dev/null || echo unknown > "$folder/commit"
    ls -l "$folder"
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

unpack() {
    python3 - "$folder/$1.xz" "$work/$1" << 'END'
import lzma, shutil, sys
with lzma.open(sys.argv[1]) as packed, open(sys.argv[2], "wb") as binary:
    shutil.copyfileobj(packed, binary)
END
    chmod +x "$work/$1"
}

gpu_facts() {
    nvidia-smi --query-gpu="$1" --format=csv,noheader --id=0 2> /dev/null || echo unknown
}

# Runs one test of those that are left out elsewhere; it counts only if it was there.
unit_test() {
    CARGO_MANIFEST_DIR=$PWD/crates/adapter-local \
        "$work/tests" --ignored --test-threads 1 "$1" 2>&1 | tee "$work/words"
    grep -q '^test result: ok. 1 passed' "$work/words"
}

# The greedy answer of a model on a device; more words are flags.
answer() {
    "$textport" ask -m "$1" --device "$2" --temperature 0 --max-tokens 200 --no-log "${@:3}" \
        "Count to twenty."
}

check() {
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
        answer "$model" cpu > "$work/cpu"
        answer "$model" cuda > "$work/cuda"
        cmp "$work/cpu" "$work/cuda" || fail "$model: the GPU's greedy answer differs"
        echo "$model: the same $(wc -c < "$work/cpu") bytes from both"
    done
    unit_test a_gpu_computes || fail "a_gpu_computes"
}

# Says whether graphs work; a GPU without them is measured all the same.
check_graphs() {
    unit_test a_graph_gives_what_the_plain_step_gives || return 1
    for model in crates/adapter-local/tests/fixtures/tiny-*-f32.gguf; do
        answer "$model" cuda > "$work/plain"
        answer "$model" cuda --set providers.local.cuda_graphs=true > "$work/graphs" || return 1
        cmp "$work/plain" "$work/graphs" || return 1
        echo "$model: the same $(wc -c < "$work/plain") bytes with graphs"
    done
}

# One benchmark, with its command line, into the report.
measure() {
    words=(bench --device cuda "$@")
    echo "textport ${words[*]}"
    {
        printf '\n`textport %s`\n\n```\n' "${words[*]}"
        "$textport" "${words[@]}" && printf '```\n'
    } >> "$report" || fail "textport ${words[*]}; what was measured before is in $report"
}

report_head() {
    cat << END
# On a GPU: random weights of the true shapes

| thing | value |
|---|---|
| date | $(date -u +%Y-%m-%d) |
| GPU | $(gpu_facts name), $(gpu_facts memory.total), $(gpu_facts power.limit), SM at most $(gpu_facts clocks.max.sm), memory $(gpu_facts clocks.max.memory) |
| compute capability, driver | $(gpu_facts compute_cap), $(gpu_facts driver_version) |
| host | $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2- | xargs), $(nproc) processors |
| software | $("$textport" --version), commit $(cat "$folder/commit") |
| CUDA graphs | $1 |
END
}

run() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    unpack textport
    unpack tests
    export TEXTPORT_HOME="$work/home" LD_LIBRARY_PATH
    LD_LIBRARY_PATH="$(wheels)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    textport=$work/textport

    check
    graphs=equal
    check_graphs || graphs="FAILED, see the log"
    results=${RESULTS:-benches/results}
    mkdir -p "$results"
    gpu=$(gpu_facts name | tr -cs '[:alnum:]\n' - | tr '[:upper:]' '[:lower:]')
    report=$results/$(date -u +%Y-%m-%d-%H%M)-$gpu.md
    report_head "$graphs" > "$report"

    # The first of them waits for the driver to compile candle's kernels.
    measure --random-weights qwen3-0.6b --dtype f16 --prompt-lengths 128 --decode-lengths 32 -r 2
    for shape in "$@"; do
        for kind in ${KINDS:-f16 q8_0 q4_k_m}; do
            case $kind in
                f32 | f16 | bf16) weights=(--random-weights "$shape" --dtype "$kind") ;;
                *) weights=(--random-weights "$shape" --quant "$kind") ;;
            esac
            measure "${weights[@]}" --batch 1,2,4,8,16
            measure "${weights[@]}" --prompt-lengths 0 --depths 2048,8192
            [ "$graphs" = equal ] || continue
            measure "${weights[@]}" --prompt-lengths 0 --batch 1,2,4,8,16 --cuda-graphs
        done
    done
    echo "figures: $report"
    [ "$graphs" = equal ] || fail "CUDA graphs; everything else is as it should be"
    echo "all as it should be"
}

case ${1:-} in
    pack) pack ;;
    run) shift; [ $# -gt 0 ] || set -- qwen3-8b; run "$@" ;;
    *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
