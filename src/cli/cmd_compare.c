/* segmpi compare: what changed since the last scoring, and gates for a job. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli_internal.h"
#include "segmpi/compare.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define JOIN_MEMORY ((int64_t)256 << 20) /* bytes per rank */

/* Gates: figures of the comparison that must not exceed a limit. */
enum { GATE_PSI, GATE_MOVED, N_GATES };
static const char *const gate_names[N_GATES] = { "psi", "moved" };

static struct {
    const char *fail_on;
    double limit[N_GATES]; /* INFINITY: no gate */
} opts;

/* One of FIGURE=LIMIT,FIGURE=LIMIT. */
static seg_status accept_gate(const char *item, size_t length)
{
    char text[64], clean[64];
    double limit;

    (void)snprintf(text, sizeof text, "%.*s", (int)length, item);
    char *value = strchr(text, '=');
    for (int g = 0; g < N_GATES && value; g++) {
        size_t n = strlen(gate_names[g]);
        if ((size_t)(value - text) != n || strncmp(text, gate_names[g], n) != 0) continue;
        if (!seg_text_double(value + 1, &limit) || !(limit >= 0 && isfinite(limit))) break;
        opts.limit[g] = limit;
        return SEG_OK;
    }
    return SEG_FAIL(SEG_ERR_USAGE, "--fail-on is '%s', expected psi=LIMIT or moved=LIMIT",
                    seg_text_clean(text, clean, sizeof clean));
}

/* Called for each --fail-on of the command line. */
static seg_status accept_gates(const char *text)
{
    if (*text == '\0') { /* the default */
        for (int g = 0; g < N_GATES; g++)
            opts.limit[g] = INFINITY;
        return SEG_OK;
    }
    while (*text) {
        size_t length = strcspn(text, ",");
        SEG_TRY(accept_gate(text, length));
        text += length + (text[length] == ',');
    }
    return SEG_OK;
}

static const cli_option rows[] = {
    { .name = "fail-on",
      .argument = "GATES",
      .choices = "psi= moved=",
      .fallback = "",
      .help = "end with exit code 1 if a figure exceeds its limit: psi=0.25 (of any feature or of "
              "the segment shares), moved=0.2 (share of clients in both bases who changed their "
              "segment); several, comma-separated",
      .kind = CLI_TEXT,
      .value = &opts.fail_on,
      .accept = accept_gates },
};

/* Local; the same on all ranks.  A gate that cannot be judged does not let pass. */
static seg_status judge(int gate, double value, const char *what)
{
    char clean[100];

    if (isinf(opts.limit[gate])) return SEG_OK;
    if (isnan(value))
        return SEG_FAIL(SEG_ERR_DATA,
                        "--fail-on %s cannot be judged: the files do not hold all of it, or not by "
                        "the same yardstick",
                        gate_names[gate]);
    if (value <= opts.limit[gate]) return SEG_OK;
    return SEG_FAIL(SEG_ERR_GATE, "%s of %s is %.4g, --fail-on allows %.4g", gate_names[gate],
                    seg_text_clean(what, clean, sizeof clean), value, opts.limit[gate]);
}

static seg_status judge_all(const seg_comparison *c)
{
    const seg_migration *m = &c->migration;
    const char *what;
    double psi = seg_comparison_worst(c, &what);
    double both = (double)(m->stayed + m->moved);

    SEG_TRY(judge(GATE_PSI, psi, what));
    if (!seg_comparison_is_whole(c)) SEG_TRY(judge(GATE_PSI, NAN, what));
    return judge(GATE_MOVED, both > 0 ? (double)m->moved / both : NAN, "clients in both bases");
}

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK, shown = SEG_OK;
    seg_comparison c = { 0 };

    SEG_TRY_OR_DONE(cli_outputs_check(session, 1, &session->shared->json));
    SEG_TRY_OR_DONE(seg_compare_run(session->comm, session->arguments, JOIN_MEMORY, &c));
    SEG_TRY_OR_DONE(cli_json_write(session, SEG_OK,
                                   cli_wants_json(session) ? seg_report_compare_json(&c) : NULL));
    if (cli_shows_result(session)) shown = seg_report_compare(&c);
    SEG_TRY_OR_DONE(seg_agree(session->comm, shown));
    SEG_TRY_OR_DONE(cli_session_flush(session)); /* before the message of a gate */
    status = judge_all(&c);
done:
    seg_comparison_release(&c);
    return status;
}

const cli_command cli_compare = {
    .name = "compare",
    .summary = "says what changed between two scorings: drift, migration",
    .synopsis = "OLD NEW [OPTION...]",
    .text = "Both are what 'segmpi score' wrote; a model in the place of one stands for its\n"
            "training base, without migration.  Clients are joined by their ids, in any\n"
            "order; segments are compared by number.\n",
    .examples = "segmpi compare october.h5 november.h5\n"
                "mpirun -n 4 segmpi compare model.h5 november.h5 --fail-on psi=0.25\n"
                "segmpi compare october.h5 november.h5 --json drift.json\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .shared = CLI_TALK | CLI_RANKS | CLI_FORCE | CLI_JSON,
    .least_arguments = 2,
    .most_arguments = 2,
    .needs_mpi = true,
    .run = run,
};
