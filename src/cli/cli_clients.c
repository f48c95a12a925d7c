/* The clients of a run: an HDF5 file, or CSV files that become a table beside the output for as
 * long as the run lasts. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_internal.h"
#include "segmpi/memory.h"
#include "segmpi/part.h"
#include "segmpi/stop.h"

int cli_clients_argument(const cli_command *command)
{
    return command->least_arguments - 1;
}

/* Collective.  Rank 0 looks. */
static bool is_csv(cli_session *session, const char *path)
{
    bool found = false;

    if (seg_comm_rank(session->comm) == 0) found = !seg_table_is_hdf5(path);
    seg_bcast(session->comm, &found, sizeof found);
    return found;
}

/* Rank 0.  What a killed run has left there is replaced, nothing else.  No other run can begin to
 * import to it meanwhile. */
static seg_status check_imported(const cli_session *session, const char *path)
{
    struct stat found, input;
    seg_input *in = NULL;

    SEG_TRY(seg_fault("clients_place", SEG_ERR_CANTCREATE));
    if (stat(path, &found) != 0) return SEG_OK;
    for (int i = 0; i < session->n_arguments; i++)
        if (stat(session->arguments[i], &input) == 0 && input.st_dev == found.st_dev &&
            input.st_ino == found.st_ino)
            return SEG_FAIL(SEG_ERR_USAGE, "'%s' is an input; choose another output", path);
    if (seg_part_is_held(path))
        return SEG_FAIL(
            SEG_ERR_CANTCREATE,
            "'%s' belongs to a run that has not ended; wait for it, or start in another "
            "folder",
            path);
    seg_status status = seg_input_open(path, &in);
    if (status == SEG_OK) status = seg_input_expect(in, "clients");
    seg_input_close(in);
    if (status != SEG_OK) seg_error_while("making room for '%s'; move what stands there", path);
    return status;
}

/* Local.  .NAME.clients beside the output, or in the current folder, named after the CSV. */
static seg_status name_imported(const char *output, const char *csv, char path[CLI_PATH])
{
    const char *slash = strrchr(output ? output : csv, '/');
    const char *name = slash ? slash + 1 : (output ? output : csv);
    const int folder = output ? (int)(name - output) : 0;

    if (snprintf(path, CLI_PATH, "%.*s.%s.clients", folder, output ? output : "", name) < CLI_PATH)
        return SEG_OK;
    return SEG_FAIL(SEG_ERR_CANTCREATE, "the name of the output is too long");
}

/* Local.  "a,b,c" of those that are not NULL. */
static seg_status join(const char *const lists[3], char joined[CLI_PATH])
{
    size_t used = 0;

    *joined = '\0';
    for (int i = 0; i < 3 && used < CLI_PATH; i++)
        if (lists[i])
            used += (size_t)snprintf(joined + used, CLI_PATH - used, "%s%s", used > 0 ? "," : "",
                                     lists[i]);
    if (used < CLI_PATH) return SEG_OK;
    return SEG_FAIL(SEG_ERR_USAGE, "the names of columns take more than %d bytes", CLI_PATH - 1);
}

seg_status cli_columns_join(const char *a, const char *b, char joined[CLI_PATH])
{
    return join((const char *const[3]) { a, b }, joined);
}

/* Collective.  The columns that are wanted, or all; those that are not wanted may hold anything. */
static seg_status import_csv(cli_session *session, const seg_table_opts *wanted, const char *also,
                             cli_clients *clients)
{
    const int first = cli_clients_argument(session->command);
    seg_status status = SEG_OK, local = SEG_OK;
    seg_provenance provenance;
    seg_csv_opts csv = *session->csv;
    char *options = NULL, columns[CLI_PATH];

    csv.n_paths = session->n_arguments - first;
    csv.paths = session->arguments + first;
    csv.exclude_columns = wanted->exclude_columns;
    csv.n_features = wanted->n_features;
    csv.features = wanted->features;
    SEG_TRY(join((const char *const[3]) { wanted->columns, also, wanted->weights }, columns));
    if (wanted->columns) csv.columns = columns;
    SEG_TRY_OR_DONE(cli_provenance_start(session, &provenance, &options));
    status = seg_output_open(session->comm, clients->path, "clients", true, &clients->imported);
    if (status != SEG_OK)
        seg_error_while("making room for the table that CSV becomes, beside the output or here");
    SEG_TRY_OR_DONE(status);
    if (seg_comm_rank(session->comm) == 0) local = check_imported(session, clients->path);
    SEG_TRY_OR_DONE(seg_agree(session->comm, local));
    clients->is_imported = true;
    seg_stop_hold(false); /* long, and nothing of it is kept */
    SEG_TRY_OR_DONE(
        seg_csv_import(session->comm, &csv, &provenance, clients->imported, &clients->csv));
    seg_stop_hold(session->command->shared & CLI_STOP);
done:
    seg_free(options);
    return status;
}

seg_status cli_clients_open(cli_session *session, const char *output, const seg_table_opts *wanted,
                            const char *also, cli_clients *clients)
{
    const char *argument = session->arguments[cli_clients_argument(session->command)];

    *clients = (cli_clients) { .table = *wanted, .is_csv = is_csv(session, argument) };
    if (!clients->is_csv) {
        if (snprintf(clients->path, CLI_PATH, "%s", argument) < CLI_PATH) return SEG_OK;
        return SEG_FAIL(SEG_ERR_NOINPUT, "the name '%.80s...' is too long", argument);
    }
    SEG_TRY(name_imported(output, argument, clients->path));
    clients->table.exclude_columns = NULL; /* the import has left them out */
    return import_csv(session, wanted, also, clients);
}

void cli_clients_release(const cli_session *session, cli_clients *clients)
{
    if (clients->is_imported && seg_comm_rank(session->comm) == 0) (void)unlink(clients->path);
    seg_output_free(clients->imported);
    *clients = (cli_clients) { 0 };
}
