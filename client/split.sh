#!/bin/sh
# trunk runs this after a release build (Trunk.toml). It puts the functions that are marked with
# `wasm_split` into files of their own, which the page fetches when it calls them. trunk cannot split
# a program, so this runs wasm-bindgen once more, over the files that trunk has made.
set -eu
[ "$TRUNK_PROFILE" = release ] || exit 0
cd "$TRUNK_STAGING_DIR"
# The hash of the program is in the names of all its files, so that files of two builds never mix.
name=$(basename client-*_bg.wasm _bg.wasm)
hash=${name#client-}
split=$(mktemp -d)
trap 'rm -r "$split"' EXIT
target=${CARGO_TARGET_DIR:-$TRUNK_SOURCE_DIR/../target}
wasm-split-cli --target web --out-name "$name" \
    "$target/wasm32-unknown-unknown/wasm-release/client.wasm" "$split"
wasm-bindgen --target web --no-typescript --remove-name-section --remove-producers-section \
    --out-dir . --out-name "$name" "$split/$name.wasm"
sed -i "s/from *'\.\/__wasm_split\.js'/from '.\/split-$hash.js'/; s/from *\"\.\/__wasm_split\.js\"/from \".\/split-$hash.js\"/" "$name.js"
sed -E "s/\.\/split_([a-z_]+)\.wasm/.\/\1-${hash}_bg.wasm/" "$split/__wasm_split.js" > "split-$hash.js"
for file in "$split"/split_*.wasm; do
    part=$(basename "$file" .wasm)
    cp "$file" "${part#split_}-${hash}_bg.wasm"
done
