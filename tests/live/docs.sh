#!/usr/bin/env bash
# docs.sh GENERATOR: the pages that come from tables are those in docs/.
if ! diff <("$1" errors-md) docs/errors.md; then
    echo "docs/errors.md is not what defs/errors.def says: run ./dev docs"
    exit 1
fi
