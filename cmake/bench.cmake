# bench/bench_<name>.c -> one program each, not installed.
file(GLOB bench_sources CONFIGURE_DEPENDS bench/bench_*.c)
foreach(source IN LISTS bench_sources)
    get_filename_component(name "${source}" NAME_WE)
    add_executable(${name} "${source}")
    target_link_libraries(${name} PRIVATE pith_objects)
    pith_set_warnings(${name})
endforeach()
