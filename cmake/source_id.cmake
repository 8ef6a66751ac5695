# Writes OUT with a hash of the sources that decide how weights are packed; only if it changed. -DROOT=... -DOUT=...
file(GLOB_RECURSE files RELATIVE "${ROOT}/src" "${ROOT}/src/base/*.[ch]" "${ROOT}/src/graph/*.[ch]"
     "${ROOT}/src/kernels/*.[ch]" "${ROOT}/src/ops/*.[ch]" "${ROOT}/src/passes/*.[ch]" "${ROOT}/src/plan/*.[ch]")
list(SORT files)
set(hashes "")
foreach(file IN LISTS files)
    file(SHA256 "${ROOT}/src/${file}" hash)
    string(APPEND hashes "${file} ${hash}\n")
endforeach()
string(SHA256 id "${hashes}")
file(WRITE "${OUT}.new" "#define PITH_SOURCE_ID \"${id}\"\n")
configure_file("${OUT}.new" "${OUT}" COPYONLY)
file(REMOVE "${OUT}.new")
