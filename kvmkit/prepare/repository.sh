# Asks, from the host, whether the repository that standard input describes answers, and keeps nothing of it.
# Run as `sh -c SCRIPT sh MANAGER FILE`, where FILE is the name that the description will have.

set -eu
LC_ALL=C
export LC_ALL
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
# apt fetches as a user of its own, who has to get in.
chmod 755 "$folder"
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
cat >"$folder/$2"

case $1 in
apt-get)
    apt-get update -o Dir::Etc::SourceList="$folder/$2" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache" \
        -o Acquire::Retries=0 -o Acquire::http::Timeout=20 -o Acquire::ftp::Timeout=20 >"$folder/said" 2>&1 || failed=yes
    # apt calls it a success when a list could not be had.
    grep -Eq '^[EW]: (Failed to fetch|Some index files failed)' "$folder/said" && failed=yes
    # Why apt could not connect; apt 3 leaves that out of its complaint. Else the first complaint says what was wrong,
    # and the last that something was.
    { grep -E '^ +Could not connect' "$folder/said" || grep -E '^(E|W):' "$folder/said"; } | head -n 1 >&2
    ;;
dnf)
    dnf -q -y --setopt=reposdir="$folder" --setopt=cachedir="$folder/cache" \
        --setopt='*.skip_if_unavailable=False' --setopt='*.timeout=20' makecache >/dev/null || failed=yes
    ;;
zypper)
    # Whether its key is trusted is asked when packages are installed.
    zypper --non-interactive --reposd-dir "$folder" --cache-dir "$folder/cache" --no-gpg-checks refresh \
        >/dev/null 2>"$folder/said" || failed=yes
    # [NAME|URL] Valid metadata not found at specified URL
    grep '^\[' "$folder/said" | head -n 1 >&2
    ;;
esac
[ -z "${failed:-}" ]
