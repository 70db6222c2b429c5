# The program's version as a C++ string: the project's, and the commit where there is one.
set(text ${VERSION})
execute_process(
  COMMAND git -C ${SOURCE_DIR} describe --always --dirty --abbrev=8 --exclude=*
  OUTPUT_VARIABLE commit
  ERROR_QUIET
  OUTPUT_STRIP_TRAILING_WHITESPACE)
if(commit)
  string(APPEND text "+${commit}")
endif()

set(content "\"${text}\"\n")
set(before "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT before STREQUAL content)
  file(WRITE ${OUTPUT} ${content})
endif()
