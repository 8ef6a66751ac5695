# libFuzzer targets (clang). Ordinary tests replay the corpora without them.
if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "PITH_FUZZ needs clang: -DCMAKE_C_COMPILER=clang")
endif()
target_compile_options(pith_objects PRIVATE -fsanitize=fuzzer-no-link)
# Kernels see no untrusted bytes, only sizes: coverage of their loops tells nothing, and optimising them together with
# the sanitizers' checks takes minutes a file.
set_property(SOURCE ${kernel_sources} APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize=fuzzer-no-link -O0)
add_executable(fuzz_onnx tests/fuzz/fuzz_onnx.c tests/fuzz/onnx_mutator.c tests/support/fuzz_target.c
               tests/support/onnx_models.c tests/support/package_seal.c tests/support/proto.c)
add_executable(fuzz_text tests/fuzz/fuzz_text.c tests/support/fuzz_target.c tests/support/onnx_models.c
               tests/support/package_seal.c tests/support/proto.c)
add_executable(fuzz_package tests/fuzz/fuzz_package.c tests/support/fuzz_target.c tests/support/onnx_models.c
               tests/support/package_seal.c tests/support/proto.c)
add_executable(fuzz_files tests/fuzz/fuzz_files.c tests/support/fuzz_files.c)
target_compile_definitions(fuzz_files PRIVATE PITH_TEST_HAS_CLI=1)
target_link_libraries(fuzz_files PRIVATE pith_cli_objects)
target_compile_options(pith_cli_objects PRIVATE -fsanitize=fuzzer-no-link)
foreach(target fuzz_onnx fuzz_text fuzz_package fuzz_files)
    target_link_libraries(${target} PRIVATE pith_objects)
    target_include_directories(${target} PRIVATE tests src)
    pith_set_warnings(${target})
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link -Wno-missing-prototypes)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
endforeach()
