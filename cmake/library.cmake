# libdivan: the client and what it stands on as one shared and one static library that show nothing but the public
# functions, and what a stranger's build needs to find them.
set(LIBRARY_LAYERS client topology text wire io base)
set(LIBRARY_OBJECTS)
foreach(name ${LIBRARY_LAYERS})
  list(APPEND LIBRARY_OBJECTS $<TARGET_OBJECTS:divan_${name}>)
endforeach()
set(LIBRARY_NEEDS PkgConfig::libuv PkgConfig::libcares PkgConfig::jansson OpenSSL::SSL OpenSSL::Crypto
  ${SNAPPY_LIBRARY} ${HTTP_PARSER_LIBRARY} Threads::Threads m)

add_library(divan_shared SHARED ${LIBRARY_OBJECTS})
target_link_libraries(divan_shared PRIVATE ${LIBRARY_NEEDS})
target_include_directories(divan_shared INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
  $<BUILD_INTERFACE:${GENERATED}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_options(divan_shared PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/divan.map -Wl,--no-undefined-version)
if(NOT DIVAN_SANITIZE)
  target_link_options(divan_shared PRIVATE -Wl,-z,defs -Wl,--gc-sections)
endif()
set_target_properties(divan_shared PROPERTIES OUTPUT_NAME divan EXPORT_NAME divan LINKER_LANGUAGE C
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/divan.map)

# The static one is a single object whose internal names were made local, so that they cannot meet those of a program.
set(LIBRARY_ONE ${CMAKE_BINARY_DIR}/divan_static.o)
add_custom_command(OUTPUT ${LIBRARY_ONE}
  COMMAND ${CMAKE_LINKER} -r -o ${LIBRARY_ONE} ${LIBRARY_OBJECTS}
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${LIBRARY_ONE}
  DEPENDS ${LIBRARY_OBJECTS} COMMAND_EXPAND_LISTS VERBATIM)
add_library(divan_static STATIC ${LIBRARY_ONE})
set_source_files_properties(${LIBRARY_ONE} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
target_link_libraries(divan_static INTERFACE uv cares jansson ssl crypto ${SNAPPY_LIBRARY} ${HTTP_PARSER_LIBRARY} Threads::Threads m)
target_include_directories(divan_static INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
  $<BUILD_INTERFACE:${GENERATED}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(divan_static PROPERTIES OUTPUT_NAME divan EXPORT_NAME divan_static LINKER_LANGUAGE C)
add_dependencies(divan_shared generated)

# ---- installation
include(CMakePackageConfigHelpers)
install(TARGETS divan_shared divan_static EXPORT divan-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/divan ${GENERATED}/divan DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
file(RELATIVE_PATH PC_TO_PREFIX /x/${CMAKE_INSTALL_LIBDIR}/pkgconfig /x)
configure_file(cmake/divan.pc.in ${CMAKE_BINARY_DIR}/divan.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/divan.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(CMAKE_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/divan)
configure_package_config_file(cmake/divan-config.cmake.in ${CMAKE_BINARY_DIR}/divan-config.cmake
  INSTALL_DESTINATION ${CMAKE_PACKAGE_DIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/divan-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/divan-config.cmake ${CMAKE_BINARY_DIR}/divan-config-version.cmake
  DESTINATION ${CMAKE_PACKAGE_DIR})
install(EXPORT divan-targets NAMESPACE divan:: DESTINATION ${CMAKE_PACKAGE_DIR})

# ---- examples: built against the library as a user has it
file(GLOB EXAMPLES CONFIGURE_DEPENDS examples/*.c)
foreach(source ${EXAMPLES})
  get_filename_component(name ${source} NAME_WE)
  add_executable(example_${name} ${source})
  target_link_libraries(example_${name} PRIVATE divan_shared)
  set_target_properties(example_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples OUTPUT_NAME ${name})
endforeach()
