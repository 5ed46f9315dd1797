# SPDX-License-Identifier: MIT
#
# Fuzz targets around the management controller; included by the folder's CMakeLists.txt when
# BRGPU_FUZZ is on (clang). Run one with `fw_image_fuzz -max_total_time=60`.
find_package(PkgConfig REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)

foreach(target fw_header_fuzz fw_image_fuzz fw_driver_fuzz)
  brgpu_add_fuzzer(${target}
    ${CMAKE_SOURCE_DIR}/tests/fuzz/${target}.cpp ${CMAKE_SOURCE_DIR}/tests/unit/firmware/images.cpp)
  target_include_directories(${target} PRIVATE
    ${CMAKE_SOURCE_DIR}/tools ${CMAKE_SOURCE_DIR}/tests/unit/firmware)
  target_compile_definitions(${target} PRIVATE
    BRGPU_FIRMWARE_DIR="${CMAKE_BINARY_DIR}/firmware/brgpu"
    BRGPU_DEVELOPMENT_KEY="${CMAKE_SOURCE_DIR}/firmware/keys/development.key")
  target_link_libraries(${target} PRIVATE
    brgpu-controller brgpu-fwimage brgpu-core PkgConfig::SODIUM)
  add_dependencies(${target} brgpu-firmware)
endforeach()
