# SPDX-License-Identifier: MIT
#
# One way to declare a target, so that warnings, sanitizers and the include rule are the same
# everywhere.

set(BRGPU_WARNINGS -Wall -Wextra -Wshadow -Wundef -Werror)

function(_brgpu_common target)
  target_compile_options(${target} PRIVATE ${BRGPU_WARNINGS})
  target_link_libraries(${target} PUBLIC brgpu_include)
  if(BRGPU_FUZZ) # lets libFuzzer see what an input reaches
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  if(BRGPU_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${BRGPU_SANITIZE}
                           -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${BRGPU_SANITIZE})
  endif()
endfunction()

# brgpu_add_library(<name> STATIC|SHARED|MODULE <sources>...)
function(brgpu_add_library target kind)
  add_library(${target} ${kind} ${ARGN})
  _brgpu_common(${target})
endfunction()

# brgpu_add_executable(<name> <sources>...)
function(brgpu_add_executable target)
  add_executable(${target} ${ARGN})
  _brgpu_common(${target})
endfunction()

# brgpu_add_test(<name> LABELS <labels> SOURCES <sources> LIBS <libs>): a GoogleTest program, run by
# ctest. Labels: unit (host, no device), kmd (CMocka), conformance (UMD suite), tools.
function(brgpu_add_test target)
  cmake_parse_arguments(ARG "CMOCKA" "TIMEOUT" "LABELS;SOURCES;LIBS;ARGS" ${ARGN})
  brgpu_add_executable(${target} ${ARG_SOURCES})
  if(ARG_CMOCKA)
    target_link_libraries(${target} PRIVATE ${ARG_LIBS} cmocka)
  else()
    find_package(GTest REQUIRED)
    target_link_libraries(${target} PRIVATE ${ARG_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  endif()
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests
                        EXCLUDE_FROM_ALL TRUE)
  set_property(GLOBAL APPEND PROPERTY BRGPU_TESTS ${target})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME ${target} COMMAND ${target} ${ARG_ARGS})
  set_tests_properties(${target} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()

# brgpu_add_fuzzer(<name> <sources>...): a libFuzzer program in <build>/fuzzers, which holds nothing
# else; the target brgpu-fuzzers builds them all.
function(brgpu_add_fuzzer target)
  brgpu_add_executable(${target} ${ARGN})
  target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzzers)
  if(NOT TARGET brgpu-fuzzers)
    add_custom_target(brgpu-fuzzers)
  endif()
  add_dependencies(brgpu-fuzzers ${target})
endfunction()

# brgpu_collect_targets(<variable> <folder>): all targets that the folder and those below it define.
function(brgpu_collect_targets variable folder)
  get_property(found DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  get_property(below DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  foreach(sub ${below})
    brgpu_collect_targets(more ${sub})
    list(APPEND found ${more})
  endforeach()
  set(${variable} ${found} PARENT_SCOPE)
endfunction()
