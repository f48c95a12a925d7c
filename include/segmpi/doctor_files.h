/* Findings about files: the libraries, and a canary that does in a folder what outputs rely on. */
#pragma once

#include "segmpi/doctor.h"

/* Local.  The versions of HDF5 and xxHash, judged. */
void seg_doctor_files(seg_findings *findings);
/* Collective.  Writes, reads back, renames, locks, syncs and removes files in `folder`; the same
 * findings on all.  Leaves nothing behind. */
void seg_doctor_folder(seg_comm *comm, const char *folder, seg_findings *findings);
