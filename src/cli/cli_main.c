/* The program: one command is found, parsed and run; what fails is said once. */
#include "segmpi/cli.h"

#include <stdio.h>
#include <string.h>

#include "cli_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"

/* argv as one line, owned by the caller. */
static seg_status join_words(int argc, char **argv, char **line)
{
    size_t size = 1, used = 0;

    for (int i = 0; i < argc; i++)
        size += strlen(argv[i]) + 1;
    SEG_TRY(seg_alloc((int64_t)size, 1, line));
    for (int i = 0; i < argc; i++)
        used += (size_t)snprintf(*line + used, size - used, i == 0 ? "%s" : " %s",
                                 i == 0 ? "segmpi" : argv[i]);
    return SEG_OK;
}

static seg_verbosity verbosity_of(const cli_shared *shared)
{
    if (shared->quiet) return SEG_QUIET;
    return shared->verbose ? SEG_VERBOSE : SEG_NORMAL;
}

/* `words` is argv without the program, and is reordered. */
static seg_status run_command(int argc, char **argv, char **words, cli_session *session)
{
    SEG_TRY(cli_command_find(words[0], &session->command));
    const cli_command *command = session->command;

    seg_log_init(command->name, SEG_NORMAL);
    SEG_TRY(cli_parse(command, argc - 1, words, session));
    seg_log_init(command->name, verbosity_of(session->shared));
    if (session->shared->help) {
        cli_help_print(command);
        return cli_session_flush(session);
    }
    SEG_TRY(command->needs_mpi ? cli_session_open(argc, argv, session) : cli_inputs_probe(session));
    SEG_TRY(command->run(session));
    if (session->comm && session->shared->timing) seg_report_timing(session->comm);
    return cli_session_flush(session);
}

static seg_status run(int argc, char **argv, cli_session *session)
{
    seg_status status = SEG_OK;
    char *line = NULL, **words = NULL;

    if (argc < 2) return SEG_FAIL(SEG_ERR_USAGE, "no command; 'segmpi help' lists all");
    if (strcmp(argv[1], "--version") == 0) {
        cli_version_print();
        return cli_session_flush(session);
    }
    SEG_TRY_OR_DONE(join_words(argc, argv, &line));
    SEG_TRY_OR_DONE(seg_alloc(argc + 1, sizeof *words, &words));
    memcpy(words, argv, (size_t)argc * sizeof *words);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) words[1] = "help";
    session->command_line = line;
    status = run_command(argc, argv, words + 1, session);
done:
    seg_free(words);
    seg_free(line);
    return status;
}

/* Where in the program it failed: of use where it is the program's fault, or one rank's of many. */
static bool shows_place(const cli_session *session)
{
    seg_status status = seg_error_get()->status;

    if (status == SEG_ERR_USAGE || status == SEG_ERR_INTERRUPTED) return false;
    return !seg_error_is_users() || (session->shared && session->shared->verbose) ||
           (session->comm && seg_comm_size(session->comm) > 1);
}

int seg_cli_main(int argc, char **argv)
{
    cli_session session = { 0 };

    cli_process_prepare();
    seg_status status = run(argc, argv, &session);
    /* Before there is a communicator a rank may be alone with its failure, if memory is short. */
    bool alone = !session.comm && status == SEG_ERR_MEMORY;
    if (status != SEG_OK && (seg_error_rank() == 0 || alone))
        seg_error_print(session.command ? session.command->name : NULL, shows_place(&session));
    if (status != SEG_OK && !session.comm) cli_process_yield();
    seg_comm_close(session.comm);
    return (int)status;
}
