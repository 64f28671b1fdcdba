#!/usr/bin/env bash
# watch.sh PACKAGE builds and runs the package, and again whenever a source file has changed. It
# compares lists of the files once a second. File events would be faster, but they do not cross the
# mount of a Windows drive or of some virtual machines.

# Job control makes each `cargo run` a process group, which `kill` can end as a whole.
set -m

list_files() {
    find Cargo.lock .sqlx crates "$1" -type f -not -path '*/tests/*' -printf '%T@ %p\n' | sort
}

while true; do
    files=$(list_files "$1")
    cargo run --locked --package "$1" &
    while sleep 1 && [ "$(list_files "$1")" = "$files" ]; do :; done
    kill -- -$! 2> /dev/null
    wait
done
