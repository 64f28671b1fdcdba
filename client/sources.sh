#!/bin/sh
# trunk runs this during each build (Trunk.toml). It copies docker-compose.yml and the sources to
# which the lesson links, so that the page shows what it was built from. `fingerprint` in
# crates/dev/xtask/src/artifacts.rs must find the same files, or a change of one builds no new page.
set -eu
cd "$TRUNK_SOURCE_DIR/.."
mkdir -p "$TRUNK_STAGING_DIR/source"
grep -o -E '(/source/|data-source=")[^"]*' client/lesson.html | sed -E 's/^(.source.|.*")//' \
    | sort -u | xargs cp --parents --target-directory="$TRUNK_STAGING_DIR/source"
