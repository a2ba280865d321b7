# Puts together what look.sh found out, and reads the headers of images (QEMU's docs/interop/qcow2.txt, qed_spec.txt).
# Prints "file PATH IDENTITY FOLDER WORD FORMAT [KIND:PATH]...", paths in hexadecimal: WORD is ok, gone, or what
# cannot be told; FORMAT is what the header says; KIND is raw (nothing lies below that), any, or device (MAJOR:MINOR).

$1 == "end" { section = "end"; next }
$1 == "bytes" && NF == 1 { section = "bytes"; parts++; next }
$1 ~ /^(names|words|facts|reads|blocks|heads)$/ && NF == 1 { section = $1; next }
section == "names" { for (i = 1; i <= NF; i++) if ($i == "00") { path[++named] = name; name = "" } else name = name $i }
section == "words" { for (i = 1; i <= NF; i++) word[i] = $i }
section == "facts" && NF { fact[++facts] = $0 }
section == "reads" { for (i = 1; i <= NF; i++) reads[i] = $i }
section == "blocks" && $1 == "block" { block = $2 }
section == "blocks" && $1 == "device" { below[block] = below[block] " device:" $2 }
section == "blocks" && $1 == "backing" { below[block] = below[block] " raw:" $2 }
section == "heads" {
    # 16 bytes a line. Most are no images, or lie on nothing: of these no more is kept than shows that.
    place = lines++ % (head_bytes / 16)
    if (NF != 16) broken = 1
    if (place == 0) { batch++; wanted_more = index(" 514649fb 51454400 4b444d56 434f5744 23204469 ", " " $1 $2 $3 $4 " "); lonely = $1 == "51" && $2 == "46" && $9 $10 $11 $12 $13 $14 $15 $16 == "0000000000000000" }
    if (place == 4 && lonely && $16 !~ /[4567cdef]$/) wanted_more = 0
    if (wanted_more || place == 0) { gsub(/ /, ""); head[batch] = head[batch] $0 }
}
section == "bytes" && $1 == "failed" { failed[parts] = 1; next }
section == "bytes" { gsub(/ /, ""); part_of[parts] = part_of[parts] $0 }

END {
    for (i = 1; i <= facts; i++) wanted += read_as(i) == "batch"
    # Whoever cuts a file short meanwhile must not have its neighbour's header taken for its own.
    if (section != "end" || named != total || wanted * head_bytes != lines * 16 || broken) exit 1
    for (i = 1; i <= total; i++) if (word[i] == "changed") exit 1
    for (i = 1; i <= total; i++) {
        if (word[1] != "all" && word[i] != "there") { print "file " path[i] " - - " word[i] " none"; continue }
        seen++
        split(fact[seen], part, " ")
        mode = part[4]
        identity = part[1]
        edges = ""
        format = "none"
        said = "ok"
        if (substr(mode, length(mode) - 3, 1) == "6") {
            split(part[2], numbers, ":")
            device = number(numbers[1]) ":" number(numbers[2])
            identity = "device:" device
            edges = below[device]
            if (number(numbers[1]) == 43) said = "nbd-device"
        }
        if (read_as(seen) == "denied") said = "unreadable"
        bytes = ""
        if (read_as(seen) == "batch") bytes = head[++used]
        if (read_as(seen) == "alone") { bytes = part_of[++alone]; if (failed[alone]) { said = "error"; bytes = "" } }
        if (bytes != "") image(path[i], bytes)
        print "file " path[i] " " identity " " folder(path[i]) " " said " " format edges
    }
}

function read_as(place) { return reads[1] == "all" ? "batch" : reads[place] }

# folder: what tells the folder of a name from others: its text, or what it is where ".." makes that uncertain.
function folder(name,   value, command) {
    value = text(name)
    sub(/[^\/]*$/, "", value)
    gsub(/\/(\.?\/)+/, "/", value)
    if (value !~ /\/\.\.\//) return hexed(value)
    command = "stat -L -c %d:%i -- " quoted(hexed(value "."))
    value = "-"
    command | getline value
    close(command)
    return value
}

function number(digits,   i, value) {
    for (i = 1; i <= length(digits); i++) value = value * 16 + index("0123456789abcdef", substr(digits, i, 1)) - 1
    return value + 0
}

# piece: bytes of an image, by place and length; those that were not read yet are read, up to a cluster's size.
function piece(at, size,   command, line, part, lines) {
    if (2 * (at + size) > length(bytes) && !whole) {
        whole = 1
        bytes = ""
        command = "od -An -v -tx1 -N2098176 -- " quoted(current)
        while ((command | getline line) > 0) {
            gsub(/ /, "", line)
            part = part line
            # In parts, as a long text grows slowly.
            if (++lines % 1000 == 0) { bytes = bytes part; part = "" }
        }
        close(command)
        bytes = bytes part
    }
    return substr(bytes, 2 * at + 1, 2 * size)
}

function image(name, header,   magic) {
    current = name
    whole = 0
    bytes = header
    magic = substr(bytes, 1, 8)
    if (magic == "514649fb") { format = "qcow"; qcow() }
    else if (magic == "51454400") { format = "qed"; qed() }
    else if (magic == "4b444d56") { format = "vmdk"; if (!single_vmdk()) said = "vmdk" }
    else if (magic == "434f5744" || substr(bytes, 1, 42) == "23204469736b2044657363726970746f7246696c65") { format = "vmdk"; said = "vmdk" }
}

# single_vmdk: whether VMware's description, in the second sector, says "parentCID=ffffffff" and a type of one file.
function single_vmdk() {
    if (!index(bytes, "706172656e744349443d6666666666666666")) return 0
    return index(bytes, "6d6f6e6f6c6974686963537061727365") || index(bytes, "73747265616d4f7074696d697a6564")
}

function qcow(   version, at, size, cluster, place, type, length_, form, data, wants) {
    version = number(piece(4, 4))
    at = number(piece(8, 8))
    size = number(piece(16, 4))
    wants = version >= 3 && number(piece(79, 1)) % 8 >= 4
    if (version < 1 || version > 3 || (at && (at > 2097152 || size > 1023))) { said = "odd-header"; return }
    if (!size) at = 0
    if (!at && !wants) return
    place = version >= 3 ? number(piece(100, 4)) : 72
    cluster = number(piece(20, 4))
    cluster = cluster > 8 && cluster < 22 ? 2 ^ cluster : 65536
    while (version > 1 && (at || wants) && place + 8 <= (at ? at : cluster)) {
        type = piece(place, 4)
        length_ = number(piece(place + 4, 4))
        if (type == "" || type == "00000000" || length_ > cluster) break
        if (type == "e2792aca") form = piece(place + 8, length_)
        if (type == "44415441") data = piece(place + 8, length_)
        place += 8 + int((length_ + 7) / 8) * 8
    }
    if (wants && data == "") said = "data-file"
    if (data != "") lies_on(current, data, "raw")
    if (at && length(piece(at, size)) != 2 * size) said = "odd-header"
    else if (at) lies_on(current, piece(at, size), form == "726177" ? "raw" : "any")
}

function qed(   at, size, features) {
    features = number(little(16, 4))
    at = number(little(56, 4))
    size = number(little(60, 4))
    if (features % 2 == 0) return
    if (at > 2097152 || size > 1023 || !size) { said = "odd-header"; return }
    lies_on(current, piece(at, size), int(features / 4) % 2 ? "raw" : "any")
}

function little(at, size,   i, value) {
    for (i = size - 1; i >= 0; i--) value = value piece(at + i, 1)
    return value
}
