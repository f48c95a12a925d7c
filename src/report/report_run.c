/* What a run did or would do: imports, synthetic clients, plans, and the table of phases. */
#include <stdio.h>

#include "report_internal.h"
#include "segmpi/comm.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/text.h"
#include "segmpi/timer.h"

void seg_report_scratch(int64_t bytes, const char *folder)
{
    char text[32];

    if (bytes > 0)
        seg_log_note("clients that memory has no room for: %s per rank in a scratch file in '%s'",
                     seg_text_bytes(bytes, text, sizeof text), folder);
}

/* One figure of a plan. */
static void print_line(const char *name, const char *figure, const char *more)
{
    printf("%-17s %s%s\n", name, figure, more);
}

void seg_report_plan(const seg_plan *plan)
{
    char text[32];

    print_line("clients", seg_text_count(plan->n, text, sizeof text), "");
    print_line("columns", seg_text_count(plan->d, text, sizeof text), "");
    if (plan->n_groups > 0) {
        print_line("groups of k", seg_text_count(plan->n_groups, text, sizeof text), "");
        print_line("memory of fits", seg_text_bytes(plan->sweep, text, sizeof text), " per rank");
    }
    print_line("memory per rank", seg_text_bytes(plan->memory, text, sizeof text), "");
    print_line("output", seg_text_bytes(plan->output_bytes, text, sizeof text), "");
    if (plan->scratch > 0)
        print_line("scratch file", seg_text_bytes(plan->scratch, text, sizeof text), " per rank");
    if (plan->weights == 0) return;
    print_line("autoencoder", seg_text_count(plan->weights, text, sizeof text), " weights");
    (void)snprintf(text, sizeof text, "%.3g Gflop", 1e-9 * plan->flops);
    print_line("training", text, " at most, on all ranks together");
}

void seg_report_elbow_memory(const seg_plan *plan)
{
    char sweep[32];

    if (plan->n_groups > 1)
        seg_log_note("fits of all k in %d groups: %s per rank", plan->n_groups,
                     seg_text_bytes(plan->sweep, sweep, sizeof sweep));
    else
        seg_log_note("fits of all k together: %s per rank",
                     seg_text_bytes(plan->sweep, sweep, sizeof sweep));
}

void seg_report_import(const char *path, const seg_csv_summary *summary)
{
    char rows[32], cells[32], bytes[32], clean[400];

    printf("%s: %s client%s, %d feature%s, %s missing cell%s\n",
           seg_text_clean(path, clean, sizeof clean),
           seg_text_count(summary->rows, rows, sizeof rows), REPORT_S(summary->rows), summary->d,
           REPORT_S(summary->d), seg_text_count(summary->missing_cells, cells, sizeof cells),
           REPORT_S(summary->missing_cells));
    if (summary->bad_rows > 0)
        printf("%s bad row%s left out\n", seg_text_count(summary->bad_rows, rows, sizeof rows),
               REPORT_S(summary->bad_rows));
    if (summary->excluded_rows > 0)
        printf("%s excluded row%s left out\n",
               seg_text_count(summary->excluded_rows, rows, sizeof rows),
               REPORT_S(summary->excluded_rows));
    printf("%s of CSV", seg_text_bytes(summary->bytes, bytes, sizeof bytes));
    if (summary->parse_seconds > 0)
        printf(", %.0f MB/s", 1e-6 * (double)summary->bytes / summary->parse_seconds);
    putchar('\n');
}

void seg_report_generate(const char *path, const char *csv_path, int64_t n)
{
    char clients[32], clean[400];

    printf("%s: %s synthetic client%s\n", seg_text_clean(path, clean, sizeof clean),
           seg_text_count(n, clients, sizeof clients), REPORT_S(n));
    if (csv_path) printf("%s: the same as CSV\n", seg_text_clean(csv_path, clean, sizeof clean));
}

void seg_report_check(const seg_input *in, int64_t n_blocks)
{
    char blocks[32];

    if (*seg_input_format(in) == '\0')
        printf("ok: it can be read, but holds no checksums of segmpi\n");
    else if (n_blocks == 0)
        printf("ok: the checksum of its content is equal; it has no blocks of clients\n");
    else
        printf("ok: %s block%s, all checksums equal\n",
               seg_text_count(n_blocks, blocks, sizeof blocks), REPORT_S(n_blocks));
}

/* Seconds and share of waiting are the largest of all ranks, bytes the sum. */
static seg_phase reduce_phase(seg_comm *comm, const seg_phase *phase)
{
    double most[2] = { phase->seconds, phase->seconds > 0 ? phase->waiting / phase->seconds : 0 };
    int64_t bytes = phase->bytes;

    seg_max_double(comm, most, 2);
    seg_sum_int64(comm, &bytes, 1);
    return (seg_phase) { .name = phase->name,
                         .seconds = most[0],
                         .waiting = most[1],
                         .bytes = bytes,
                         .collectives = phase->collectives };
}

void seg_report_timing(seg_comm *comm)
{
    int n;
    const seg_phase *phases = seg_phase_list(&n);
    int64_t memory = SEG_PROGRAM_BYTES + seg_memory_peak(), same = n;
    bool speaks = seg_comm_rank(comm) == 0;
    char text[32];

    seg_min_int64(comm, &same, 1);
    seg_max_int64(comm, &memory, 1);
    if (speaks)
        fprintf(stderr, "%-16s %10s %10s %8s %12s %9s\n", "phase", "seconds", "GB", "GB/s",
                "collectives", "waiting");
    for (int i = 0; i < same; i++) {
        seg_phase all = reduce_phase(comm, &phases[i]);
        if (!speaks) continue;
        fprintf(stderr, "%-16s %10.3f ", all.name, all.seconds);
        if (all.bytes > 0 && all.seconds > 0)
            fprintf(stderr, "%10.3f %8.2f", 1e-9 * (double)all.bytes,
                    1e-9 * (double)all.bytes / all.seconds);
        else
            fprintf(stderr, "%10s %8s", "", "");
        fprintf(stderr, " %12lld %7.1f %%\n", (long long)all.collectives, 100 * all.waiting);
    }
    if (speaks)
        fprintf(stderr, "memory at most %s per rank, %d ranks\n",
                seg_text_bytes(memory, text, sizeof text), seg_comm_size(comm));
}
