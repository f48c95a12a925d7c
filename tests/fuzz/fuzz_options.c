/* Fuzz target of the command line: words and an option file for a command.
 *
 * Input: one byte that names a command, words with line ends between them, and behind a 0x1c byte
 * the option file. */
#include "../../src/cli/cli_internal.h"
#include "fuzz_common.h"
#include "segmpi/memory.h"

#define SIZE_MOST  4096
#define WORDS_MOST 64

/* Cuts the text into words; their number. */
static int cut_words(char *text, char *words[WORDS_MOST])
{
    int n = 0;

    for (char *end; n < WORDS_MOST && *text; text = end) {
        end = strchrnul(text, '\n');
        words[n++] = text;
        if (*end) *end++ = '\0';
    }
    return n;
}

static void parse(const cli_command *command, int n, char **words)
{
    cli_session session = { .command = command };
    char *record = NULL;
    seg_status status = cli_parse(command, n, words, &session);

    if (status == SEG_OK && !session.shared->help) status = cli_options_record(command, &record);
    if (status == SEG_OK && session.shared->help) return;
    if (status == SEG_OK && (!record || record[0] != '{')) fuzz_failed("no record", record);
    seg_free(record);
    fuzz_expect_refusal(status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[SIZE_MOST + 1]; /* options of a refused input may stay set to its words */
    char option[300], *words[WORDS_MOST + 3];
    const cli_command *command;

    if (size < 1 || size > SIZE_MOST) return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    char *file = memchr(text, 0x1c, size - 1);
    const char *path = fuzz_file(file ? file + 1 : "", file ? (size_t)(text + size - 2 - file) : 0);
    if (file) *file = '\0';

    seg_error_clear();
    words[0] = (char *)cli_commands[data[0] % cli_n_commands]->name;
    int n = 1 + cut_words(text, words + 1);
    if (file) {
        (void)snprintf(option, sizeof option, "--config=%s", path);
        words[n++] = option;
    }
    words[n] = NULL;
    seg_log_init(words[0], SEG_QUIET);
    if (cli_command_find(words[0], &command) == SEG_OK) parse(command, n, words);
    fuzz_file_remove(path);
    return 0;
}
