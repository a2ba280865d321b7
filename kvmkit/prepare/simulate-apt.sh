# Prints what `apt-get install` of the packages in $@ would do, by lists fetched into a folder that is then removed.

set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
# apt fetches as a user of its own, who has to get in.
chmod 755 "$folder"
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"

# Not on standard input: this script's own rest is there.
apt() { apt-get -q -y -o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache" "$@" </dev/null; }

apt update >"$folder/said" 2>&1 || {
    cat "$folder/said" >&2
    exit 1
}
apt --simulate --no-install-recommends --fix-broken install "$@" || {
    code=$?
    # A package may be unknown because its repository did not answer, which is no error to `apt-get update`.
    cat "$folder/said" >&2
    exit "$code"
}
