#!/usr/bin/env bash
# Everything that must hold before a change lands. Installs from Debian what it misses; ends with what passed.
set -euo pipefail
cd "$(dirname "$0")/.."
GOTESTSUM=gotest.tools/gotestsum@v1.13.0

need() { # need COMMAND PACKAGE
	command -v "$1" >/dev/null 2>&1 && return
	echo "installing $2 …"
	local sudo=""
	[ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get update -qq && $sudo apt-get install -y -qq "$2" >/dev/null
}
need gcc gcc
need g++ g++

echo "== build"
go build ./...
go build -o bin/gangwan ./pb
echo "== lint"
make --no-print-directory lint
echo "== tests"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
go run "$GOTESTSUM" --format pkgname --jsonfile "$log" -- -timeout 20m ./...
skipped=$(grep '"Action":"skip"' "$log" | grep -c '"Test":' || true)
passed=$(grep '"Action":"pass"' "$log" | grep -c '"Test":' || true)
if [ "$skipped" != 0 ]; then
	echo "tests were skipped; nothing may be:"
	grep '"Action":"skip"' "$log" | grep -o '"Test":"[^"]*"'
	exit 1
fi
echo "$passed passed, 0 failed, 0 skipped"
