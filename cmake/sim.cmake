# Whole clusters in one process: `./dev sim`, and a share of the seeds in every check.
set(DIVAN_SIM_SEEDS 2000 CACHE STRING "seeds of simulated clusters that ctest runs")
file(GLOB sources CONFIGURE_DEPENDS tests/sim/sim_cluster_*.c)
add_executable(divan_sim ${sources} tests/sim/checker.c)
target_link_libraries(divan_sim PRIVATE ${TEST_LAYERS})
target_include_directories(divan_sim PRIVATE tests)
set_target_properties(divan_sim PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
# With a sanitizer each seed costs ten times as much.
set(seeds ${DIVAN_SIM_SEEDS})
if(DIVAN_SANITIZE)
  math(EXPR seeds "${DIVAN_SIM_SEEDS} / 20")
endif()
add_test(NAME ${DIVAN_TEST_PREFIX}sim.cluster_seeds COMMAND divan_sim --seeds ${seeds} -j 2)
set_tests_properties(${DIVAN_TEST_PREFIX}sim.cluster_seeds PROPERTIES TIMEOUT 300 LABELS sim PROCESSORS 2)
