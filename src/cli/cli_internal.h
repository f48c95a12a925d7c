/* Inside cli/: the table of commands, option rows, and the session of one run. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/embedding.h"
#include "segmpi/error.h"
#include "segmpi/json.h"
#include "segmpi/kernels.h"
#include "segmpi/kmeans.h"
#include "segmpi/model.h"
#include "segmpi/prep.h"
#include "segmpi/provenance.h"
#include "segmpi/table.h"

/* ---- options: one row is the parser, the default, the help and the record of an option ---- */

typedef enum cli_kind {
    CLI_FLAG,  /* bool */
    CLI_TEXT,  /* const char * */
    CLI_FILE,  /* const char *; recorded by its base name */
    CLI_INT,   /* int */
    CLI_AUTO,  /* int, or the word auto: 0 */
    CLI_COUNT, /* int64_t */
    CLI_NUMBER /* double */
} cli_kind;

#define CLI_REQUIRED 1u
#define CLI_HDF5     4u  /* an input in HDF5 */
#define CLI_COLUMN   16u /* a column, or a list of them, which the shell completes */
#define CLI_VARIABLE 8u  /* its SEGMPI_ variable is read where it is used */
#define CLI_RECORDED 2u  /* part of the effective options in the output: it decides the result */

typedef struct cli_option {
    const char *name;     /* without the dashes */
    int letter;           /* 0: none */
    const char *argument; /* its name in the help; NULL for a flag */
    const char *choices;  /* words that the shell completes, between blanks; NULL: none */
    const char *fallback; /* the default as the user would write it; NULL: unset */
    const char *help;
    cli_kind kind;
    void *value;                             /* of the kind's type */
    double least, most;                      /* of numbers; 0 and 0: not bounded */
    seg_status (*accept)(const char *value); /* of texts: checks and translates; may be NULL */
    unsigned marks;
    bool (*applies)(void); /* once all words are read: false if they give it nothing to decide;
                              NULL: always; it is then refused, with `needs`, and not recorded */
    const char *needs;
} cli_option;

/* Options that mean the same in every command; a command lists those that it has. */
typedef struct cli_shared {
    const char *config;
    bool help, quiet, verbose, timing, dry_run, force, record_host;
    const char *json;
    int64_t seed;
    double deadline;
    bool resume;
    double max_seconds, checkpoint_interval;
} cli_shared;

/* Which columns, how they are prepared and embedded, k-means, and sweeps over k. */
typedef struct cli_method {
    seg_table_opts table;
    seg_prep_opts prep;
    seg_embed_opts embed;
    seg_kmeans_opts kmeans;
    int k_max;            /* of a sweep over k */
    int64_t memory_limit; /* per rank; 0: none */
    const char *scratch;  /* folder of scratch files; NULL: that of the output */
} cli_method;

#define CLI_TALK        1u /* --quiet --verbose */
#define CLI_RANKS       2u /* --timing --deadline */
#define CLI_FORCE       4u
#define CLI_JSON        8u
#define CLI_DRY_RUN     16u
#define CLI_SEED        32u
#define CLI_RECORD_HOST 64u
#define CLI_COLUMNS     128u /* --columns --exclude-columns --dataset */
#define CLI_PREPARE     256u /* --impute --outliers --scale */
#define CLI_KMEANS      512u /* --n-init --max-iter --tol --no-swaps */
#define CLI_EMBED       1024u
#define CLI_SWEEP       2048u  /* --k-max --memory-limit --scratch */
#define CLI_CSV         4096u  /* --id-column --delimiter ...: how CSV is read */
#define CLI_CHECKPOINT  8192u  /* --resume --max-seconds --checkpoint-interval */
#define CLI_STOP        16384u /* --resume --max-seconds */
#define CLI_PSEUDONYM   32768u
#define CLI_DATASET     65536u

typedef struct cli_shared_row {
    unsigned group; /* 0: in every command */
    cli_option row;
} cli_shared_row;

/* The rows of cli_method, and what they leave to do once all words are read. */
extern const cli_shared_row cli_method_rows[];
extern const int cli_n_method_rows;
cli_method *cli_method_complete(const cli_shared *shared);
extern const cli_shared_row cli_embed_rows[];
extern const int cli_n_embed_rows;
seg_embed_opts cli_embed_complete(uint64_t seed);
extern const cli_shared_row cli_csv_rows[];
extern const int cli_n_csv_rows;
const seg_csv_opts *cli_csv_complete(void);

/* ---- commands ---- */

typedef struct cli_session cli_session;

typedef struct cli_command {
    const char *name;
    const char *summary;  /* one line */
    const char *synopsis; /* what follows the name in the usage line */
    const char *text;     /* paragraphs; NULL: none */
    const char *examples; /* command lines, each with its line end */
    const cli_option *options;
    int n_options;
    unsigned shared;
    int least_arguments, most_arguments; /* words that are not options */
    /* Before MPI starts: what the rows cannot check; may be NULL. */
    seg_status (*check)(const cli_session *session);
    bool needs_mpi;
    seg_status (*run)(
        cli_session *session); /* collective if needs_mpi: the same status on all ranks */
} cli_command;

extern const cli_command cli_import, cli_generate, cli_describe, cli_elbow, cli_fit, cli_score,
    cli_compare, cli_export, cli_report, cli_inspect, cli_help, cli_doctor;

extern const cli_command *const cli_commands[];
extern const int cli_n_commands;
/* SEG_ERR_USAGE with the nearest name if there is none. */
seg_status cli_command_find(const char *name, const cli_command **out);

#define CLI_MAX_ROWS 96
/* The command's rows, then those of the method, then its shared ones; their number. */
int cli_rows_of(const cli_command *command, const cli_option *rows[CLI_MAX_ROWS]);

/* Sets every option of the command to its default, then to what the words say; fills the arguments
 * of the session.  words[0] is the command. */
seg_status cli_parse(const cli_command *command, int n_words, char **words, cli_session *session);
/* What has set an option: the later ones win. */
typedef enum cli_source { CLI_DEFAULT, CLI_CONFIG, CLI_ENVIRONMENT, CLI_WORD } cli_source;
cli_source cli_source_of(const char *name);
/* Reads an option file: keys of `command`, in its section or above all sections; those of other
 * commands are passed over, unknown ones are SEG_ERR_USAGE with the nearest name. */
seg_status cli_config_read(const char *path, const cli_command *command);
/* The file's value and line for a row of cli_rows_of(), and that of the variable, whose name is
 * filled in; NULL where there is none. */
const char *cli_config_value(int row, int *line);
const char *cli_variable_value(const cli_option *row, char *name, size_t size);
/* The effective options that decide the result, as one line of JSON, owned by the caller
 * (seg_free). */
seg_status cli_options_record(const cli_command *command, char **json);
/* A hash of all effective options. */
seg_status cli_options_hash(const cli_command *command, uint64_t *hash);

void cli_version_print(void);
void cli_help_print(const cli_command *command);
/* The manual page of a command, or of segmpi for NULL, as roff; the completion script of bash. */
void cli_manual_print(const cli_command *command);
void cli_completion_print(void);
extern const char cli_exit_codes[], cli_environment[]; /* lines of text */

/* Of a command with CLI_CSV: marks that contradict each other, and words that say how CSV is read
 * where the clients are none. */
seg_status cli_csv_check(const cli_session *session);

/* ---- one run ---- */

struct cli_session {
    const cli_command *command;
    const cli_shared *shared;
    cli_method *method;
    const seg_csv_opts *csv;  /* without paths and columns */
    const char *command_line; /* as typed */
    int n_arguments;
    const char *const *arguments;
    const seg_kernels *kernels; /* NULL without MPI */
    seg_comm *comm;             /* NULL without MPI */
    bool is_done;               /* resumed when the output was there already */
};

/* Before anything else: signals, core dumps, and the rank that the launcher names. */
void cli_process_prepare(void);
/* Before a failed process leaves without MPI: the launcher ends all when the first one does, so
 * rank 0, which speaks, goes first. */
void cli_process_yield(void);
/* Local, without MPI.  Inputs in HDF5 do not make HDF5 crash, each tried by a process of its own.
 */
seg_status cli_inputs_probe(const cli_session *session);
/* Collective.  Chooses BLAS kernels (the process may start over), then starts MPI. */
seg_status cli_session_open(int argc, char **argv, cli_session *session);
/* Collective with MPI.  Nothing may be written that the run reads or that exists without --force,
 * and the folders must be there: SEG_ERR_CANTCREATE before any work.  The outputs are values of
 * options; NULL paths are skipped.  A run with checkpoints that resumes may find its first output:
 * that is looked at later (checkpoint.h). */
seg_status cli_outputs_check(cli_session *session, int n, const char *const *outputs);
/* Collective.  The result on standard output is complete, or SEG_ERR_IO. */
seg_status cli_session_flush(cli_session *session);
/* Collective.  The fields that every command has; *options owned by the caller (seg_free). */
seg_status cli_provenance_start(const cli_session *session, seg_provenance *provenance,
                                char **options);
/* Local.  Name and size of an input. */
void cli_provenance_input(const char *path, seg_provenance *provenance);

/* ---- clients ---- */

#define CLI_PATH 4096

/* Where the clients of a run are read from: an HDF5 file, or CSV files that are imported first. */
typedef struct cli_clients {
    bool is_csv, is_imported;
    char path[CLI_PATH]; /* of the table to open: of CSV .NAME.clients beside the output, or here */
    seg_table_opts table; /* with which it is opened */
    seg_csv_summary csv;
    seg_output *imported; /* locked as long as it is held: other runs leave the file alone; owned */
} cli_clients;

/* Where the clients stand in the arguments: the last one that a command must have, and all behind
 * it. */
int cli_clients_argument(const cli_command *command);
/* Collective.  Imports CSV, of which the columns `wanted` and those in the list `also` (NULL: none)
 * are read; `output` may be NULL.  The options, borrowed, are those of the table in the end.
 * To be released in any case, after the table has been closed. */
seg_status cli_clients_open(cli_session *session, const char *output, const seg_table_opts *wanted,
                            const char *also, cli_clients *clients);
void cli_clients_release(const cli_session *session, cli_clients *clients);
/* Collective.  What an output says about the clients it comes from; reads the table once. */
seg_status cli_provenance_table(const cli_session *session, const cli_clients *clients,
                                seg_table *table, seg_provenance *provenance);
/* Collective.  The rest of what decides the result: names of columns, columns that are only
 * profiled (NULL: none), other input files. */
seg_status cli_provenance_others(const cli_session *session, seg_table *table, seg_table *extra,
                                 int n, const char *const *paths, seg_provenance *provenance);
/* Two lists of names, each may be NULL, as one. */
seg_status cli_columns_join(const char *a, const char *b, char joined[CLI_PATH]);

/* Collective.  How a fit or a sweep keeps to --memory-limit, with a scratch file in --scratch or in
 * the folder of `output`; borrowed by `fit`. */
seg_status cli_settle(cli_session *session, const seg_table *table, const char *output,
                      seg_fit_opts *fit);
/* True on the rank that makes the document of --json, unless a run that was done has made it. */
bool cli_wants_json(const cli_session *session);
/* Collective.  Agrees on `local`, the status of making `json`; writes and frees it.  It is NULL
 * where cli_wants_json() is not true. */
seg_status cli_json_write(cli_session *session, seg_status local, seg_json *json);
/* True on the rank that prints the result, unless --quiet or --json - asks for silence. */
bool cli_shows_result(const cli_session *session);
