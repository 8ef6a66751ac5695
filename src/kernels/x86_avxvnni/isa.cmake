set(ISA_ARCH "x86_64|amd64|AMD64")
set(ISA_RANK 25)
set(ISA_FLAGS -ffp-contract=off -mavx2 -mfma -mf16c -mavxvnni)
