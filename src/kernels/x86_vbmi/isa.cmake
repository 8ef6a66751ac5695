set(ISA_ARCH "x86_64|amd64|AMD64")
set(ISA_RANK 45)
set(ISA_FLAGS -mavx2 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi -mprefer-vector-width=512)
