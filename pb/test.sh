#!/usr/bin/env bash
# Everything that must hold before a change lands. Installs from Debian what it misses; ends with what passed.
set -euo pipefail
cd "$(dirname "$0")/.."
GOTESTSUM=gotest.tools/gotestsum@v1.13.0

need() { # need COMMAND PACKAGE…
	command -v "$1" >/dev/null 2>&1 && return
	echo "installing ${*:2} …"
	local sudo=""
	[ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get update -qq && $sudo apt-get install -y -qq "${@:2}" >/dev/null
}
need gcc gcc
need g++ g++
need node nodejs npm
need npm npm
need chromium chromium
fc-list :lang=zh 2>/dev/null | grep -q . || need no-chinese-font fontconfig fonts-wqy-microhei
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
	echo "node 20 or newer is needed, this is $(node --version)"
	exit 1
fi

log=$(mktemp) unit=$(mktemp) real=$(mktemp) e2e=$(mktemp)
trap 'rm -f "$log" "$unit" "$real" "$e2e"' EXIT

echo "== build"
make --no-print-directory pb/fieldapp/node_modules
go build ./...
go build -o bin/gangwan ./pb
echo "== lint"
make --no-print-directory lint
echo "== the app's own tests"
(cd pb/fieldapp && npx vitest run --project unit --reporter=default --reporter=json --outputFile.json="$unit")
echo "== the phone's sync client against the real server"
(cd pb/fieldapp && npx vitest run --project server --reporter=default --reporter=json --outputFile.json="$real")
echo "== tests"
go run "$GOTESTSUM" --format pkgname --jsonfile "$log" -- -timeout 20m ./...
echo "== browsers"
(cd pb/fieldapp && npx vitest run --project e2e --reporter=verbose --reporter=json --outputFile.json="$e2e")

skipped=$(grep '"Action":"skip"' "$log" | grep -c '"Test":' || true)
if [ "$skipped" != 0 ]; then
	echo "tests were skipped; nothing may be:"
	grep '"Action":"skip"' "$log" | grep -o '"Test":"[^"]*"'
	exit 1
fi
go=$(grep '"Action":"pass"' "$log" | grep -c '"Test":' || true)
app=$(node -e '
let passed = 0
for (const file of process.argv.slice(1)) {
	const r = JSON.parse(require("fs").readFileSync(file))
	if (r.numPendingTests + r.numTodoTests > 0) { console.error("tests of the app were skipped; nothing may be"); process.exit(1) }
	passed += r.numPassedTests
}
console.log(passed)' "$unit" "$real" "$e2e")
echo "$((go + app)) passed, 0 failed, 0 skipped"
