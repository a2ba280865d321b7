# The notations in which QEMU names a file below an image: as in its bdrv_get_full_backing_filename and path_combine
# (block.c), file-posix.c, and, behind "json:", what its -blockdev takes.  Names are hexadecimal outside of here.

BEGIN {
    for (code = 1; code < 256; code++) { byte[sprintf("%02x", code)] = sprintf("%c", code); digits[sprintf("%c", code)] = sprintf("%02x", code) }
    split("file host_device host_cdrom raw qcow2 qcow qed vdi vpc vhdx vmdk parallels dmg bochs cloop luks throttle copy-on-read blkdebug blklogwrites blkverify quorum replication preallocate snapshot-access compress", list, " ")
    for (code in list) local_driver[list[code]] = 1
    split("rbd sheepdog nvme vxhs null-co null-aio", list, " ")
    for (code in list) elsewhere[list[code]] = 1
}

function text(name,   i, pair, value) {
    for (i = 1; i < length(name); i += 2) {
        pair = substr(name, i, 2)
        if (pair == "00") break  # where C's strings end
        value = value byte[pair]
    }
    return value
}

function hexed(value,   i, name) {
    for (i = 1; i <= length(value); i++) name = name digits[substr(value, i, 1)]
    return name
}

function quoted(name,   value) {
    value = text(name)
    gsub(/'/, "'\\''", value)
    return "'" value "'"
}

# lies_on: takes note of what an image names; the folder is that of the name under which it is opened.
function lies_on(image_, named_, kind,   value, scheme) {
    value = text(named_)
    if (value == "") { said = "odd-header"; return }
    if (substr(value, 1, 5) == "json:") { json(image_, substr(value, 6)); return }
    scheme = value ~ /^[^\/:]*:/ ? substr(value, 1, index(value, ":") - 1) : ""
    if (scheme == "" ) at_path(image_, value, kind)
    else if (scheme == "file" || scheme == "host_device" || scheme == "host_cdrom") {
        # QEMU takes what is not absolute from its own working folder.
        value = substr(value, length(scheme) + 2)
        at_path(image_, value, kind)
        if (value !~ /^\//) at_path("2f", value, kind)
    }
    else if (!(scheme in elsewhere)) said = "remote"
}

function at_path(image_, value, kind,   folder_) {
    if (value !~ /^\//) {
        folder_ = text(image_)
        sub(/[^\/]*$/, "", folder_)
        value = folder_ value
    }
    # Descriptors are those of a process that is not this one.
    if (plain(value) ~ /^\/(dev\/(fd|fdset|stdin|stdout|stderr)(\/|$)|proc\/)/) { said = "descriptor"; return }
    edges = edges " " kind ":" hexed(value)
}

# plain: a path without empty parts, "." and "..", as far as its text tells.
function plain(value) {
    gsub(/\/(\.?\/)+/, "/", value)
    while (sub(/\/[^\/]+\/\.\.\//, "/", value)) ;
    return value
}

# json: every "filename", however deep; a driver that is not known to read files of this host cannot be told.
function json(image_, source,   i, mark, value, key, found, away, doubt, foreign, last) {
    for (i = 1; i <= length(source); i++) {
        mark = substr(source, i, 1)
        if (mark != "\"" && mark != "'") continue
        value = ""
        for (i++; i <= length(source) && substr(source, i, 1) != mark; i++) {
            if (substr(source, i, 1) == "\\") { i++; value = value escaped(source, i); if (substr(source, i, 1) == "u") i += 4 + 6 * pair_ }
            else value = value substr(source, i, 1)
        }
        if (substr(source, i + 1) ~ /^[ \t\r\n]*:/) { key = value; continue }
        last = key
        sub(/^.*\./, "", last)
        if (last == "filename") { found = 1; literal(image_, value) }
        else if (last == "driver" && (value in elsewhere)) away = 1
        else if (last == "driver") { if (!(value in local_driver)) foreign = 1 }
        else if (last ~ /^(file|backing|data-file|image|raw|test|children|target|dir|path)$/) doubt = 1
        key = ""
    }
    # What a driver that is never local says besides is not about files.
    if (foreign || (!away && (doubt || !found))) said = "remote"
}

function literal(image_, value) {
    if (value ~ /^[^\/:]*:/) lies_on(image_, hexed(value), "any")
    if (value ~ /^\//) at_path(image_, value, "any")
    else { at_path("2f", value, "any"); at_path(image_, value, "any") }
}

function escaped(source, i,   mark, code, low) {
    mark = substr(source, i, 1)
    pair_ = 0
    if (mark == "n") return "\n"
    if (mark == "t") return "\t"
    if (mark == "r") return "\r"
    if (mark == "b") return "\b"
    if (mark == "f") return "\f"
    if (mark != "u") return mark
    code = number(tolower(substr(source, i + 1, 4)))
    if (code >= 55296 && code < 56320 && substr(source, i + 5, 2) == "\\u") {
        low = number(tolower(substr(source, i + 7, 4)))
        pair_ = 1
        code = 65536 + (code - 55296) * 1024 + low - 56320
    }
    if (code < 1) return ""
    if (code < 128) return byte[sprintf("%02x", code)]
    if (code < 2048) return octet(192 + int(code / 64)) octet(128 + code % 64)
    if (code < 65536) return octet(224 + int(code / 4096)) octet(128 + int(code / 64) % 64) octet(128 + code % 64)
    return octet(240 + int(code / 262144)) octet(128 + int(code / 4096) % 64) octet(128 + int(code / 64) % 64) octet(128 + code % 64)
}

function octet(code) { return byte[sprintf("%02x", code)] }
