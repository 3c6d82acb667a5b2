#!/usr/bin/env bash
# install.sh BUILD: installs the build into an empty folder and builds a stranger's program against it, once with
# pkg-config and once with find_package, both run against the null server.
set -euo pipefail
readonly BUILD=$(cd "$1" && pwd) HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly PREFIX=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server"; rm -rf "$PREFIX"' EXIT

cmake --install "$BUILD" --prefix "$PREFIX/usr" >/dev/null
pc=$(find "$PREFIX/usr" -name divan.pc -printf '%h\n' -quit)
[[ $pc ]] || { echo "no divan.pc was installed"; exit 1; }
export PKG_CONFIG_PATH=$pc LD_LIBRARY_PATH=${pc%/pkgconfig}
[[ -x $PREFIX/usr/bin/divan && -x $PREFIX/usr/bin/divand ]] || { echo "the programs were not installed"; exit 1; }

read -ra flags < <(pkg-config --cflags --libs divan)
"${CC:-cc}" -std=c11 -Wall -Wextra -Werror "$HERE/outside/main.c" -o "$PREFIX/by-pkg-config" "${flags[@]}"
cmake -S "$HERE/outside" -B "$PREFIX/build" -G Ninja -DCMAKE_PREFIX_PATH="$PREFIX/usr" >"$PREFIX/log" 2>&1 &&
    cmake --build "$PREFIX/build" >>"$PREFIX/log" 2>&1 || { cat "$PREFIX/log"; exit 1; }

# Only the public names leave the library.
library=$(find "$PREFIX/usr" -name 'libdivan.so' -print -quit)
if [[ $library ]] && foreign=$(nm -D --defined-only "$library" | awk '{print $3}' | grep -v '^divan_'); then
    echo "the library exports names that are not its API: $foreign"
    exit 1
fi

exec {out}< <(exec "$BUILD/bench/nullserver")
server=$!
read -r port <&"$out"
for program in "$PREFIX/by-pkg-config" "$PREFIX/build/outside"; do
    "$program" "couchbase://127.0.0.1:$port/default" bench bench
done
