/* Flipped bits and cut files: refused, or nothing that can be read has changed.  Without MPI; each
 * batch of damages is tried in a child, because the HDF5 library itself may crash on them.
 *
 *   test_store_damage [STRIDE]          a file of its own, every STRIDE-th byte (1: every bit)
 *   test_store_damage COUNT FILE...     COUNT drawn damages of each file, every tenth of several
 *                                       bytes, and COUNT cuts, at every byte if COUNT allows */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store_fixture.h"

enum { ROWS = 40, MOST = 1 << 20 };

static char folder[64], path[80], format[32] = "model";
static unsigned char original[MOST];
static int64_t size;
static int64_t stride = 11; /* of the flipped bytes */

/* ---- all that can be read, as one hash ---- */

static void hash_text(uint64_t *hash, const char *text)
{
    *hash = seg_hash(text, strlen(text) + 1, *hash);
}

static void hash_attributes(seg_input *in, const char *object, uint64_t *hash)
{
    char **names = NULL, text[500];
    int n = 0;

    if (seg_input_attr_list(in, object, &n, &names) != SEG_OK) hash_text(hash, "?");
    for (int i = 0; i < n; i++) {
        double value = 0;
        hash_text(hash, names[i]);
        if (seg_input_attr_text(in, object, names[i], text, sizeof text) == SEG_OK)
            hash_text(hash, text);
        else if (seg_error_clear(), seg_input_attr_double(in, object, names[i], &value) == SEG_OK)
            *hash = seg_hash(&value, sizeof value, *hash);
        seg_error_clear();
    }
    seg_free(names);
}

static void hash_dataset(seg_input *in, const char *object, uint64_t *hash)
{
    char **texts = NULL, *data = NULL;
    seg_shape shape = { 0 };
    int n = 0;

    if (seg_input_shape(in, object, &shape) != SEG_OK) hash_text(hash, "?");
    *hash = seg_hash(&shape, sizeof shape, *hash);
    if (shape.type == SEG_TEXT) {
        if (seg_input_names(in, object, &n, &texts) != SEG_OK) hash_text(hash, "?");
        for (int i = 0; i < n; i++)
            hash_text(hash, texts[i]);
        seg_free(texts);
    } else {
        int64_t rows = shape.rank > 0 ? shape.dim[0] : 1, values = rows;
        for (int i = 1; i < shape.rank; i++)
            values *= shape.dim[i];
        const size_t bytes = (size_t)(values * seg_type_size(shape.type, 0));
        if (seg_alloc(values + 1, 8, &data) != SEG_OK ||
            seg_input_read(in, object, shape.type, 0, rows, data) != SEG_OK)
            hash_text(hash, "?");
        if (data) *hash = seg_hash(data, bytes, *hash);
        seg_free(data);
    }
    seg_error_clear();
    if (seg_input_column_names(in, object, &n, &texts) == SEG_OK)
        for (int i = 0; i < n; i++)
            hash_text(hash, texts[i]);
    seg_free(texts);
    seg_error_clear();
}

static void hash_group(seg_input *in, const char *group, uint64_t *hash)
{
    char **names = NULL, member[500];
    int n = 0;

    hash_attributes(in, group, hash);
    if (seg_input_list(in, group, &n, &names) != SEG_OK) hash_text(hash, "?");
    for (int i = 0; i < n; i++) {
        (void)snprintf(member, sizeof member, "%s%s%s", group, *group ? "/" : "", names[i]);
        hash_text(hash, member);
        if (seg_input_is_group(in, member))
            hash_group(in, member, hash);
        else {
            hash_attributes(in, member, hash);
            hash_dataset(in, member, hash);
        }
    }
    seg_free(names);
}

/* The status of opening and checking; *hash is of what can be read if it is SEG_OK. */
static seg_status try_file(uint64_t *hash)
{
    seg_input *in = NULL;

    *hash = 0;
    seg_status status = seg_input_open(path, &in);
    if (status == SEG_OK) status = seg_input_expect(in, format);
    if (status == SEG_OK) status = seg_input_check(in, NULL);
    seg_error_clear();
    if (status == SEG_OK) hash_group(in, "", hash);
    seg_input_close(in);
    return status;
}

/* ---- damages, in children ---- */

typedef struct tally {
    int64_t at, refused, unchanged, crashed, wrong;
} tally;

/* Shared with the children. */
static tally *count;

static void judge(seg_status status, uint64_t hash, uint64_t expected)
{
    if (status == SEG_OK && hash == expected)
        count->unchanged++;
    else if (status == SEG_ERR_DATA)
        count->refused++;
    else {
        count->wrong++;
        print_error("byte %lld: status %d, content %s\n", (long long)count->at, status,
                    hash == expected ? "equal" : "different");
    }
}

static void write_file(const void *bytes, int64_t n)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (file < 0 || write(file, bytes, (size_t)n) != n) abort();
    (void)close(file);
}

/* Runs `damage` for values of `at` in [begin, end) in a child; true if it came to the end. */
static bool in_child(void (*damage)(int64_t at, uint64_t expected), int64_t begin, int64_t end,
                     uint64_t expected)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        for (int s = 0; s < 4; s++) /* cmocka would go on with the next test */
            (void)signal((int[]) { SIGSEGV, SIGBUS, SIGFPE, SIGABRT }[s], SIG_DFL);
        for (count->at = begin; count->at < end; count->at += stride)
            damage(count->at, expected);
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* The same, with a new child behind every crash. */
static void in_children(void (*damage)(int64_t at, uint64_t expected), int64_t end,
                        uint64_t expected)
{
    *count = (tally) { 0 };
    for (int64_t begin = 0; !in_child(damage, begin, end, expected); begin = count->at + stride) {
        write_file(original, size);
        count->crashed++;
    }
    print_message("%lld damages refused, %lld without effect, %lld crashed the HDF5 library\n",
                  (long long)count->refused, (long long)count->unchanged,
                  (long long)count->crashed);
}

static void patch(int64_t at, unsigned char value)
{
    int file = open(path, O_WRONLY);

    if (file < 0 || pwrite(file, &value, 1, at) != 1) abort();
    (void)close(file);
}

static void flip(int64_t at, uint64_t expected)
{
    uint64_t hash;

    for (int bit = stride > 1 ? (int)(at / stride % 8) : 0; bit<8; bit += stride> 1 ? 8 : 1) {
        patch(at, (unsigned char)(original[at] ^ 1U << bit));
        seg_status status = try_file(&hash);
        judge(status, hash, expected);
    }
    patch(at, original[at]);
}

static void cut(int64_t at, uint64_t expected)
{
    uint64_t hash;

    write_file(original, at);
    seg_status status = try_file(&hash);
    judge(status, hash, expected);
}

static void store_refuses_flipped_bits_or_reads_what_was_written(void **state)
{
    (void)state;
    uint64_t expected;

    write_file(original, size);
    assert_int_equal(try_file(&expected), SEG_OK);
    in_children(flip, size, expected);
    assert_int_equal(count->wrong, 0);
    assert_true(count->refused * stride > size / 2);
}

static void store_refuses_a_file_that_was_cut(void **state)
{
    (void)state;
    uint64_t expected;

    write_file(original, size);
    assert_int_equal(try_file(&expected), SEG_OK);
    in_children(cut, size, expected);
    assert_int_equal(count->wrong, 0);
    assert_int_equal(count->crashed, 0);
    assert_true(count->unchanged * stride < 250); /* cut inside the seal: the rest is whole */
}

/* ---- drawn damages of given files ---- */

/* Number `at`: one bit, or 2 to 16 bytes that follow each other. */
static void damage_drawn(int64_t at, uint64_t expected)
{
    const uint64_t draw = seg_hash(&at, sizeof at, 1), more = seg_hash(&at, sizeof at, 2);
    const int64_t first = (int64_t)(draw % (uint64_t)size);
    const bool several = at % 10 == 9;
    const int64_t end = several ? first + 2 + (int64_t)(more % 15) : first + 1;
    uint64_t hash;

    for (int64_t i = first; i < end && i < size; i++) {
        const uint64_t bits = several ? seg_hash(&i, sizeof i, more) & 0xff : 1U << more % 8;
        patch(i, (unsigned char)(original[i] ^ bits));
    }
    seg_status status = try_file(&hash);
    judge(status, hash, expected);
    for (int64_t i = first; i < end && i < size; i++)
        patch(i, original[i]);
}

static bool load(const char *from)
{
    int file = open(from, O_RDONLY);
    seg_input *in = NULL;

    size = file < 0 ? 0 : read(file, original, MOST);
    if (file >= 0) (void)close(file);
    write_file(original, size);
    if (size == 0 || seg_input_open(path, &in) != SEG_OK) return false;
    (void)seg_text_copy(format, sizeof format, seg_input_format(in));
    seg_input_close(in);
    return true;
}

/* The number of damages that were neither refused nor without effect. */
static int64_t damage_files(int64_t n, int n_files, char **files)
{
    int64_t wrong = 0;
    uint64_t expected;

    for (int i = 0; i < n_files; i++) {
        if (!load(files[i]) || try_file(&expected) != SEG_OK) return 1;
        print_message("%s\n", seg_text_base_name(files[i]));
        stride = 1;
        in_children(damage_drawn, n, expected);
        wrong += count->wrong;
        write_file(original, size);
        stride = size / n + 1;
        in_children(cut, size, expected);
        wrong += count->wrong + count->crashed;
    }
    return wrong;
}

/* The file comes from a child with MPI, so that this process has none. */
static bool make_file(int argc, char **argv)
{
    int status = 1;
    pid_t child = fork();
    seg_comm *comm;

    if (child == 0) {
        seg_store_init();
        if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) _exit(1);
        seg_status made = store_write(comm, path, ROWS, true);
        seg_comm_close(comm);
        _exit((int)made);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_refuses_flipped_bits_or_reads_what_was_written),
        cmocka_unit_test(store_refuses_a_file_that_was_cut),
    };

    if (argc > 1) stride = strtol(argv[1], NULL, 10); /* 1: every bit of every byte */
    bool memory = access("/dev/shm", W_OK) == 0;
    (void)seg_text_template(folder, sizeof folder,
                            memory ? "/dev/shm/segmpi_store_" : "/tmp/segmpi_store_");
    if (!mkdtemp(folder)) return 1;
    (void)snprintf(path, sizeof path, "%s/out.h5", folder);
    count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (count == MAP_FAILED) return 1;
    if (argc > 2) {
        int64_t wrong = damage_files(stride, argc - 2, argv + 2);
        (void)store_count_files(folder, true);
        return wrong != 0;
    }
    if (!make_file(argc, argv)) return 1;
    int file = open(path, O_RDONLY);
    size = file < 0 ? 0 : read(file, original, MOST);
    (void)close(file);

    int failed = size > 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    (void)store_count_files(folder, true);
    return failed;
}
