#!/bin/sh
# trunk runs this after a release build (Trunk.toml). It removes comments and indentation from the
# JavaScript, because trunk's minifier cannot parse the output of wasm-bindgen. Then it compresses
# all files, so that nginx can send them without compressing them again.
set -eu
[ "$TRUNK_PROFILE" = release ] || exit 0
sed -i -E '/^ *\/\*\*.*\*\/ *$/d; /^ *\/\*\*/,/\*\//d; /^ *\/\//d; s/^ +//; /^$/d' \
    "$TRUNK_STAGING_DIR"/*.js
find "$TRUNK_STAGING_DIR" -type f ! -name '*.gz' ! -name '*.br' \
    -exec gzip --best --keep --force {} +
! command -v brotli > /dev/null || find "$TRUNK_STAGING_DIR" -maxdepth 1 -type f \
    ! -name '*.gz' ! -name '*.br' -exec brotli --best --keep --force {} +
