#!/bin/sh
# trunk runs this during each build (Trunk.toml). It copies the files of sources.txt, to which the
# lesson links, so that the page shows what it was built from.
set -eu
cd "$TRUNK_SOURCE_DIR/.."
mkdir -p "$TRUNK_STAGING_DIR/source"
xargs cp --parents --target-directory="$TRUNK_STAGING_DIR/source" < client/sources.txt
