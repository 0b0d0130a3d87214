# What `cmake --install` puts where, and the CMake package by which other projects use the library. Folders have the same
# place to each other in every installation, so that it can be moved; the program finds libweft_cuda.so in ../lib.
include(CMakePackageConfigHelpers)
set(package lib/cmake/weft)

# weft::core ... weft::app, the modules, and weft::weft, all of them.
add_library(weft_all INTERFACE)
target_link_libraries(weft_all INTERFACE weft_app)
set_target_properties(weft_all PROPERTIES EXPORT_NAME weft)
set_target_properties(weft_flags PROPERTIES EXPORT_NAME flags)
set(exported weft_flags weft_all)
foreach(module core config comm kernels device sim io model train eval report ops app)
  set_target_properties(weft_${module} PROPERTIES EXPORT_NAME ${module})
  list(APPEND exported weft_${module})
endforeach()
install(TARGETS weft RUNTIME DESTINATION bin)
install(TARGETS ${exported} EXPORT weft ARCHIVE DESTINATION lib)
install(EXPORT weft NAMESPACE weft:: FILE weftTargets.cmake DESTINATION ${package})
# An object in the build, an object where it is used (see weft_mkl).
install(FILES $<TARGET_OBJECTS:weft_mkl> DESTINATION lib/weft RENAME vector_instructions.o)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/weft DESTINATION include)

configure_package_config_file(weftConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/weftConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/weftConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/weftConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/weftConfigVersion.cmake DESTINATION ${package})

install(DIRECTORY ${PROJECT_SOURCE_DIR}/configs DESTINATION share/weft)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/launch/slurm DESTINATION share/weft/launch USE_SOURCE_PERMISSIONS OPTIONAL)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/deploy/prometheus ${PROJECT_SOURCE_DIR}/deploy/grafana DESTINATION share/weft/deploy
  USE_SOURCE_PERMISSIONS OPTIONAL)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/deploy/container/probe.sh DESTINATION share/weft/container)
install(FILES ${PROJECT_SOURCE_DIR}/docs/weft.1 DESTINATION share/man/man1)
install(FILES ${PROJECT_SOURCE_DIR}/deploy/completion/weft.bash DESTINATION share/bash-completion/completions RENAME weft)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION share/doc/weft)
