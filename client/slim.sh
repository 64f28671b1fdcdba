#!/bin/sh
# Run by trunk after a build for release (Trunk.toml). Its minifier cannot read what wasm-bindgen
# writes: this removes comments and indentation. Then it compresses every file, as nginx sends it.
set -eu
[ "$TRUNK_PROFILE" = release ] || exit 0
sed -i -E '/^ *\/\*\*.*\*\/ *$/d; /^ *\/\*\*/,/\*\//d; /^ *\/\//d; s/^ +//; /^$/d' "$TRUNK_STAGING_DIR"/*.js
find "$TRUNK_STAGING_DIR" -type f ! -name '*.gz' ! -name '*.br' -exec gzip --best --keep --force {} +
! command -v brotli > /dev/null || brotli --best --keep --force "$TRUNK_STAGING_DIR"/*.wasm
