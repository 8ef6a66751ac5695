set(ISA_ARCH "x86_64|amd64|AMD64")
set(ISA_RANK 30)
set(ISA_FLAGS -ffp-contract=off -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
set(ISA_O3 ON)
