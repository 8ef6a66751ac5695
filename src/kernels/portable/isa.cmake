set(ISA_ARCH ".")
set(ISA_RANK 0)
set(ISA_FLAGS -ffp-contract=off)
