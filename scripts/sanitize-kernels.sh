#!/usr/bin/env bash
# Runs the kernels' tests where every access to memory is watched: all of them under AddressSanitizer
# at every level that this machine has, those of the thread pool under ThreadSanitizer.
#
#   scripts/sanitize-kernels.sh [address|thread]        both when none is named
#
# Needs Linux and the pinned toolchain; for threads the source of the standard library, too (`rustup
# component add rust-src`). Another compiler can be named: $RUSTC. Fails when anything is found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rustc=${RUSTC:-rustc}
host=$("$rustc" -vV | sed -n 's/^host: //p')
# Sanitizers are unstable options, which a stable compiler takes when it is told so.
export RUSTC_BOOTSTRAP=1

# sanitized NAME RUSTFLAGS ARGUMENTS…: the tests, built in a folder of their own. With --target, so
# that build scripts and macros are left as they are.
sanitized() {
    local name=$1 flags=$2
    shift 2
    printf '== %s ==\n' "$name"
    RUSTFLAGS=$flags CARGO_TARGET_DIR="target/sanitize-$name" \
        cargo test --package textport-kernels --target "$host" "$@"
}

# ThreadSanitizer has to see what locks do, and those are in the standard library: it is built as well.
thread() {
    local library
    library=$("$rustc" --print sysroot)/lib/rustlib/src/rust/library
    if [ ! -d "$library" ]; then
        printf 'missing: the source of the standard library (rustup component add rust-src)\n' >&2
        exit 1
    fi
    sanitized thread "-Zsanitizer=thread" -Zbuild-std --test pool
}

for tool in "${@:-address thread}"; do
    for one in $tool; do
        case $one in
            address) sanitized address "-Zsanitizer=address" --lib --tests ;;
            thread) thread ;;
            *)
                printf 'there is no %s; there are address and thread\n' "$one" >&2
                exit 2
                ;;
        esac
    done
done
