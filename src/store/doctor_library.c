/* The libraries of files, judged.  Source: the HDF Group's list of CVEs. */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "segmpi/doctor_files.h"
#include "store_internal.h"

void seg_doctor_files(seg_findings *findings)
{
    const char *name = seg_store_library(), *advice = NULL;
    long version = seg_doctor_version(name + strlen("HDF5 "));
    seg_verdict verdict = SEG_VERDICT_FINE;
    unsigned v = XXH_versionNumber();
    bool hashes = XXH3_64bits("segmpi", 6) == XXH3_64bits_withSeed("segmpi", 6, 0);
    char text[64];

    if (version < SEG_DOCTOR_VERSION(1, 14, 4)) {
        verdict = SEG_VERDICT_NOTE;
        advice = "it can crash on files that are damaged or made to do harm; segmpi has a process "
                 "of its own try each input first";
    }
    if (version < SEG_DOCTOR_VERSION(1, 10, 0)) {
        verdict = SEG_VERDICT_BAD;
        advice = "segmpi needs HDF5 1.10 or later";
    }
    seg_findings_add(findings, "HDF5", verdict, name, advice);
    (void)snprintf(text, sizeof text, "xxHash %u.%u.%u", v / 10000, v / 100 % 100, v % 100);
    seg_findings_add(findings, "checksums", hashes ? SEG_VERDICT_FINE : SEG_VERDICT_BAD, text,
                     NULL);
}
