set(ISA_ARCH "aarch64|arm64")
set(ISA_RANK 20)
set(ISA_FLAGS -ffp-contract=off -march=armv8.2-a+fp16)
