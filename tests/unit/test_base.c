/* base/: the error record, memory, text, random numbers, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "segmpi/error.h"
#include "segmpi/json.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"
#include "segmpi/scratch.h"
#include "segmpi/text.h"

static seg_status fail_twice(void)
{
    (void)SEG_FAIL(SEG_ERR_DATA, "first '%s'", "x");
    return SEG_FAIL(SEG_ERR_IO, "second");
}

static void error_first_record_wins(void **state)
{
    (void)state;
    seg_error_clear();
    assert_int_equal(fail_twice(), SEG_ERR_DATA);
    seg_error_while("reading '%s'", "a.csv");
    assert_string_equal(seg_error_get()->text, "first 'x'");
    assert_string_equal(seg_error_get()->context, "\n  while reading 'a.csv'");
    assert_string_equal(seg_error_get()->file, "test_base.c");
    seg_error_clear();
    seg_error_while("nothing");
    assert_int_equal(seg_error_get()->status, SEG_OK);
    assert_string_equal(seg_error_get()->context, "");
}

static void after_a_failed_read_bad_data_may_be_none(void **state)
{
    (void)state;
    seg_error_doubt("Input/output error");
    assert_int_equal(SEG_FAIL(SEG_ERR_DATA, "'a.h5' is damaged"), SEG_ERR_IO);
    assert_string_equal(
        seg_error_get()->text,
        "'a.h5' is damaged; but the system has failed a read before: Input/output error");
    seg_error_clear();
    assert_int_equal(SEG_FAIL(SEG_ERR_USAGE, "no column"), SEG_ERR_USAGE);
    assert_string_equal(seg_error_get()->text, "no column");
    seg_error_clear();
    seg_error_doubt("");
    assert_int_equal(SEG_FAIL(SEG_ERR_DATA, "'a.h5' is damaged"), SEG_ERR_DATA);
    seg_error_clear();
}

static void memory_is_aligned_zeroed_and_counted(void **state)
{
    (void)state;
    int64_t before = seg_memory_now();
    double *small = NULL, *large = NULL, *none = NULL;

    assert_int_equal(seg_alloc(3, sizeof *small, &small), SEG_OK);
    assert_int_equal(seg_alloc(1 << 20, sizeof *large, &large), SEG_OK);
    assert_int_equal(seg_alloc(0, sizeof *none, &none), SEG_OK);
    assert_int_equal((uintptr_t)small % 64, 0);
    assert_int_equal((uintptr_t)large % 64, 0);
    assert_non_null(none);
    assert_true(large[0] == 0 && large[(1 << 20) - 1] == 0);
    assert_true(seg_memory_now() - before >= (8 << 20) + 24);
    seg_free(small);
    seg_free(large);
    seg_free(none);
    seg_free(NULL);
    assert_int_equal(seg_memory_now(), before);
}

static void memory_refuses_sizes_that_overflow(void **state)
{
    (void)state;
    char *p = (char *)"not NULL";

    seg_error_clear();
    assert_int_equal(seg_alloc(INT64_MAX, 8, &p), SEG_ERR_MEMORY);
    assert_null(p);
    seg_error_clear();
    assert_int_equal(seg_alloc(-1, 8, &p), SEG_ERR_MEMORY);
    seg_error_clear();
}

static void text_numbers_are_whole_texts(void **state)
{
    (void)state;
    int64_t i;
    double x;

    assert_true(seg_text_int64("-42", &i) && i == -42);
    assert_false(seg_text_int64("42x", &i));
    assert_false(seg_text_int64("", &i));
    assert_false(seg_text_int64("9223372036854775808", &i));
    assert_true(seg_text_double("1e-3", &x) && x == 1e-3);
    assert_false(seg_text_double("0.5 ", &x));
}

static void text_for_people(void **state)
{
    (void)state;
    char b[32];

    assert_string_equal(seg_text_count(8950, b, sizeof b), "8,950");
    assert_string_equal(seg_text_count(-1234567, b, sizeof b), "-1,234,567");
    assert_string_equal(seg_text_count(7, b, sizeof b), "7");
    assert_string_equal(seg_text_count(INT64_MAX, b, sizeof b), "9,223,372,036,854,775,807");
    assert_string_equal(seg_text_bytes(999, b, sizeof b), "999 B");
    assert_string_equal(seg_text_bytes(1230000000, b, sizeof b), "1.23 GB");
    assert_string_equal(seg_text_seconds(125, b, sizeof b), "2 min 5 s");
    assert_string_equal(seg_text_seconds(3660, b, sizeof b), "1 h 1 min");
    assert_string_equal(seg_text_clean("a\x1b[1m\n", b, sizeof b), "a?[1m?");
    assert_string_equal(seg_text_clean("Gr\xc3\xb6\xc3\x9f"
                                       "e \xe2\x82\xac",
                                       b, sizeof b),
                        "Gr\xc3\xb6\xc3\x9f"
                        "e \xe2\x82\xac");
    assert_string_equal(seg_text_clean("\xff\xc3\xc2\x9b"
                                       "1m\xe2\x80\xae\xed\xa0\x80",
                                       b, sizeof b),
                        "???1m????"); /* no UTF-8, C1, right to left, a surrogate */
    assert_string_equal(seg_text_clean("12\xc3\xb6", b, 4), "12"); /* not half a character */
    assert_false(seg_text_copy(b, 3, "abc"));
    assert_string_equal(b, "ab");
}

static void messages_quote_data_without_controls(void **state)
{
    (void)state;

    seg_error_clear();
    (void)SEG_FAIL(SEG_ERR_DATA, "'%s' is no number", "\x1b]0;x\x07");
    seg_error_while("reading '%s'", "a\nb");
    assert_string_equal(seg_error_get()->text, "'?]0;x?' is no number");
    assert_string_equal(seg_error_get()->context, "\n  while reading 'a?b'");
    seg_error_clear();
}

static void json_takes_bytes_that_are_no_text(void **state)
{
    (void)state;
    seg_json *json = seg_json_object();
    char *text;

    seg_json_add_text(json, "caf\xe9", "\xff");
    seg_json_add_text(json, "b", "\x1b");
    assert_int_equal(seg_json_text(json, &text), SEG_OK);
    assert_string_equal(text, "{\"caf?\":\"?\",\"b\":\"\\u001B\"}");
    seg_free(text);
    seg_json_free(json);
}

static void text_suggests_the_nearest_word_or_none(void **state)
{
    (void)state;
    const char *const words[] = { "CREDIT_LIMIT", "BALANCE", "PURCHASES" };

    assert_string_equal(seg_text_nearest("CREDIT_LIMT", 3, words), "CREDIT_LIMIT");
    assert_string_equal(seg_text_nearest("balanse", 3, words), "BALANCE");
    assert_null(seg_text_nearest("XYZ", 3, words));
}

static void random_is_philox(void **state)
{
    (void)state;
    /* Random123's known answer for counter 0 and key 0: 6627e8d5 e169c58d bc57ac4c 9b00dbd8 */
    seg_random zero_key = { .seed = 0x9E3779B97F4A7C15u * SEG_RANDOM_TEST,
                            .purpose = SEG_RANDOM_TEST };
    seg_random_pair r = seg_random_bits(zero_key, 0, 0);

    assert_true(r.a == 0xe169c58d6627e8d5u);
    assert_true(r.b == 0x9b00dbd8bc57ac4cu);
}

static void random_numbers_have_the_right_law(void **state)
{
    (void)state;
    seg_random key = { .seed = 1, .purpose = SEG_RANDOM_TEST };
    const int n = 100000;
    double sum = 0, squares = 0, normals = 0, normal_squares = 0;

    for (int i = 0; i < n; i++) {
        double u = seg_random_uniform(key, i, 0), z = seg_random_normal(key, i, 1);
        assert_true(u > 0 && u < 1);
        sum += u;
        squares += u * u;
        normals += z;
        normal_squares += z * z;
    }
    /* five standard errors */
    assert_true(fabs(sum / n - 0.5) < 5 * sqrt(1.0 / 12 / n));
    assert_true(fabs(squares / n - 1.0 / 3) < 5 * sqrt(4.0 / 45 / n));
    assert_true(fabs(normals / n) < 5 / sqrt(n));
    assert_true(fabs(normal_squares / n - 1) < 5 * sqrt(2.0 / n));
    assert_true(seg_random_unit(0) > 0 && seg_random_unit(UINT64_MAX) < 1);
}

/* Also where the number of a range times n needs more than 64 bits: the last ranges, by their
 * distance from n, to which rounding adds one at most. */
static void one_of_a_range_lies_in_it(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = { { 1, 1 }, { 3, 7 }, { 999999937, 30000000011 } };
    seg_random key = { .seed = 1, .purpose = SEG_RANDOM_TEST };

    for (int i = 0; i < 3; i++) {
        int64_t size = sizes[i][0], n = sizes[i][1];
        for (int64_t behind = 0; behind < 100 && behind < size; behind++) {
            int64_t left = n - seg_random_of_range(key, size - 1 - behind, size, n, 0);
            assert_true(left > behind * n / size && left <= (behind + 1) * n / size + 1);
        }
    }
}

static void random_keys_differ_by_seed_purpose_row_and_draw(void **state)
{
    (void)state;
    seg_random key = { .seed = 7, .purpose = SEG_RANDOM_SEEDING };
    seg_random other_seed = { .seed = 8, .purpose = SEG_RANDOM_SEEDING };
    seg_random other_purpose = { .seed = 7, .purpose = SEG_RANDOM_SWAP };
    uint64_t a = seg_random_bits(key, 5, 6).a;

    assert_true(a == seg_random_bits(key, 5, 6).a);
    assert_true(a != seg_random_bits(other_seed, 5, 6).a);
    assert_true(a != seg_random_bits(other_purpose, 5, 6).a);
    assert_true(a != seg_random_bits(key, 6, 5).a);
    assert_true(a != seg_random_bits(key, 5 + (1LL << 32), 6).a);
}

static void json_is_written_whole_and_never_over_a_file(void **state)
{
    (void)state;
    char path[60], *text = NULL;
    const double values[] = { 1.5, NAN };
    seg_json *json = seg_json_object();

    assert_true(seg_text_template(path, sizeof path, "/tmp/segmpi_test_base_"));
    (void)!mkstemp(path);
    seg_json_add_text(json, "name", "a \"b\" \xc3\xa4");
    seg_json_add_int(json, "n", INT64_MAX);
    seg_json_add_doubles(json, "values", 2, values);
    assert_int_equal(seg_json_text(json, &text), SEG_OK);
    assert_string_equal(
        text,
        "{\"name\":\"a \\\"b\\\" \xc3\xa4\",\"n\":9223372036854775807,\"values\":[1.5,null]}");
    seg_free(text);

    seg_error_clear();
    assert_int_equal(seg_json_write(json, path, false), SEG_ERR_CANTCREATE);
    seg_error_clear();
    assert_int_equal(seg_json_write(json, path, true), SEG_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(seg_json_write(json, path, false), SEG_OK);
    assert_int_equal(unlink(path), 0);
    seg_json_free(json);
}

static void json_that_cannot_be_read_is_not_bad_json(void **state)
{
    (void)state;
    seg_json *json;

    assert_int_equal(seg_json_read(".", &json), SEG_ERR_IO); /* a folder: read() fails */
    assert_non_null(strstr(seg_error_get()->text, "cannot read"));
    seg_error_clear();
}

static void ignore(int number)
{
    (void)number;
}

/* Some file systems interrupt it, as that in memory does. */
static void scratch_takes_its_room_in_spite_of_a_signal(void **state)
{
    (void)state;
    const struct itimerval once = { .it_value.tv_usec = 2000 };
    struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
    const seg_place place = { .folder = "/dev/shm" };
    seg_scratch *scratch = NULL;
    char *memory;

    (void)sigaction(SIGALRM, &action, NULL);
    (void)setitimer(ITIMER_REAL, &once, NULL);
    assert_int_equal(seg_scratch_new((int64_t)64 << 20, &place, &scratch, &memory), SEG_OK);
    seg_scratch_free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_first_record_wins),
        cmocka_unit_test(after_a_failed_read_bad_data_may_be_none),
        cmocka_unit_test(memory_is_aligned_zeroed_and_counted),
        cmocka_unit_test(memory_refuses_sizes_that_overflow),
        cmocka_unit_test(text_numbers_are_whole_texts),
        cmocka_unit_test(text_for_people),
        cmocka_unit_test(messages_quote_data_without_controls),
        cmocka_unit_test(json_takes_bytes_that_are_no_text),
        cmocka_unit_test(text_suggests_the_nearest_word_or_none),
        cmocka_unit_test(random_is_philox),
        cmocka_unit_test(random_numbers_have_the_right_law),
        cmocka_unit_test(one_of_a_range_lies_in_it),
        cmocka_unit_test(random_keys_differ_by_seed_purpose_row_and_draw),
        cmocka_unit_test(json_is_written_whole_and_never_over_a_file),
        cmocka_unit_test(json_that_cannot_be_read_is_not_bad_json),
        cmocka_unit_test(scratch_takes_its_room_in_spite_of_a_signal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
