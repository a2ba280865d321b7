# Asks, from the host, for the URL on standard input, with whatever fetches files there, and keeps nothing of it.
# Run as `sh -c SCRIPT sh NAME BYTES SECONDS`, behind framing.sh: the name in the URL, how much is read, how long a server may be silent.

set -u
LC_ALL=C
export LC_ALL
read -r url
section machine uname -m
section name say "$(getent ahosts "$1" | awk 'NR == 1 { print $1 }')"
for tool in curl wget python3 none; do
    command -v "$tool" >/dev/null && break
done
section tool say "$tool"
[ "$tool" = none ] && exit 0
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

# The URL goes in by standard input: what is in it may let others in, and all can see command lines.
get() {
    case $tool in
    curl)
        printf 'url = "%s"\n' "$url" | curl -q -sSfL --proto '=http,https,ftp' --proto-redir '=http,https' \
            --connect-timeout "$2" --max-time $((3 * $2)) --range "0-$(($1 - 1))" -K -
        ;;
    wget) printf '%s\n' "$url" | wget -nv --tries=1 --timeout="$2" -O - -i - ;;
    python3)
        printf '%s' "$url" | python3 -c 'import sys, urllib.request as r
try:
    sys.stdout.buffer.write(r.urlopen(sys.stdin.read(), timeout=int(sys.argv[2])).read(int(sys.argv[1])))
except OSError as error:
    sys.exit(str(error))' "$1" "$2"
        ;;
    esac
}

begin=$(date +%s%N)
bytes=$({
    get "$2" "$3" 2>"$folder/all"
    echo $? >"$folder/exit"
} | head -c "$2" | wc -c)
end=$(date +%s%N)
grep . "$folder/all" >"$folder/said"
section bytes say "$bytes"
section milliseconds say "$(((end - begin) / 1000000))"
section exit cat "$folder/exit"
section said tail -n 1 "$folder/said"
