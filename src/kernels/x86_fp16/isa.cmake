include(CheckCCompilerFlag)
check_c_compiler_flag(-mavx512fp16 PITH_HAS_AVX512FP16) # gcc 12, clang 14
if(PITH_HAS_AVX512FP16)
    set(ISA_ARCH "x86_64|amd64|AMD64")
else()
    set(ISA_ARCH "^$")
endif()
set(ISA_RANK 50)
set(ISA_FLAGS -ffp-contract=off -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512fp16
    -mprefer-vector-width=512)
