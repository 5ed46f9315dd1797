# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# shellcheck disable=SC2016 # $(CODENAME) and $(REPO_URI) are for apt to expand
#
# What the setup scripts share: messages, the cache folder, and how to run apt with an apt state of
# our own when the machine's package lists cannot answer. Sourced, never run.

# A plain user of Debian has depmod and its like installed, but not in the search path.
PATH=$PATH:/usr/sbin:/sbin

brgpu_say() { printf 'setup: %s\n' "$*"; }
brgpu_warn() { printf 'setup: %s\n' "$*" >&2; }
brgpu_die() {
    printf 'setup: error: %s\n' "$*" >&2
    exit 1
}

# The cache lies outside the tree so that a fresh clone finds what an earlier one fetched.
brgpu_cache_dir() {
    local dir=${BRGPU_CACHE:-}
    if [ -z "$dir" ]; then
        [ -n "${XDG_CACHE_HOME:-}${HOME:-}" ] ||
            brgpu_die "none of BRGPU_CACHE, XDG_CACHE_HOME and HOME is set: set BRGPU_CACHE to a folder with 1 GB of room"
        dir=${XDG_CACHE_HOME:-$HOME/.cache}/brgpu
    fi
    case $dir in
    *[[:space:]]*) brgpu_die "the cache folder '$dir' has a space in its name, which kbuild cannot handle: set BRGPU_CACHE to another" ;;
    /*) ;;
    *) dir=$PWD/$dir ;;
    esac
    printf '%s\n' "$dir"
}

brgpu_need_command() {
    command -v "$1" >/dev/null 2>&1 || brgpu_die "'$1' is missing: $2"
}

# Options that make apt read the machine's own sources into a state folder of ours. Root is not
# needed, and the machine's own lists stay as they are. Fills the array APT_OPTIONS.
#
# $1: state folder; the rest: suites that the sources must have (added from the machine's own archive
# addresses where the machine has no entry for them). The first is the one whose versions are taken.
brgpu_private_apt() {
    local state=$1 first=$2 suite uri
    shift
    mkdir -p "$state/lists/partial" "$state/archives/partial" "$state/sources.d"
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null >"$state/sources.list" || true
    cp /etc/apt/sources.list.d/*.sources "$state/sources.d/" 2>/dev/null || true
    for suite in "$@"; do
        ! brgpu_apt_knows_suite "$suite" || continue
        # The archive of a base suite has its sibling beside it, e.g. <host>/debian and
        # <host>/debian-security; ask every address that the machine uses for the suite.
        while read -r uri; do
            printf 'deb %s %s main\n' "$uri" "$suite"
            case $suite:$uri in
            *-security:*-security) ;;
            *-security:*) printf 'deb %s-security %s main\n' "$uri" "$suite" ;;
            esac
        done < <(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed 's|/*$||' | sort -u) >>"$state/sources.list"
    done
    APT_OPTIONS=(
        -o "Dir::State=$state" -o "Dir::State::lists=$state/lists"
        -o "Dir::State::status=/var/lib/dpkg/status"
        -o "Dir::Cache=$state" -o "Dir::Cache::archives=$state/archives"
        -o "Dir::Etc::sourcelist=$state/sources.list" -o "Dir::Etc::sourceparts=$state/sources.d"
        -o "APT::Sandbox::User=" -o "Debug::NoLocking=1" -o "Acquire::Check-Valid-Until=false"
    )
    # An archive that lacks the suite answers with an error for that line alone.
    apt-get "${APT_OPTIONS[@]}" -q update >"$state/update.log" 2>&1 || true
    # Backports are taken only when they are named.
    if apt-get "${APT_OPTIONS[@]}" indextargets --format '$(CODENAME)' 'Created-By: Packages' | grep -xF "$first" >/dev/null; then
        APT_OPTIONS+=(-o "APT::Default-Release=$first")
    fi
}

# Is the suite among the machine's own sources?
brgpu_apt_knows_suite() {
    apt-get indextargets --format '$(CODENAME)' 'Created-By: Packages' | grep -xF "$1" >/dev/null
}
