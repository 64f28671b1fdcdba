#!/bin/sh
# Run by trunk after a build for release (Trunk.toml). Its minifier cannot read what wasm-bindgen writes; the comments in
# that, and the blanks before its lines, at least, need not be sent to every visitor. nginx sends a file that is compressed
# already as it is: here there is time to do it well. zopfli saves 6 % of what gzip leaves, and the page needs them to stay
# below its weight.
set -eu
[ "$TRUNK_PROFILE" = release ] || exit 0
sed -i -E '/^ *\/\*\*.*\*\/ *$/d; /^ *\/\*\*/,/\*\//d; /^ *\/\//d; s/^ +//; /^$/d' "$TRUNK_STAGING_DIR"/*.js
command -v zopfli > /dev/null && pack=zopfli || pack='gzip --best --keep --force'
find "$TRUNK_STAGING_DIR" -type f ! -name '*.gz' -exec $pack {} +
