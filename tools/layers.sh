#!/usr/bin/env bash
# Who may include whom. Includes point down only:
#
#   base < wire, text < topology < io < client            < cli
#                                  io < manager < node     < cli
#
# usage: layers.sh [ROOT]        checks the tree, prints each violation as file:line: sentence, exits 1 if there is one
#        layers.sh --self-test   plants violations of every kind and checks that each is caught
set -euo pipefail

declare -A MAY=(
    [base]="base"
    [wire]="base wire"
    [text]="base text"
    [topology]="base text topology"
    [io]="base io"
    [client]="base wire text topology io client"
    [manager]="base wire text topology io manager"
    [node]="base wire text topology io manager node"
    [cli]="base wire text topology io manager node cli"
)

# Public headers: the types are everybody's, the API belongs to who implements it and to programs.
declare -A PUBLIC=([divan/types.h]="*" [divan/codes.h]="*")
readonly API_USERS="client cli"

# The network and the clock are io's. A file outside that needs one of these headers or calls stands in the second
# table, with the reason beside it.
readonly IO_HEADERS='^(sys/(socket|epoll|select|poll|time|timerfd|eventfd|un|uio|times)|netinet/.*|arpa/.*|netdb|poll|time|uv|ares.*|openssl/(ssl|bio))\.h$'
readonly IO_CALLS='(^|[^a-zA-Z0-9_.>])(clock_gettime|gettimeofday|time|nanosleep|usleep|sleep|socket|connect|accept4?|bind|listen|send|sendmsg|sendto|recv|recvmsg|recvfrom|select|poll|epoll_wait|getaddrinfo) *\('
declare -A EXCEPT=(
    # Time stamps of log lines are for people; no decision depends on them.
    [src/base/log.c]="time.h clock_gettime"
    # One of the sources of a seed when the system offers no random bytes.
    [src/base/rand.c]="time.h clock_gettime"
    # The background thread sleeps on a condition variable, which wants an absolute time.
    [src/client/driver.c]="time.h clock_gettime"
    [src/client/parking.c]="time.h"
    # The descriptor that an application polls is not one of the loop's.
    [src/client/queue.c]="sys/eventfd.h"
)

violations=0
violation() {
    printf '%s: %s\n' "$1" "$2"
    violations=$((violations + 1))
}

excepted() { # FILE WORD
    local word
    for word in ${EXCEPT[$1]-}; do [[ $word == "$2" ]] && return 0; done
    [[ $1 == src/cli/* ]] && return 0 # commands are programs: they show times and wait for processes
    return 1
}

# Where a quoted include leads, as LAYER; empty: nowhere in src.
layer_of_include() { # ROOT FILE TARGET
    local root=$1 file=$2 target=$3
    if [[ -f $root/src/$target ]]; then
        echo "${target%%/*}"
    elif [[ -f $root/${file%/*}/$target && $target != ../* ]]; then
        file=${file#src/}
        echo "${file%%/*}"
    fi
}

check_include() { # ROOT FILE LINE KIND TARGET
    local root=$1 file=$2 line=$3 kind=$4 target=$5 layer=${2#src/}
    layer=${layer%%/*}
    local where=$file:$line
    if [[ $kind == '"' && $target == *defs/*.def ]]; then
        [[ -f $root/defs/${target##*/} ]] || violation "$where" "\"$target\" is not in defs/"
    elif [[ $kind == '"' ]]; then
        local to
        to=$(layer_of_include "$root" "$file" "$target")
        if [[ -z $to ]]; then
            violation "$where" "\"$target\" is not in src/: name it from there"
        elif [[ " ${MAY[$layer]-} " != *" $to "* ]]; then
            violation "$where" "$layer may not include $to (\"$target\")"
        fi
    elif [[ $target == divan/* ]]; then
        local users=${PUBLIC[$target]-$API_USERS}
        [[ $users == '*' || " $users " == *" $layer "* ]] ||
            violation "$where" "$layer may not include the public <$target>"
    elif [[ $layer != io && $target =~ $IO_HEADERS ]] && ! excepted "$file" "$target"; then
        violation "$where" "<$target> belongs to src/io: only that layer touches the network or a clock"
    fi
}

check_tree() { # ROOT
    local root=$1 file line rest kind target layer
    for file in "$root"/src/*/; do
        layer=${file%/}
        layer=${layer##*/}
        [[ -n ${MAY[$layer]-} ]] || violation "src/$layer" "this layer has no row in tools/layers.sh"
    done

    local include='^[[:space:]]*#[[:space:]]*include[[:space:]]*(["<])([^">]+)[">]'
    while IFS=: read -r file line rest; do
        [[ $rest =~ $include ]] || continue
        check_include "$root" "${file#"$root"/}" "$line" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    done < <(grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' "$root/src" || true)

    # Public headers stand on their own: the standard library and each other.
    while IFS=: read -r file line rest; do
        [[ $rest =~ $include ]] || continue
        kind=${BASH_REMATCH[1]} target=${BASH_REMATCH[2]}
        if [[ $kind == '"' || ($target == */* && $target != divan/*) ]]; then
            violation "${file#"$root"/}:$line" "a public header may include only the standard library and <divan/...>"
        fi
    done < <(grep -rnE --include='*.h' '^[[:space:]]*#[[:space:]]*include' "$root/include" || true)

    # Calls, comments and strings left out as far as a line shows them.
    while IFS=: read -r file line rest; do
        file=${file#"$root"/}
        [[ $file == src/io/* || $rest =~ ^[[:space:]]*(\*|/\*|//) ]] && continue
        rest=${rest%%/\**}
        [[ $rest =~ \"[^\"]*\" ]] && rest=${rest//"${BASH_REMATCH[0]}"/}
        [[ $rest =~ $IO_CALLS ]] || continue
        target=${BASH_REMATCH[2]}
        # a declaration or definition of our own (type in front, no indentation) is no call
        [[ $rest =~ ^[a-z] ]] && continue
        grep -qE "^static .*[ *]$target\(" "$root/$file" && continue # a function of this file has the name
        excepted "$file" "$target" || violation "$file:$line" "$target() belongs to src/io"
    done < <(grep -rnE --include='*.[ch]' "$IO_CALLS" "$root/src" || true)

    # A header that only includes others hides who uses what.
    while read -r file; do
        grep -qvE '^[[:space:]]*(#|/?\*|//|$)' "$file" ||
            violation "${file#"$root"/}" "an umbrella header: include what is used instead"
    done < <(find "$root/src" -name '*.h')
}

# ---------------------------------------------------------------- self-test

plant() { # ROOT FILE TEXT
    mkdir -p "$1/${2%/*}"
    printf '%b' "$3" >"$1/$2"
}

expect() { # NAME PATTERN FILE TEXT: the tree plus this file must give exactly this violation
    local name=$1 pattern=$2 root out
    root=$(mktemp -d)
    plant "$root" include/divan/types.h '#include <stdint.h>\ntypedef int x;\n'
    plant "$root" include/divan/divan.h '#include <divan/types.h>\n'
    for layer in "${!MAY[@]}"; do plant "$root" "src/$layer/$layer.h" '#include <divan/types.h>\nint f;\n'; done
    plant "$root" src/io/uv.c '#include <uv.h>\nint f(void) { return poll(0, 0, 0); }\n'
    plant "$root" src/node/ok.c '#include "manager/manager.h"\n#include "base/base.h"\n/* time( in words */\n'
    [[ $# -lt 4 ]] || plant "$root" "$3" "$4"
    out=$("$0" "$root" 2>&1) && out+=" (exit 0)"
    rm -rf "$root"
    # shellcheck disable=SC2053
    if [[ $out != $pattern ]]; then
        printf 'layers.sh --self-test: %s: expected %s, got: %s\n' "$name" "$pattern" "$out" >&2
        return 1
    fi
}

self_test() {
    local bad=0
    expect "clean tree" " (exit 0)" || bad=1
    expect "up" 'src/base/x.c:1: base may not include io *' src/base/x.c '#include "io/io.h"\n' || bad=1
    expect "client to node" 'src/client/x.c:2: client may not include node *' src/client/x.c '\n#include "node/node.h"\n' || bad=1
    expect "node to client" 'src/node/x.c:1: node may not include client *' src/node/x.c '# include "client/client.h"\n' || bad=1
    expect "manager to node" 'src/manager/x.h:1: manager may not include node *' src/manager/x.h '#include "node/node.h"\nint y;\n' || bad=1
    expect "cli to client internals" 'src/cli/x.c:1: cli may not include client *' src/cli/x.c '#include "client/client.h"\n' || bad=1
    expect "public header in node" 'src/node/x.c:1: node may not include the public *' src/node/x.c '#include <divan/divan.h>\n' || bad=1
    expect "socket header" 'src/wire/x.c:1: <sys/socket.h> belongs*' src/wire/x.c '#include <sys/socket.h>\n' || bad=1
    expect "clock call" 'src/client/x.c:1: clock_gettime() belongs*' src/client/x.c '    clock_gettime(0, 0);\n' || bad=1
    expect "unknown layer" 'src/extra: this layer has no row*' src/extra/x.h 'int x;\n' || bad=1
    expect "dangling" 'src/base/x.c:1: "nowhere.h" is not in src/*' src/base/x.c '#include "nowhere.h"\n' || bad=1
    expect "umbrella" 'src/io/x.h: an umbrella header*' src/io/x.h '/* all */\n#include "io/io.h"\n' || bad=1
    expect "public quotes" 'include/divan/x.h:1: a public header*' include/divan/x.h '#include "base/base.h"\n' || bad=1
    return $bad
}

case ${1-} in
--self-test) self_test ;;
-*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
*)
    check_tree "${1:-$(cd "$(dirname "$0")/.." && pwd)}"
    ((violations == 0)) || { printf '%d violation(s) of the layer rules\n' "$violations" >&2; exit 1; }
    ;;
esac
