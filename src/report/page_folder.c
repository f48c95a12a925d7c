/* The folder of a report: complete, or not there.  It is made beside its target and then takes its
 * name; an old report is moved aside first and removed last.  A folder that holds anything which
 * is not of a report is never replaced. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "page_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define PATH 4000

seg_status page_file_open(const char *path, FILE **out)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    *out = file < 0 ? NULL : fdopen(file, "w");
    if (*out) return SEG_OK;
    if (file >= 0) (void)close(file);
    return SEG_FAIL(SEG_ERR_CANTCREATE, "cannot create '%s': %s", path, strerror(errno));
}

seg_status page_file_close(FILE *file, const char *path)
{
    bool good = ferror(file) == 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;

    if (fclose(file) == 0 && good) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
}

/* ---- what a report consists of ---- */

static bool is_ours(const char *name, bool in_figures)
{
    static const char *const files[] = { "report.html", "model_card.md", "model_card.json",
                                         "profiles.csv", "figures" };
    static const char *const endings[] = { ".svg", ".png", ".pdf", ".tsv", ".gp" };
    size_t length = strlen(name);

    for (int i = 0; i < 5 && !in_figures; i++)
        if (strcmp(name, files[i]) == 0) return true;
    for (int i = 0; i < 5 && in_figures; i++)
        if (length > strlen(endings[i]) &&
            strcmp(name + length - strlen(endings[i]), endings[i]) == 0)
            return true;
    return false;
}

/* Calls `use` for each entry until it says no; the first name it says no to in `other`. */
static bool for_all(const char *folder, bool in_figures,
                    bool (*use)(const char *path, const char *name, bool in_figures), char *other,
                    size_t size)
{
    char path[2 * PATH];
    bool good = true;
    DIR *dir = opendir(folder);

    if (!dir) return errno == ENOENT || errno == ENOTDIR;
    for (struct dirent *entry; good && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        good = use(path, entry->d_name, in_figures);
        if (!good) (void)seg_text_clean(entry->d_name, other, size);
    }
    (void)closedir(dir);
    return good;
}

static bool check_entry(const char *path, const char *name, bool in_figures)
{
    struct stat what;
    bool is_folder = !in_figures && strcmp(name, "figures") == 0;

    return is_ours(name, in_figures) && lstat(path, &what) == 0 &&
           (is_folder ? S_ISDIR(what.st_mode) : S_ISREG(what.st_mode));
}

static bool remove_entry(const char *path, const char *name, bool in_figures)
{
    return !is_ours(name, in_figures) || strcmp(name, "figures") == 0 || unlink(path) == 0;
}

/* A report and nothing else. */
static seg_status check_old(const char *folder)
{
    char figures[PATH + 200], other[300] = "";

    (void)snprintf(figures, sizeof figures, "%s/figures", folder);
    if (for_all(folder, false, check_entry, other, sizeof other) &&
        for_all(figures, true, check_entry, other, sizeof other))
        return SEG_OK;
    return SEG_FAIL(SEG_ERR_CANTCREATE,
                    "'%s' is not replaced, as it holds '%s', which is not of a report", folder,
                    other);
}

static void remove_report(const char *folder)
{
    char figures[PATH + 200], other[300];

    (void)snprintf(figures, sizeof figures, "%s/figures", folder);
    (void)for_all(figures, true, remove_entry, other, sizeof other);
    (void)rmdir(figures);
    (void)for_all(folder, false, remove_entry, other, sizeof other);
    (void)rmdir(folder);
}

/* ---- writing ---- */

static seg_status write_page(const page_data *data, const char *folder, bool drawn)
{
    char path[PATH + 200];
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/report.html", folder);
    SEG_TRY(page_file_open(path, &out));
    seg_status status = page_write(data, folder, drawn, out);
    seg_status closed = page_file_close(out, path);
    return status != SEG_OK ? status : closed;
}

static seg_status write_card(const page_data *data, const char *folder)
{
    char path[PATH + 200];
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/model_card.md", folder);
    SEG_TRY(page_file_open(path, &out));
    card_markdown(data, out);
    SEG_TRY(page_file_close(out, path));
    (void)snprintf(path, sizeof path, "%s/model_card.json", folder);
    seg_json *json = card_json(data);
    seg_status status = seg_json_write(json, path, false);
    seg_json_free(json);
    return status;
}

static seg_status write_profiles(const page_data *data, const char *folder)
{
    char path[PATH + 200];
    page_sheet sheet = { 0 };
    FILE *out;

    (void)snprintf(path, sizeof path, "%s/profiles.csv", folder);
    page_profiles(data, &sheet);
    seg_status status = sheet.failed ? SEG_ERR_MEMORY : page_file_open(path, &out);
    if (status == SEG_OK) {
        sheet_print(&sheet, ',', out);
        status = page_file_close(out, path);
    }
    sheet_release(&sheet);
    return status;
}

/* The phone's pictures stand in the page, and nowhere else. */
static void remove_phone(const char *folder)
{
    static const char *const endings[] = { "svg", "gp" };
    char path[PATH + 200];

    for (int i = 0; i < figure_n_kinds; i++)
        for (int e = 0; e < 2; e++) {
            (void)snprintf(path, sizeof path, "%s/figures/%s-phone.%s", folder,
                           figure_kinds[i]->name, endings[e]);
            (void)unlink(path);
        }
}

static seg_status fill_folder(const page_data *data, const char *folder)
{
    char figures[PATH + 200];
    bool drawn = false;

    (void)snprintf(figures, sizeof figures, "%s/figures", folder);
    if (mkdir(figures, 0700) != 0)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "cannot create '%s': %s", figures, strerror(errno));
    SEG_TRY(page_draw(data, folder, &drawn));
    if (!drawn)
        seg_log_note("gnuplot is not installed: the report has tables in place of figures; on "
                     "Debian: apt-get install gnuplot-nox");
    SEG_TRY(write_page(data, folder, drawn));
    remove_phone(folder);
    SEG_TRY(write_card(data, folder));
    return write_profiles(data, folder);
}

/* `part` becomes `target`; an old report is moved to `old` before and removed afterwards. */
static seg_status put_in_place(const char *part, const char *target, const char *old, bool force)
{
    bool was_there = force && rename(target, old) == 0;

    if (rename(part, target) != 0) {
        int error = errno;
        if (was_there) (void)rename(old, target);
        return SEG_FAIL(SEG_ERR_CANTCREATE, "cannot put '%s' in place: %s", target,
                        strerror(error));
    }
    if (was_there) remove_report(old);
    return SEG_OK;
}

static seg_status check_target(const char *target, bool force)
{
    struct stat what;

    if (strlen(target) == 0 || strlen(target) > PATH - 100)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' cannot be a folder's name", target);
    if (lstat(target, &what) != 0) return SEG_OK;
    if (!S_ISDIR(what.st_mode))
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' exists and is no folder", target);
    if (!force)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' exists; --force replaces the report in it",
                        target);
    return check_old(target);
}

seg_status page_folder_write(const page_data *data, const char *folder, bool force)
{
    char target[PATH], stem[PATH + 10], part[PATH + 20], old[PATH + 30];

    (void)seg_text_copy(target, sizeof target, folder);
    for (size_t n = strlen(target); n > 1 && target[n - 1] == '/'; n--)
        target[n - 1] = '\0';
    SEG_TRY(check_target(target, force));
    (void)snprintf(stem, sizeof stem, "%s.part.", target);
    (void)seg_text_template(part, sizeof part, stem);
    mode_t mask = umask(077); /* for what gnuplot makes */
    if (!mkdtemp(part)) {
        int error = errno;
        (void)umask(mask);
        return SEG_FAIL(SEG_ERR_CANTCREATE, "cannot create a folder beside '%s': %s", target,
                        strerror(error));
    }
    seg_status status = fill_folder(data, part);
    (void)umask(mask);
    (void)snprintf(old, sizeof old, "%s.old", part);
    if (status == SEG_OK) status = put_in_place(part, target, old, force);
    if (status != SEG_OK) {
        remove_phone(part);
        remove_report(part);
    }
    return status;
}
