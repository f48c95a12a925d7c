/* Status codes, the error record, and the macros that carry a failure up to main.
 *
 * A function that can fail returns seg_status.  SEG_FAIL() at the origin records file, line, rank
 * and one sentence (lower case, no full stop, what went wrong first, names in quotes, the remedy if
 * known).  The first record of a process wins; callers add "while ..." lines; main prints it once.
 * The status is the exit code (sysexits.h). */
#pragma once

#include <stdbool.h>

typedef enum seg_status {
    SEG_OK = 0,
    SEG_ERR_GATE = 1,         /* a gate that the user asked for (--fail-on) tripped */
    SEG_ERR_USAGE = 64,       /* command line */
    SEG_ERR_DATA = 65,        /* bad data, model or checkpoint */
    SEG_ERR_NOINPUT = 66,     /* an input is missing */
    SEG_ERR_INTERNAL = 70,    /* a bug */
    SEG_ERR_MEMORY = 71,      /* out of memory or process limits */
    SEG_ERR_CANTCREATE = 73,  /* an output exists, is in use or cannot be created */
    SEG_ERR_IO = 74,          /* read, write, sync; disk full */
    SEG_ERR_INTERRUPTED = 75, /* stopped after a valid checkpoint, run again */
    SEG_ERR_PEER = 76,        /* a rank stopped answering or a deadline passed */
    SEG_ERR_PERMISSION = 77,  /* permission denied */
    SEG_ERR_CONFIG = 78       /* unsafe platform or configuration */
} seg_status;

/* Plain data, so that it can be sent to other ranks as bytes. */
typedef struct seg_error {
    seg_status status;
    int rank;
    int line;
    char file[40];
    char text[800];     /* the sentence */
    char context[1200]; /* "\n  while ..." lines, innermost first */
} seg_error;

/* The record of this process; status SEG_OK when nothing has failed.  Never NULL.  Local. */
const seg_error *seg_error_get(void);

/* Makes `record` the record of this process and returns its status.  Local; used by seg_agree(). */
seg_status seg_error_adopt(const seg_error *record);

/* Adds a "while ..." line to the record.  Local; does nothing when nothing has failed. */
void seg_error_while(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Forgets the record, for a caller that has handled the failure.  Local. */
void seg_error_clear(void);

/* The system has failed a read of this process, for that reason ("": take it back), and a library
 * may have gone on without what it could not read.  What looks like bad data from now on may be
 * none: a failure recorded as SEG_ERR_DATA is SEG_ERR_IO and says so.  Local. */
void seg_error_doubt(const char *reason);

/* The rank that new records carry; 0 until comm/ sets it.  Local. */
void seg_error_set_rank(int rank);
int seg_error_rank(void);

/* True if the record's cause lies in what the user gave: the command line, data, paths,
 * platform. */
bool seg_error_is_users(void);

/* Prints "segmpi COMMAND: text (rank 3, file.c:88)" and the context to stderr; `command` may be
 * NULL, and the place is left out on request.  Local; called once, by main. */
void seg_error_print(const char *command, bool place);

/* Use SEG_FAIL().  The sentence passes seg_text_clean(), as it may quote data. */
seg_status seg_error_record(seg_status status, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The status for an errno of a file operation: ENOENT 66, EACCES 77, ENOMEM 71, EEXIST 73,
 * others 74. */
seg_status seg_status_of_errno(int error_number);

/* Use SEG_ASSERT(). */
_Noreturn void seg_assert_failed(const char *file, int line, const char *condition);

#define SEG_FAIL(status, ...) seg_error_record((status), __FILE__, __LINE__, __VA_ARGS__)

/* Where nothing is owned. */
#define SEG_TRY(call)                                                                              \
    do {                                                                                           \
        seg_status seg_try_status = (call);                                                        \
        if (seg_try_status != SEG_OK) return seg_try_status;                                       \
    } while (0)

/* Where something is owned: needs a variable `seg_status status` and a label `done`. */
#define SEG_TRY_OR_DONE(call)                                                                      \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != SEG_OK) goto done;                                                           \
    } while (0)

/* A bug, not a user error: checked in debug builds (SEG_DEBUG), ends the process with 70. */
#ifdef SEG_DEBUG
#define SEG_ASSERT(condition)                                                                      \
    ((condition) ? (void)0 : seg_assert_failed(__FILE__, __LINE__, #condition))
#else
#define SEG_ASSERT(condition) ((void)sizeof(condition))
#endif
