# How every target of ours is compiled, and the functions that declare one.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

set(FRESHET_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, as in address,undefined")
option(FRESHET_THREAD_SAFETY "Check Abseil's thread annotations (clang)" OFF)
option(FRESHET_MUTANTS "Plant bugs that FRESHET_MUTANT turns on (common/mutant.h)" OFF)
option(FRESHET_FUZZ "Build the libFuzzer targets of tests/fuzz (clang)" OFF)

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(freshet_flags INTERFACE)
target_compile_options(freshet_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # GCC 12 sees overlaps in std::string's own code when it inlines it (its bug 105651).
  target_compile_options(freshet_flags INTERFACE -Wno-restrict)
endif()
if(FRESHET_THREAD_SAFETY)
  target_compile_options(freshet_flags INTERFACE -Wthread-safety)
endif()
if(FRESHET_SANITIZE)
  add_compile_options(-fsanitize=${FRESHET_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${FRESHET_SANITIZE})
  if(FRESHET_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # Asio has fences, which TSan does not see; its locks suffice.
    add_compile_options(-Wno-tsan)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    add_compile_options(-fsanitize-ignorelist=${CMAKE_SOURCE_DIR}/cmake/sanitizer-ignore.txt)
  endif()
endif()
if(FRESHET_MUTANTS)
  add_compile_definitions(FRESHET_MUTANTS)
endif()
if(FRESHET_FUZZ)
  # The fuzzer is led by which branches of ours an input reaches.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# freshet_library(NAME SOURCES a.cc ... [LINK lib ...]): a static library of ours.
function(freshet_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE freshet_flags)
endfunction()

# freshet_binary(NAME SOURCES a.cc ... [LINK lib ...]): an executable of ours.
function(freshet_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  if(FRESHET_SANITIZE MATCHES thread)
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/tsan_suppressions.cc)
  endif()
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} freshet_flags)
endfunction()
