# SPDX-License-Identifier: MIT
#
# Berkeley SoftFloat and TestFloat, release 3e, from the source package of the installed QEMU, which
# tests itself with them (tools/setup/qemu-headers keeps them). Debian has no package of its own.
execute_process(COMMAND ${CMAKE_SOURCE_DIR}/tools/setup/qemu-headers --path
                OUTPUT_VARIABLE berkeley_dir OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
set(berkeley_dir ${berkeley_dir}/berkeley)
if(NOT EXISTS ${berkeley_dir}/berkeley-testfloat-3/source/genCases.h OR
   NOT EXISTS ${berkeley_dir}/berkeley-softfloat-3/source/RISCV/specialize.h)
  message(STATUS "no Berkeley TestFloat in ${berkeley_dir}: simt-testfloat-test is left out")
  return()
endif()

file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/berkeley/platform.h
     "#define LITTLEENDIAN 1\n#define INLINE static inline\n")
set(soft ${berkeley_dir}/berkeley-softfloat-3/source)
set(cases ${berkeley_dir}/berkeley-testfloat-3/source)
file(GLOB berkeley_sources ${soft}/f16_*.c ${soft}/f32_*.c ${soft}/f64_*.c ${soft}/i32_*.c
     ${soft}/i64_*.c ${soft}/ui32_*.c ${soft}/ui64_*.c ${soft}/s_*.c ${soft}/RISCV/*.c)
# Neither extended nor quadruple precision, nor the variants for hosts without 64-bit integers.
list(FILTER berkeley_sources EXCLUDE REGEX "(F80|F128|f128|M)[A-Za-z_]*[.]c$")
list(FILTER berkeley_sources EXCLUDE REGEX "s_[A-Za-z0-9]*M[.]c$")
list(APPEND berkeley_sources ${soft}/softfloat_state.c)
set(berkeley_cases ${cases}/random.c ${cases}/fail.c ${cases}/genCases_common.c)
foreach(type f16 f32 f64 i32 i64 ui32 ui64)
  list(APPEND berkeley_cases ${cases}/genCases_${type}.c)
endforeach()
# A function a file, some two hundred: compiled as one.
add_library(brgpu-softfloat STATIC ${berkeley_sources})
set_target_properties(brgpu-softfloat PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
add_library(brgpu-testfloat STATIC ${berkeley_cases})
target_link_libraries(brgpu-testfloat PUBLIC brgpu-softfloat)
target_include_directories(brgpu-softfloat SYSTEM PUBLIC ${CMAKE_CURRENT_BINARY_DIR}/berkeley
                           ${soft}/RISCV ${soft}/include ${cases})
target_compile_definitions(brgpu-softfloat PUBLIC SOFTFLOAT_FAST_INT64 FLOAT16 FLOAT64
                           PRIVATE SOFTFLOAT_FAST_DIV32TO16 SOFTFLOAT_FAST_DIV64TO32
                           SOFTFLOAT_ROUND_ODD)
target_compile_options(brgpu-softfloat PRIVATE -w -O2)
target_compile_options(brgpu-testfloat PRIVATE -w -O2)
brgpu_add_test(simt-testfloat-test LABELS unit SOURCES simt_testfloat_test.cpp
               LIBS brgpu-simt-test-support brgpu-testfloat)
