# shellcheck shell=sh disable=SC2034
# Sourced by the other scripts, from the root of the repository. It names the
# modules; go.work is the only list of them.

base=$(sed -n 's|^module \(.*\)/core$|\1|p' core/go.mod)
cli=alknet
interop=scripts/interop
packaging=scripts/packaging
private="$interop $packaging scripts/bench scripts/guides"
all=$(sed -n 's|^[[:space:]]*\./||p' go.work)
libs=$(for m in $all; do case " $cli $private " in *" $m "*) ;; *) echo "$m" ;; esac; done)
quic=github.com/quic-go/quic-go@v0.64.1 # docs/decisions/0004-quic-go-pin.md

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# step NAME COMMAND...: runs a command and prints its name and its seconds.
step() {
	step_name=$1 step_start=$(date +%s)
	say "==> $step_name"
	shift
	"$@"
	say "    done in $(($(date +%s) - step_start)) s"
}

# workfiles: NUL-separated paths of all files that git tracks or would track.
workfiles() {
	# shellcheck disable=SC2016 # the inner shell expands these
	git ls-files -z -co --exclude-standard |
		xargs -0 sh -c 'for f; do [ ! -e "$f" ] || printf "%s\0" "$f"; done' sh
}

# setver VERSION MODULE...: points every requirement of a sibling at VERSION.
setver() {
	setver_version=$1
	shift
	for m; do
		for d in $libs; do
			if grep -q "$base/$d v" "$m/go.mod"; then
				go mod edit -require="$base/$d@$setver_version" "$m/go.mod"
			fi
		done
	done
}

# dropsums FILE: removes the siblings' lines from a go.sum.
dropsums() {
	[ -f "$1" ] || return 0
	sed "\|^$base/|d" "$1" >"$1.new"
	mv "$1.new" "$1"
}

# publish VERSION TREE PROXY MODULE: puts a module of TREE into PROXY, a folder that
# GOPROXY can name. The zip holds files only and no other module's, as the go
# command makes it: else its hash is another.
publish() {
	publish_at=$3/$base/$4/@v publish_stage=$3/stage
	mkdir -p "$publish_at" "$publish_stage/$base/${4%/*}"
	cp -R "$2/$4" "$publish_stage/$base/$4@$1"
	find "$publish_stage/$base/$4@$1" -mindepth 2 -name go.mod -exec dirname {} \; | while read -r nested; do rm -rf "$nested"; done
	(cd "$publish_stage" && zip -qrDX "$publish_at/$1.zip" .)
	cp "$2/$4/go.mod" "$publish_at/$1.mod"
	say "{\"Version\":\"$1\"}" >"$publish_at/$1.info"
	say "$1" >"$publish_at/list"
	rm -rf "$publish_stage"
}
