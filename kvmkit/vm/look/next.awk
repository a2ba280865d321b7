# Reads all that is known, and prints the shell's commands that look at what is not known yet.

BEGIN { for (code = 1; code < 256; code++) byte[sprintf("%02x", code)] = code == 39 ? "'\\''" : sprintf("%c", code) }

$1 == "done" { next }
NF == 2 && ($1 == "file" || $1 == "found") { want($2); next }
NF == 2 && $1 == "folder" { if (!($2 in listed)) asked[++folders] = $2; next }
$1 == "loop" { want($3); next }
$1 == "folder" { listed[$2] = 1; next }
$1 == "file" {
    known[$2] = 1
    if ($3 == "-") next
    # The same file, opened in the same folder by the same name, leads to the same files: a loop ends here.
    base = $2
    sub(/^(..)*2f/, "", base)
    if (($4, base) in followed) next
    followed[$4, base] = 1
    for (i = 7; i <= NF; i++) { split($i, edge, ":"); if (edge[1] != "device") want(edge[2]) }
}

function want(path) { if (path ~ /^2f/ && !(path in queued)) { queued[path] = 1; queue[++wanted] = path } }

function word(path,   i, value) {
    for (i = 1; i < length(path); i += 2) value = value byte[substr(path, i, 2)]
    return "'" value "'"
}

END {
    for (i = 1; i <= folders; i++) if (!(asked[i] in listed)) { listed[asked[i]] = 1; print "folder " word(asked[i]) }
    for (i = 1; i <= wanted; i++) {
        if (queue[i] in known) continue
        line = line " " word(queue[i])
        if (++together_ == together) { print "chunk" line; line = ""; together_ = 0 }
    }
    if (line != "") print "chunk" line
}
