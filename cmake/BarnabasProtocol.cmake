# barnabas_generated_messages(LIBRARY): adds what protocol/generator makes of protocol/schemas to LIBRARY.
#
# The generator runs in the build when it or a schema changed, and leaves files that did not change alone; the names
# of its outputs are asked at configure time.
function(barnabas_generated_messages library)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  set(out ${CMAKE_BINARY_DIR}/generated/protocol)
  set(schemas ${CMAKE_CURRENT_SOURCE_DIR}/schemas)
  set(generate ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1 ${Python3_EXECUTABLE}
               ${CMAKE_CURRENT_SOURCE_DIR}/generator/generate.py)
  file(GLOB inputs CONFIGURE_DEPENDS ${schemas}/*.kp ${schemas}/*.tsv ${CMAKE_CURRENT_SOURCE_DIR}/generator/*.py)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${inputs})
  execute_process(COMMAND ${generate} --list ${schemas} ${out} OUTPUT_VARIABLE listed
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" outputs "${listed}")
  # The stamp is the output and the files are by-products: ninja then looks at them again after the run.
  add_custom_command(OUTPUT ${out}/generated.stamp BYPRODUCTS ${outputs}
                     COMMAND ${generate} ${schemas} ${out}
                     COMMAND ${CMAKE_COMMAND} -E touch ${out}/generated.stamp
                     DEPENDS ${inputs} COMMENT "Generating the protocol's messages" VERBATIM)
  add_custom_target(${library}_generated DEPENDS ${out}/generated.stamp)
  set(sources ${outputs})
  list(FILTER sources INCLUDE REGEX "\\.cpp$")
  set(json_sources ${sources})
  list(FILTER sources EXCLUDE REGEX "/json/")
  list(FILTER json_sources INCLUDE REGEX "/json/")
  if(BARNABAS_SANITIZE)
    # Optimising what the sanitizers put into 280 messages would take most of that build's time.
    set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS -O0)
  endif()
  target_sources(${library} PRIVATE ${sources})
  target_include_directories(${library} PUBLIC ${CMAKE_BINARY_DIR}/generated)
  add_dependencies(${library} ${library}_generated)
  set(${library}_JSON_SOURCES ${json_sources} PARENT_SCOPE)
endfunction()
