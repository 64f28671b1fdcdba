#!/usr/bin/env bash
# watch.sh PACKAGE builds and runs the package. When a source file changes, it stops the program,
# and builds and runs it again. It compares lists of the files once a second. File events would be
# faster, but they do not cross the mount of a Windows drive or of some virtual machines.

# Job control makes each `cargo run` a process group, which `kill` can end as a whole.
set -m

# Without the temporary files of editors.
list_files() {
    find .cargo .sqlx Cargo.lock Cargo.toml crates "$1" -type f -not -path '*/tests/*' \
        -not -name '.*' -not -name '*~' -not -name '#*' -printf '%T@ %p\n' | sort
}

stop_program() {
    kill -- -$! 2> /dev/null
    wait
}

# The program does not get the signal, because it is in another process group.
trap 'stop_program; exit' TERM INT

while true; do
    files=$(list_files "$1")
    cargo run --locked --package "$1" &
    while sleep 1 && [ "$(list_files "$1")" = "$files" ]; do :; done
    stop_program
done
