# One test binary from tests/<folder>/test_<name>.c; ctest gets one entry per folder.
pith_collect_tests("${generated}" test_sources)
file(GLOB support_sources CONFIGURE_DEPENDS tests/support/*.c)
add_executable(pith_tests ${support_sources} ${test_sources})
target_link_libraries(pith_tests PRIVATE pith_objects)
if(TARGET pith_cli_objects) # tests/cli looks inside of the tool
    target_link_libraries(pith_tests PRIVATE pith_cli_objects)
endif()
target_include_directories(pith_tests PRIVATE tests)
target_compile_definitions(pith_tests PRIVATE PITH_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                           PITH_BINARY_DIR="${PROJECT_BINARY_DIR}")
pith_set_warnings(pith_tests)
target_compile_options(pith_tests PRIVATE -Wno-missing-prototypes)
add_test(NAME pith_tests COMMAND pith_tests)
add_executable(run_model examples/run_model.c)
target_link_libraries(run_model PRIVATE pith_static)
pith_set_warnings(run_model)

# tests/models reads npz files with the tool's code.
if(TARGET pith_cli_objects AND TARGET PkgConfig::PITH_ZLIB)
    target_link_libraries(pith_tests PRIVATE pith_cli_objects)
    target_compile_definitions(pith_tests PRIVATE PITH_TEST_HAS_CLI=1)
else()
    target_compile_definitions(pith_tests PRIVATE PITH_TEST_HAS_CLI=0)
endif()
