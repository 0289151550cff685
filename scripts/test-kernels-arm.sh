#!/usr/bin/env bash
# Runs the kernels' tests as ARM programs, on any Linux machine: with NEON and its dot products, and
# as a processor without dot products.
#
#   scripts/test-kernels-arm.sh [ARGUMENTS OF cargo test …]
#
# Needs the Rust target aarch64-unknown-linux-gnu (`rustup target add`, tried here), a linker for it and
# qemu-user (Debian: gcc-aarch64-linux-gnu, qemu-user; installed here when this is root's shell).
# Another compiler, linker or emulator can be named: $CARGO, $RUSTC, $ARM_LINKER, $ARM_EMULATOR,
# $ARM_SYSROOT (the folder with ARM's lib/).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=aarch64-unknown-linux-gnu
rustc=${RUSTC:-rustc}
linker=${ARM_LINKER:-aarch64-linux-gnu-gcc}
emulator=${ARM_EMULATOR:-qemu-aarch64}
sysroot=${ARM_SYSROOT:-/usr/aarch64-linux-gnu}

has() {
    command -v "$1" >/dev/null
}

if ! { has "$linker" && has "$emulator"; } && has apt-get && [ "$(id -u)" = 0 ]; then
    apt-get install --yes --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
fi
libraries=$("$rustc" --print target-libdir --target "$target")
if ! compgen -G "$libraries/libstd-*" >/dev/null && has rustup; then
    rustup target add "$target" || true
fi
missing=()
has "$linker" || missing+=("$linker")
has "$emulator" || missing+=("$emulator")
compgen -G "$libraries/libstd-*" >/dev/null || missing+=("the Rust target $target")
if [ ${#missing[@]} -gt 0 ]; then
    printf 'missing: %s\n' "${missing[@]}" >&2
    exit 1
fi

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/arm}
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$linker
# on PROCESSOR LEVELS ARGUMENTS…: the tests on that processor, which must have these levels.
on() {
    local processor=$1 levels=$2
    shift 2
    printf '== %s: %s ==\n' "$processor" "$levels"
    KERNEL_LEVELS=$levels \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$emulator -cpu $processor -L $sysroot" \
        "${CARGO:-cargo}" test --package textport-kernels --target "$target" --lib --tests "$@"
}

on max "scalar neon neon-dotprod" "$@"
on cortex-a53 "scalar neon" "$@"
