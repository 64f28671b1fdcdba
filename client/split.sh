#!/bin/sh
# trunk runs this after a build (Trunk.toml). A release build has the feature `split`: the functions
# that are marked with `wasm_split` become files of their own, which the page fetches when it calls
# them. trunk cannot split a program, so this runs wasm-bindgen again, over the files of trunk.
set -eu
cd "$TRUNK_STAGING_DIR"
name=$(basename client-*_bg.wasm _bg.wasm)
grep -q __wasm_split_placeholder__ "$name.js" || exit 0
# The hash of the program is in the names of all its files, so that files of two builds never mix.
hash=${name#client-}
target=${CARGO_TARGET_DIR:-$TRUNK_SOURCE_DIR/../target}
program=$target/wasm32-unknown-unknown/wasm-release/client.wasm
split=$(mktemp -d)
trap 'rm -r "$split"' EXIT
wasm-split-cli --target web --out-name "$name" "$program" "$split"
# The split files import linker-generated exports, which wasm-bindgen would remove.
wasm-bindgen --target web --no-typescript --remove-name-section --remove-producers-section \
    --keep-lld-exports --out-dir . --out-name "$name" "$split/$name.wasm"
sed -i "s/from \(.\)\.\/__wasm_split\.js/from \1.\/split-$hash.js/" "$name.js"
sed "s/\.\/split_\(.*\)\.wasm/.\/\1-${hash}_bg.wasm/" "$split/__wasm_split.js" > "split-$hash.js"
for file in "$split"/split_*.wasm; do
    part=$(basename "$file" .wasm)
    cp "$file" "${part#split_}-${hash}_bg.wasm"
done
