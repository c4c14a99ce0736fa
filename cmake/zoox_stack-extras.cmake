# Drop include directories that do not exist from every imported `*__rosidl_generator_py` target of this directory.
#
# The ROS 2 message wheels export the Python include directory of the machine that built them, and CMake refuses to
# generate with it. On a normal ROS 2 installation every directory exists and nothing changes. The same file runs for
# users of find_package(zoox_stack), who meet the same targets.
function(zoox_stack_drop_missing_include_directories)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    if(NOT target MATCHES "__rosidl_generator_py$")
      continue()
    endif()
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(existing "")
    foreach(directory IN LISTS directories)
      if(NOT IS_ABSOLUTE "${directory}" OR EXISTS "${directory}")
        list(APPEND existing "${directory}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${existing}")
  endforeach()
endfunction()

zoox_stack_drop_missing_include_directories()
