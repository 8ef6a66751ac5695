set(ISA_ARCH "aarch64|arm64")
set(ISA_RANK 10)
set(ISA_FLAGS)
