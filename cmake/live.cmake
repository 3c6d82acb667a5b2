# Tests that run the programs of this build: recorded conversations, the official SDKs, an installation.
set(LIVE ${CMAKE_SOURCE_DIR}/tests/live)
function(live_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "COMMAND;LABELS" ${ARGN})
  set(test ${DIVAN_TEST_PREFIX}${name})
  add_test(NAME ${test} COMMAND ${arg_COMMAND} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${test} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}"
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")
endfunction()

# The system's interpreter: the SDK is installed for it.
find_program(DIVAN_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(DIVAN_PYTHON NAMES python3)
if(DIVAN_PYTHON)
  live_test(live.golden COMMAND ${DIVAN_PYTHON} ${LIVE}/golden.py ${CMAKE_BINARY_DIR} TIMEOUT 300 LABELS live)
  live_test(live.cli_commands COMMAND ${DIVAN_PYTHON} ${LIVE}/test_cli_commands.py ${CMAKE_BINARY_DIR} TIMEOUT 120 LABELS live)
  foreach(subject subdoc bulk manage)
    live_test(live.cli_${subject} COMMAND ${DIVAN_PYTHON} ${LIVE}/test_cli_${subject}.py ${CMAKE_BINARY_DIR} TIMEOUT 120
      LABELS live)
  endforeach()
  live_test(live.cli_up COMMAND ${DIVAN_PYTHON} ${LIVE}/test_cli_up.py ${CMAKE_BINARY_DIR} TIMEOUT 120 LABELS live)
  live_test(live.tls COMMAND ${DIVAN_PYTHON} ${LIVE}/test_tls.py ${CMAKE_BINARY_DIR} TIMEOUT 120 LABELS live)
  live_test(live.node COMMAND ${DIVAN_PYTHON} ${LIVE}/test_node.py ${CMAKE_BINARY_DIR} TIMEOUT 120 LABELS live)
  live_test(live.disk COMMAND ${DIVAN_PYTHON} ${LIVE}/test_disk.py ${CMAKE_BINARY_DIR} TIMEOUT 120 LABELS live)
  live_test(live.cluster_rest COMMAND ${DIVAN_PYTHON} ${LIVE}/cluster_rest.py ${CMAKE_BINARY_DIR} TIMEOUT 300 LABELS live)
  live_test(live.cluster_restart COMMAND ${DIVAN_PYTHON} ${LIVE}/cluster_restart.py ${CMAKE_BINARY_DIR} TIMEOUT 120 LABELS live)
  live_test(live.cluster_story COMMAND ${DIVAN_PYTHON} ${LIVE}/cluster_story.py ${CMAKE_BINARY_DIR} TIMEOUT 200 LABELS live)
  live_test(live.examples COMMAND ${DIVAN_PYTHON} ${LIVE}/test_examples.py ${CMAKE_BINARY_DIR} TIMEOUT 60 LABELS live)
  live_test(live.rest COMMAND ${DIVAN_PYTHON} ${LIVE}/rest.py ${CMAKE_BINARY_DIR} TIMEOUT 300 LABELS live)
endif()

# What follows is the same in every build; the sanitizer builds leave it to the release build.
if(NOT DIVAN_SANITIZE)
  live_test(live.install COMMAND ${LIVE}/install.sh ${CMAKE_BINARY_DIR} TIMEOUT 120 LABELS live)
  live_test(live.bench COMMAND ${DIVAN_PYTHON} ${LIVE}/bench_gates.py ${CMAKE_BINARY_DIR} TIMEOUT 120 LABELS live)
  foreach(language python node)
    live_test(interop.${language} COMMAND ${CMAKE_SOURCE_DIR}/tests/interop/run ${CMAKE_BINARY_DIR} ${language}
      TIMEOUT 300 LABELS interop)
  endforeach()
  live_test(docs.errors COMMAND ${LIVE}/docs.sh $<TARGET_FILE:divan_gen> TIMEOUT 60 LABELS lint)
  # The public headers stand alone, in the oldest C and C++ that users of today have.
  foreach(language "cc -std=c99 -x c" "c++ -std=c++11 -x c++")
    string(REGEX MATCH "^[a-z+]+" compiler ${language})
    find_program(COMPILER_${compiler} ${compiler})
    if(COMPILER_${compiler})
      separate_arguments(command UNIX_COMMAND "${language}")
      live_test(headers.${compiler} COMMAND ${command} -Wall -Wextra -Wpedantic -Werror -fsyntax-only
        -I${CMAKE_SOURCE_DIR}/include -I${GENERATED} -include divan/divan.h /dev/null TIMEOUT 60 LABELS lint)
    endif()
  endforeach()
  live_test(lint.symbols COMMAND ${CMAKE_SOURCE_DIR}/tools/symbols.sh ${CMAKE_BINARY_DIR} TIMEOUT 60 LABELS lint)
  live_test(lint.layers COMMAND ${CMAKE_SOURCE_DIR}/tools/layers.sh --self-test TIMEOUT 60 LABELS lint)
endif()
