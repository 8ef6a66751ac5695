# Installed files: library (static and shared), headers, CMake package, pkg-config file, and the tool.
include(CMakePackageConfigHelpers)

install(TARGETS pith_static pith_shared EXPORT pith
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/pith DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT pith NAMESPACE pith:: FILE pith-targets.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/pith)
file(WRITE "${PROJECT_BINARY_DIR}/pith-config.cmake"
     "include(CMakeFindDependencyMacro)\nfind_dependency(Threads)\ninclude(\${CMAKE_CURRENT_LIST_DIR}/pith-targets.cmake)\n")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/pith-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/pith-config.cmake" "${PROJECT_BINARY_DIR}/pith-config-version.cmake"
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/pith)
configure_file(cmake/pith.pc.in pith.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/pith.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
