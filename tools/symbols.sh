#!/usr/bin/env bash
# symbols.sh BUILD: no two layers define the same global name. The client and the node never include each other, but
# tests and simulations link both; a clash would only show in the first program that happens to need both objects.
set -euo pipefail
clashes=$(for library in "$1"/lib/libdivan_*.a; do
    nm --defined-only --extern-only --format=posix "$library" 2>/dev/null |
        awk -v where="${library##*/libdivan_}" '$2 ~ /^[TDBRC]$/ {print $1, where}' | sort -u
done | sort | awk '$1 == name {print "  " name ": " layer ", " $2} {name = $1; layer = $2}')
if [[ $clashes ]]; then
    printf 'these names are defined by two layers:\n%s\n' "$clashes"
    exit 1
fi
