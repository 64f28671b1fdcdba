#!/bin/sh
# trunk runs this during each build (Trunk.toml). It copies docker-compose.yml and the sources that
# lesson.json names, so that the page shows what it was built from.
set -eu
cd "$TRUNK_SOURCE_DIR/.."
mkdir -p "$TRUNK_STAGING_DIR/source"
{
    echo docker-compose.yml
    sed -n -E 's/.*"(path|source)": "([^"]*)".*/\2/p' client/lesson.json
} | sort -u | xargs cp --parents --target-directory="$TRUNK_STAGING_DIR/source"
