/* comm/: signals, the limit of time, and what the doctor makes of versions.  What was asked for
 * stays asked for, so the order of the tests is part of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "segmpi/comm.h"
#include "segmpi/doctor.h"
#include "segmpi/log.h"
#include "segmpi/stop.h"

static seg_comm *comm;

/* ---- before there are ranks ---- */

static _Noreturn void be_signalled(int out)
{
    const struct timespec a_second = { .tv_sec = 1, .tv_nsec = 100000000 };

    (void)dup2(out, STDERR_FILENO);
    seg_log_init("fit", SEG_NORMAL);
    seg_stop_catch();
    (void)raise(SIGTERM);
    (void)raise(SIGTERM); /* as launchers do */
    if (seg_stop_check() != SEG_ERR_INTERRUPTED || write(out, "working\n", 8) != 8) _exit(1);
    (void)nanosleep(&a_second, NULL);
    (void)raise(SIGINT);
    _exit(2);
}

static void a_second_signal_leaves_at_once(void **state)
{
    (void)state;
    char said[200] = "";
    int ends[2], result = 0;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) be_signalled(ends[1]);
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), SEG_ERR_INTERRUPTED);
    assert_true(read(ends[0], said, sizeof said - 1) > 0);
    assert_string_equal(said, "working\nsegmpi fit: stopped at once, by a second signal\n");
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void versions_are_found_and_compared(void **state)
{
    (void)state;
    assert_int_equal(seg_doctor_version("Open MPI v4.1.10"), SEG_DOCTOR_VERSION(4, 1, 10));
    assert_int_equal(seg_doctor_version("5.0.6rc1, package: x"), SEG_DOCTOR_VERSION(5, 0, 6));
    assert_true(seg_doctor_version("v4.1.10") > seg_doctor_version("v4.1.9"));
    assert_true(seg_doctor_version("v5.0.0") > seg_doctor_version("v4.99.99"));
    assert_int_equal(seg_doctor_version("5.0"), 0);
    assert_int_equal(seg_doctor_version("5.0.x"), 0);
    assert_int_equal(seg_doctor_version("MPI"), 0);
}

/* ---- with ranks ---- */

static void a_checkpoint_is_asked_for_by_signal_or_time(void **state)
{
    (void)state;
    bool is_first = seg_comm_rank(comm) == 0;

    assert_int_equal(seg_stop_asked(), 0);
    (void)raise(SIGUSR2);
    assert_int_equal(seg_stop_asked(), SEG_ASKS_SAVE);
    assert_int_equal(seg_stop_check(), SEG_OK);
    seg_stop_saving();
    assert_int_equal(seg_stop_asked(), 0);
    seg_stop_limit(0, 0); /* rank 0 has the clock */
    assert_int_equal(seg_stop_asked(), is_first ? SEG_ASKS_SAVE : 0);
    seg_stop_limit(0, 3600);
    assert_int_equal(seg_stop_asked(), 0);
}

static void time_that_is_over_stops_unless_held(void **state)
{
    (void)state;
    seg_stop_limit(1e-9, -1);
    assert_int_equal(seg_stop_asked(), SEG_ASKS_STOP);
    assert_string_equal(seg_stop_reason(), "--max-seconds");
    seg_stop_hold(true);
    assert_int_equal(seg_stop_asked(), 0);
    assert_int_equal(seg_agree(comm, SEG_OK), SEG_OK);
    seg_stop_hold(false);
    assert_int_equal(seg_agree(comm, SEG_OK), SEG_ERR_INTERRUPTED);
    assert_string_equal(seg_error_get()->text, "stopped by --max-seconds; nothing was written");
    seg_error_clear();
    seg_stop_limit(0, -1);
    assert_int_equal(seg_agree(comm, SEG_OK), SEG_OK);
}

static void a_signal_to_one_rank_stops_all(void **state)
{
    (void)state;
    bool is_last = seg_comm_rank(comm) == seg_comm_size(comm) - 1;

    if (is_last) (void)raise(SIGXCPU);
    assert_string_equal(seg_stop_reason(), is_last ? "SIGXCPU" : "another rank");
    int64_t asked = seg_stop_asked();
    seg_sum_int64(comm, &asked, 1);
    assert_int_equal(asked, SEG_ASKS_STOP);
    assert_int_equal(seg_agree(comm, SEG_OK), SEG_ERR_INTERRUPTED);
    assert_string_equal(seg_error_get()->text, "stopped by SIGXCPU; nothing was written");
    assert_int_equal(seg_error_get()->rank, seg_comm_size(comm) - 1);
    seg_error_clear();
    seg_stop_hold(true);
}

static void findings_are_the_same_on_all_ranks_and_not_too_many(void **state)
{
    (void)state;
    seg_findings findings = { .n = 0 };
    bool is_last = seg_comm_rank(comm) == seg_comm_size(comm) - 1;

    seg_doctor_conclude(comm, &findings, "disk", SEG_OK, SEG_VERDICT_BAD, "large");
    seg_doctor_conclude(comm, &findings, "disk",
                        is_last ? SEG_FAIL(SEG_ERR_IO, "the disk is full") : SEG_OK,
                        SEG_VERDICT_BAD, "large");
    assert_int_equal(findings.item[0].verdict, SEG_VERDICT_FINE);
    assert_string_equal(findings.item[0].value, "large");
    assert_int_equal(findings.item[1].verdict, SEG_VERDICT_BAD);
    assert_string_equal(findings.item[1].advice, "the disk is full");
    assert_int_equal(seg_findings_bad(&findings), 1);
    assert_int_equal(seg_error_get()->status, SEG_OK); /* a finding is no failure */
    while (findings.n < SEG_FINDINGS_MOST)
        seg_findings_add(&findings, "more", SEG_VERDICT_NOTE, "x", NULL);
    seg_findings_add(&findings, "one too many", SEG_VERDICT_BAD, "x", NULL);
    assert_int_equal(findings.n, SEG_FINDINGS_MOST);
    assert_int_equal(seg_findings_bad(&findings), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(a_second_signal_leaves_at_once),
        cmocka_unit_test(versions_are_found_and_compared),
    };
    const struct CMUnitTest together[] = {
        cmocka_unit_test(a_checkpoint_is_asked_for_by_signal_or_time),
        cmocka_unit_test(time_that_is_over_stops_unless_held),
        cmocka_unit_test(a_signal_to_one_rank_stops_all),
        cmocka_unit_test(findings_are_the_same_on_all_ranks_and_not_too_many),
    };

    int failed = cmocka_run_group_tests(alone, NULL, NULL);
    seg_stop_catch();
    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    failed += cmocka_run_group_tests(together, NULL, NULL);
    seg_comm_close(comm);
    return failed;
}
