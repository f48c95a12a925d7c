# What `cmake --install` and the .deb of `cpack` hold.  Manual pages and completion are printed by the program itself, from
# the rows that parse its options.  The catalog and the schema are compiled in too; their files are there to be copied.
set(segmpi_share ${CMAKE_INSTALL_DATADIR}/segmpi)
set(printed ${PROJECT_BINARY_DIR}/printed)
file(MAKE_DIRECTORY ${printed})

# segmpi_print(FILE WORDS...): what `segmpi help WORDS...` prints, without the variables of a launcher.
set(segmpi_printed)
function(segmpi_print name)
  add_custom_command(OUTPUT ${printed}/${name}
                     COMMAND env -u PMIX_RANK -u OMPI_COMM_WORLD_RANK -u PMI_RANK -u SLURM_PROCID
                             $<TARGET_FILE:segmpi> help ${ARGN} > ${printed}/${name}
                     DEPENDS segmpi VERBATIM)
  set(segmpi_printed ${segmpi_printed} ${printed}/${name} PARENT_SCOPE)
endfunction()

# segmpi_zip(FILE NAME): as Debian wants it.
function(segmpi_zip file name)
  add_custom_command(OUTPUT ${printed}/${name}.gz COMMAND gzip -9nc ${file} > ${printed}/${name}.gz DEPENDS ${file}
                     VERBATIM)
  set(segmpi_printed ${segmpi_printed} ${printed}/${name}.gz PARENT_SCOPE)
endfunction()

segmpi_print(segmpi --completion)
segmpi_zip(${CMAKE_CURRENT_LIST_DIR}/changelog changelog)
segmpi_print(segmpi.1 --man)
segmpi_zip(${printed}/segmpi.1 segmpi.1)
file(GLOB commands CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/cli/cmd_*.c)
foreach(file ${commands})
  string(REGEX REPLACE ".*/cmd_(.*)\\.c" "\\1" command ${file})
  segmpi_print(segmpi-${command}.1 --man ${command})
  segmpi_zip(${printed}/segmpi-${command}.1 segmpi-${command}.1)
endforeach()
add_custom_target(printed ALL DEPENDS ${segmpi_printed})

install(TARGETS segmpi RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${printed}/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1.gz")
install(FILES ${printed}/segmpi DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES README.md jobs/packaging/copyright ${printed}/changelog.gz DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY data/catalog data/schema data/sample DESTINATION ${segmpi_share})
install(FILES data/README.md DESTINATION ${segmpi_share})
install(DIRECTORY jobs DESTINATION ${segmpi_share}
        FILES_MATCHING PATTERN "job.sh" PATTERN "mpi-env.sh" PATTERN "README.md"
        PATTERN "packaging" EXCLUDE)
file(GLOB batch CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/jobs/*.sbatch)
install(PROGRAMS ${batch} jobs/nightly.sh DESTINATION ${segmpi_share}/jobs)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "segmpi maintainers <maintainers@segmpi.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(segmpi_launcher openmpi-bin)
if(SEG_MPI STREQUAL mpich)
  set(segmpi_launcher mpich)
endif()
set(CPACK_DEBIAN_PACKAGE_DEPENDS "${segmpi_launcher}, libopenblas0-serial")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "gnuplot-nox, slurm-client, bash-completion")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "k-means, principal components or an autoencoder, and named segments with
advice for any number of clients, on MPI and parallel HDF5: the same bits on
any number of ranks.")
include(CPack)
