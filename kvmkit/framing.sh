# How kvmkit's scripts print what kvmkit reads: headings, and below each of them lines behind a bar.
# Comes before such a script.  POSIX sh.
#
#     ### memory
#     |MemTotal:  8129256 kB
#
# What a host's users choose (file names, arguments of processes, names of connections) can hold anything, line ends
# and headings included.  It is only ever printed below a heading, where each line gets its bar; so no such name
# can look like a heading.

# say WORD...: a line.  dash's echo would make a line end of a backslash and an n.
say() { printf '%s\n' "$*"; }

# section NAME COMMAND [ARGUMENT...]: a heading, and what the command prints below it.
section() {
    case $1 in
    *"
"*) return ;; # no heading has two lines; such a name is left out, with all that is below it
    esac
    say "### $1"
    shift
    # The command may not end its last line: an empty one follows, which whoever reads passes over.
    "$@" | sed 's/^/|/'
    echo
}

# escaped: names that end with NUL, as `find -print0` writes them, each in one line: a line end in it is \n, a
# backslash \\.  kvmkit.framing.unescaped and `printf %b` turn it back.
escaped() { tr '\n\0' '\0\n' | sed -e 's/\\/\\\\/g' -e 's/\x00/\\n/g'; }
