/* A file or folder that is complete or absent: made beside its target as .NAME.LETTERS.part, locked
 * while its run lives, synced, and given the target's name at the end.  What a killed run has left
 * is removed by the next one with the same target.  All functions are local; where several ranks
 * write one file, one of them creates, names and releases it and the others open `temp`. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/error.h"

typedef struct seg_part {
    char *path; /* the target; owned */
    char *temp; /* "" where nothing stands (any more); owned */
    bool force; /* replaces what has the target's name */
    bool folder;
    bool made; /* by this process, which removes it */
    int file;  /* its descriptor; that of the maker holds the lock; -1: none */
} seg_part;

#define SEG_PART_LETTERS 14 /* bytes that `temp` is longer than `path`, its NUL included */

/* Nothing on the disk yet; *part is owned in any case (seg_part_release). */
seg_status seg_part_init(const char *path, bool force, seg_part *part);
/* A new file of mode 0600 or folder of mode 0700, with nobody else's in the way: SEG_ERR_CANTCREATE
 * if the target exists (unless `force`) or another run is making it. */
seg_status seg_part_create(seg_part *part, bool folder);
/* For writing what another rank has created. */
seg_status seg_part_open(seg_part *part);
/* All bytes at their place, in a file that has been created or opened. */
seg_status seg_part_write(const seg_part *part, const void *bytes, int64_t size, int64_t offset);
/* A hint: what has been written there sets out for the disk now, and a sync in the end waits for
 * less. */
void seg_part_send(const seg_part *part, int64_t size, int64_t offset);
/* What this node has written of it reaches the disk; of a folder, its list of names. */
seg_status seg_part_sync(const seg_part *part);
/* Gives it the target's name, for good.  A folder that had the name then has that of the part,
 * until the release. */
seg_status seg_part_publish(seg_part *part);
/* Removes what was not published. */
void seg_part_release(seg_part *part);

/* True if the run that has published the file has not released it yet. */
bool seg_part_is_held(const char *path);
/* Removes what killed runs have left beside `path`. */
seg_status seg_part_clean(const char *path);

/* ---- plain files in a part ---- */

/* All bytes; `path` is for the message. */
seg_status seg_file_write(int file, const void *bytes, int64_t size, int64_t offset,
                          const char *path);
/* A file or folder that nobody has open any more reaches the disk. */
seg_status seg_file_sync(const char *path);
