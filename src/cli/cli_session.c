/* The surroundings of one run: signals, the launcher's rank, BLAS kernels, MPI, outputs. */
#include "cli_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "segmpi/log.h"
#include "segmpi/stop.h"
#include "segmpi/store.h"
#include "segmpi/text.h"

/* The rank as the launcher names it, before MPI can tell: -1 where there is no launcher. */
static int launcher_rank(void)
{
    static const char *const names[] = { "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK",
                                         "SLURM_PROCID" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = getenv(names[i]);
        int64_t rank;
        if (text && seg_text_int64(text, &rank)) return (int)rank;
    }
    return -1;
}

/* What is said on a stream that is closed would end in the file that is opened in its place.  There
 * reading and writing fail, as they do where nothing is open. */
static void hold_streams(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) < 0)
            (void)open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void cli_process_prepare(void)
{
    const struct rlimit none = { 0, 0 };
    int rank = launcher_rank();

    hold_streams();
    (void)setrlimit(RLIMIT_CORE, &none); /* memory holds personal data */
    (void)signal(SIGPIPE, SIG_IGN);      /* errors come back as codes */
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)unsetenv("POSIXLY_CORRECT"); /* options may stand behind words, everywhere */
    if (rank < 0) return;
    seg_error_set_rank(rank);
    /* A launcher may give its ranks a terminal of their own, wherever their output goes. */
    (void)setenv("NO_COLOR", "1", 1);
    if (rank > 0 && !freopen("/dev/null", "w", stdout)) return;
}

void cli_process_yield(void)
{
    const struct timespec long_enough = { .tv_sec = 5 };

    if (seg_error_rank() != 0) (void)nanosleep(&long_enough, NULL);
}

/* OpenBLAS reads the core type when it is loaded, so the process starts over with a better one.
 * If that fails it goes on with what it has. */
static void choose_blas(char **argv)
{
    const char *better = seg_blas_better_core();

    seg_blas_init();
    if (!better || getenv("OPENBLAS_CORETYPE")) return;
    if (setenv("OPENBLAS_CORETYPE", better, 1) == 0) (void)execv("/proc/self/exe", argv);
    (void)unsetenv("OPENBLAS_CORETYPE");
}

/* Collective. */
static bool is_same(seg_comm *comm, uint64_t hash)
{
    int64_t least = (int64_t)(hash >> 1), most = least;

    seg_min_int64(comm, &least, 1);
    seg_max_int64(comm, &most, 1);
    return least == most;
}

/* Collective.  Last bits depend on the BLAS kernels, so they must be the same everywhere. */
static seg_status compare_blas(seg_comm *comm)
{
    const char *core = seg_blas_core();

    if (is_same(comm, seg_hash(core, strlen(core), 0))) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CONFIG,
                    "the ranks run on different CPUs, for which OpenBLAS computes different last "
                    "bits (here '%s'); set OPENBLAS_CORETYPE to one that all have",
                    core);
}

/* Collective.  Each rank has read option file and variables for itself. */
static seg_status compare_options(seg_comm *comm, const cli_command *command)
{
    uint64_t hash = 0;

    SEG_TRY(seg_agree(comm, cli_options_hash(command, &hash)));
    if (is_same(comm, hash)) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CONFIG,
                    "the ranks have different options: an option file or a SEGMPI_ variable is not "
                    "the same on all nodes");
}

static seg_status choose_kernels(cli_session *session)
{
    const char *wanted = getenv("SEGMPI_SIMD");
    char clean[32];

    session->kernels = seg_kernels_choose();
    if (session->kernels) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CONFIG,
                    "SEGMPI_SIMD is '%s', which is unknown or not supported by this CPU; use ref, "
                    "v3 or v4, or unset it",
                    seg_text_clean(wanted ? wanted : "", clean, sizeof clean));
}

static seg_status check_deadline(void)
{
    const char *text = getenv("SEGMPI_DEADLINE");
    char clean[32];
    double seconds;

    if (!text || (seg_text_double(text, &seconds) && seconds >= 0)) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CONFIG,
                    "SEGMPI_DEADLINE is '%s', expected seconds, 0 for no deadline; set or unset it",
                    seg_text_clean(text, clean, sizeof clean));
}

seg_status cli_inputs_probe(const cli_session *session)
{
    const cli_option *rows[CLI_MAX_ROWS];
    int n = cli_rows_of(session->command, rows);

    SEG_TRY(seg_fault("inputs_probe", SEG_ERR_IO));
    for (int i = 0; i < session->n_arguments; i++)
        SEG_TRY(seg_input_probe(session->arguments[i]));
    for (int i = 0; i < n; i++) {
        const char *path = rows[i]->marks & CLI_HDF5 ? *(const char *const *)rows[i]->value : NULL;
        if (path) SEG_TRY(seg_input_probe(path));
    }
    return SEG_OK;
}

seg_status cli_session_open(int argc, char **argv, cli_session *session)
{
    SEG_TRY(check_deadline());
    choose_blas(argv);
    seg_status probed = launcher_rank() <= 0 ? cli_inputs_probe(session) : SEG_OK;
    seg_stop_catch();
    if (session->shared->deadline >= 0) seg_watchdog_set(session->shared->deadline);
    seg_store_init();
    SEG_TRY(seg_comm_open(&argc, &argv, &session->comm));
    if (session->command->shared & CLI_CHECKPOINT)
        seg_stop_limit(session->shared->max_seconds, session->shared->checkpoint_interval);
    if (session->command->shared & CLI_STOP) {
        seg_stop_limit(session->shared->max_seconds, -1);
        seg_stop_hold(true); /* until the command has something to keep */
    }
    SEG_TRY(seg_agree(session->comm, probed == SEG_OK ? choose_kernels(session) : probed));
    SEG_TRY(compare_blas(session->comm));
    SEG_TRY(compare_options(session->comm, session->command));
    seg_log_detail("%d ranks, SIMD level %s, %s", seg_comm_size(session->comm),
                   session->kernels->name, seg_blas_library());
    return SEG_OK;
}

/* ---- outputs ---- */

/* The folder of `path`; false if its name is too long. */
static bool folder_of(const char *path, char folder[4096])
{
    const char *slash = strrchr(path, '/');

    if (!seg_text_copy(folder, 4096, slash ? path : ".")) return false;
    if (slash) folder[slash == path ? 1 : slash - path] = '\0';
    return true;
}

/* The folder of `path` can take a new file. */
static seg_status check_folder(const char *path)
{
    char folder[4096];
    struct stat found;

    if (!folder_of(path, folder))
        return SEG_FAIL(SEG_ERR_CANTCREATE, "the name '%.80s...' is too long", path);
    if (stat(folder, &found) != 0)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "cannot write '%s': folder '%s': %s", path, folder,
                        strerror(errno));
    if (!S_ISDIR(found.st_mode))
        return SEG_FAIL(SEG_ERR_CANTCREATE, "cannot write '%s': '%s' is not a folder", path,
                        folder);
    if (access(folder, W_OK | X_OK) != 0)
        return SEG_FAIL(SEG_ERR_PERMISSION, "cannot write '%s': folder '%s': %s", path, folder,
                        strerror(errno));
    return SEG_OK;
}

static bool same_file(const char *path, const struct stat *other)
{
    struct stat found;

    return stat(path, &found) == 0 && found.st_dev == other->st_dev &&
           found.st_ino == other->st_ino;
}

/* One name in one folder, however it is spelt. */
static bool same_name(const char *a, const char *b)
{
    char folders[2][4096];
    struct stat found;

    return strcmp(seg_text_base_name(a), seg_text_base_name(b)) == 0 && folder_of(a, folders[0]) &&
           folder_of(b, folders[1]) && stat(folders[0], &found) == 0 &&
           same_file(folders[1], &found);
}

/* A file that the run reads: an argument, or what an option names that is not among the outputs. */
static bool is_input(const cli_session *session, int n, const char *const *outputs,
                     const struct stat *file)
{
    const cli_option *rows[CLI_MAX_ROWS];
    int n_rows = cli_rows_of(session->command, rows);

    for (int i = 0; i < session->n_arguments; i++)
        if (same_file(session->arguments[i], file)) return true;
    for (int i = 0; i < n_rows; i++) {
        const char *path = rows[i]->kind == CLI_FILE ? *(const char *const *)rows[i]->value : NULL;
        for (int o = 0; o < n; o++)
            if (path == outputs[o]) path = NULL;
        if (path && same_file(path, file)) return true;
    }
    return false;
}

static seg_status check_output(const cli_session *session, int n, const char *const *outputs,
                               const char *path, bool force)
{
    struct stat found;

    if (lstat(path, &found) == 0 && S_ISLNK(found.st_mode) && !force)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' exists, as a link; --force replaces it", path);
    if (stat(path, &found) != 0) return check_folder(path);
    if (is_input(session, n, outputs, &found))
        return SEG_FAIL(SEG_ERR_USAGE, "'%s' is an input; choose another output", path);
    if (S_ISDIR(found.st_mode))
        return SEG_FAIL(SEG_ERR_CANTCREATE, "cannot write '%s': it is a folder", path);
    if (!force) return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' exists; --force replaces it", path);
    return check_folder(path);
}

/* A run that goes on, and whose output is there: a killed one may have got that far. */
static bool may_be_done(const cli_session *session, const char *output)
{
    return (session->command->shared & CLI_CHECKPOINT) != 0 && session->shared->resume && output &&
           access(output, F_OK) == 0;
}

static seg_status check_outputs(const cli_session *session, int n, const char *const *outputs)
{
    bool force = session->shared->force || may_be_done(session, outputs[0]);

    SEG_TRY(seg_fault("outputs_check", SEG_ERR_CANTCREATE));
    for (int i = 0; i < n; i++) {
        if (!outputs[i] || strcmp(outputs[i], "-") == 0) continue;
        for (int other = 0; other < i; other++)
            if (outputs[other] && same_name(outputs[i], outputs[other]))
                return SEG_FAIL(SEG_ERR_USAGE, "two outputs are named '%s'", outputs[i]);
        SEG_TRY(check_output(session, n, outputs, outputs[i], force));
    }
    return SEG_OK;
}

seg_status cli_outputs_check(cli_session *session, int n, const char *const *outputs)
{
    seg_status local = seg_error_rank() == 0 ? check_outputs(session, n, outputs) : SEG_OK;

    return session->comm ? seg_agree(session->comm, local) : local;
}

/* ---- standard output ---- */

seg_status cli_session_flush(cli_session *session)
{
    seg_status local = seg_fault("standard_output", SEG_ERR_IO);

    /* A reader that has gone away, such as head, wanted no more. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE)
        local = SEG_FAIL(SEG_ERR_IO, "cannot write to standard output: %s", strerror(errno));
    return session->comm ? seg_agree(session->comm, local) : local;
}

/* ---- what goes with a result ---- */

seg_status cli_provenance_start(const cli_session *session, seg_provenance *provenance,
                                char **options)
{
    *provenance = (seg_provenance) {
        .command = session->command->name,
        .seed = (uint64_t)session->shared->seed,
        .command_line = session->command_line,
        .ranks = seg_comm_size(session->comm),
        .simd = session->kernels->name,
        .blas = seg_blas_library(),
        .record_host = session->shared->record_host,
    };
    seg_status local = seg_fault("options_record", SEG_ERR_MEMORY);
    if (local == SEG_OK) local = cli_options_record(session->command, options);
    provenance->options = *options;
    return seg_agree(session->comm, local);
}

void cli_provenance_input(const char *path, seg_provenance *provenance)
{
    const char *slash = strrchr(path, '/');
    struct stat found;

    provenance->input_name = slash ? slash + 1 : path;
    provenance->input_bytes = stat(path, &found) == 0 ? found.st_size : 0;
}

seg_status cli_provenance_table(const cli_session *session, const cli_clients *clients,
                                seg_table *table, seg_provenance *provenance)
{
    const seg_csv_summary *csv = &clients->csv;

    cli_provenance_input(session->arguments[cli_clients_argument(session->command)], provenance);
    if (clients->is_csv) provenance->input_bytes = csv->bytes; /* of all files */
    provenance->rows_kept = seg_table_rows(table).total;
    provenance->rows_dropped = csv->bad_rows + csv->excluded_rows;
    provenance->rows_read = provenance->rows_kept + provenance->rows_dropped;
    return seg_table_fingerprint(session->comm, table, &provenance->input_fingerprint);
}

static uint64_t hash_names(const seg_table *table, uint64_t hash)
{
    const char *const *names = seg_table_names(table);

    for (int t = 0; t < seg_table_columns(table); t++)
        hash = seg_hash(names[t], strlen(names[t]) + 1, hash);
    return hash;
}

seg_status cli_provenance_others(const cli_session *session, seg_table *table, seg_table *extra,
                                 int n, const char *const *paths, seg_provenance *provenance)
{
    uint64_t hash = hash_names(table, 0), content;
    seg_status local = SEG_OK;

    if (extra) {
        SEG_TRY(seg_table_fingerprint(session->comm, extra, &content));
        hash = hash_names(extra, seg_hash(&content, sizeof content, hash));
    }
    provenance->other_inputs = hash;
    if (seg_error_rank() == 0) local = seg_provenance_add_files(provenance, n, paths);
    return seg_agree(session->comm, local);
}

seg_status cli_settle(cli_session *session, const seg_table *table, const char *output,
                      seg_fit_opts *fit)
{
    static char folder[4096];

    (void)folder_of(output, folder); /* which cli_outputs_check() has looked at */
    fit->scratch = session->method->scratch ? session->method->scratch : folder;
    return seg_model_settle(table, seg_comm_size(session->comm), fit);
}

seg_status cli_json_write(cli_session *session, seg_status local, seg_json *json)
{
    if (json && local == SEG_OK)
        local = seg_json_write(json, session->shared->json, session->shared->force);
    seg_json_free(json);
    return seg_agree(session->comm, local);
}

bool cli_wants_json(const cli_session *session)
{
    const char *path = session->shared->json;

    return seg_error_rank() == 0 && path && !(session->is_done && access(path, F_OK) == 0);
}

bool cli_shows_result(const cli_session *session)
{
    const cli_shared *shared = session->shared;

    return seg_error_rank() == 0 && !shared->quiet &&
           !(shared->json && strcmp(shared->json, "-") == 0);
}
