# SPDX-License-Identifier: MIT
#
# brgpu_add_kernel(<target> <source> [FOLDER <name>] [OPTIONS <brgpu-cc options>...])
#
# Compiles an OpenCL C or C source with brgpu-cc to
# ${CMAKE_BINARY_DIR}/share/brgpu/kernels/[FOLDER/]<NAME>.elf, NAME being the source's name without
# its extension, and makes <target> (created if it doesn't exist) depend on it. The path is left in
# the target's property BRGPU_KERNELS. A source that two targets compile needs two folders.
function(brgpu_add_kernel target source)
  cmake_parse_arguments(ARG "" "FOLDER" "OPTIONS" ${ARGN})
  get_filename_component(path ${source} ABSOLUTE)
  get_filename_component(name ${source} NAME_WE)
  set(directory ${CMAKE_BINARY_DIR}/share/brgpu/kernels)
  if(ARG_FOLDER)
    string(APPEND directory /${ARG_FOLDER})
  endif()
  set(output ${directory}/${name}.elf)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${directory}
    COMMAND brgpu-cc ${ARG_OPTIONS} ${path} -o ${output}
    DEPENDS ${path} brgpu-cc brgpu_device_library
    COMMENT "Kernel ${name}" VERBATIM)
  if(NOT TARGET ${target})
    add_custom_target(${target})
  endif()
  # A custom target can't be given another file later; each kernel has one of its own.
  add_custom_target(${target}-${name} DEPENDS ${output})
  add_dependencies(${target} ${target}-${name})
  set_property(TARGET ${target} APPEND PROPERTY BRGPU_KERNELS ${output})
endfunction()
