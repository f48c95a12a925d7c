/* The folder of a report: complete, or not there.  A folder that holds anything which is not of a
 * report is never replaced. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "page_internal.h"
#include "segmpi/log.h"
#include "segmpi/part.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define PATH 4000

seg_status page_file_open(page_file *file)
{
    *file = (page_file) { .out = NULL };
    file->out = open_memstream(&file->text, &file->size);
    return file->out ? SEG_OK : SEG_FAIL(SEG_ERR_MEMORY, "out of memory for a page");
}

static seg_status write_new(const page_file *file, const char *path)
{
    int made = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);

    if (made < 0)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "cannot create '%s': %s", path, strerror(errno));
    seg_status status = seg_file_write(made, file->text, (int64_t)file->size, 0, path);
    if (close(made) != 0 && status == SEG_OK)
        status = SEG_FAIL(SEG_ERR_IO, "cannot close '%s': %s", path, strerror(errno));
    return status;
}

seg_status page_file_close(page_file *file, seg_status status, const char *path)
{
    bool good = ferror(file->out) == 0;

    good = fclose(file->out) == 0 && good;
    if (status == SEG_OK) status = seg_error_get()->status; /* of a sheet without room */
    if (status == SEG_OK && !good) status = SEG_FAIL(SEG_ERR_MEMORY, "out of memory for a page");
    if (status == SEG_OK) status = write_new(file, path);
    free(file->text);
    return status;
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

static bool cannot_look(const char *folder)
{
    (void)SEG_FAIL(seg_status_of_errno(errno), "cannot look into '%s': %s", folder,
                   strerror(errno));
    return false;
}

/* Calls `use` for each entry until it says no; the first name it says no to in `other`.  Where not
 * all of them can be seen that is "", and the reason is recorded. */
static bool for_all(const char *folder, bool in_figures,
                    bool (*use)(const char *path, const char *name, bool in_figures), char *other,
                    size_t size)
{
    char path[2 * PATH];
    bool good = true;
    DIR *dir = opendir(folder);

    *other = '\0';
    if (!dir) return errno == ENOENT || errno == ENOTDIR || cannot_look(folder);
    for (struct dirent *entry; good && (errno = 0, entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        good = use(path, entry->d_name, in_figures);
        if (!good) (void)seg_text_clean(entry->d_name, other, size);
    }
    if (good && errno != 0) good = cannot_look(folder);
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

/* A report and nothing else. */
static seg_status check_old(const char *folder)
{
    char figures[PATH + 200], other[300] = "";

    (void)snprintf(figures, sizeof figures, "%s/figures", folder);
    if (for_all(folder, false, check_entry, other, sizeof other) &&
        for_all(figures, true, check_entry, other, sizeof other))
        return SEG_OK;
    if (*other == '\0') return seg_error_get()->status;
    return SEG_FAIL(SEG_ERR_CANTCREATE,
                    "'%s' is not replaced, as it holds '%s', which is not of a report", folder,
                    other);
}

/* ---- writing ---- */

static seg_status write_page(const page_data *data, const char *folder, bool drawn)
{
    char path[PATH + 200];
    page_file file;

    (void)snprintf(path, sizeof path, "%s/report.html", folder);
    SEG_TRY(page_file_open(&file));
    return page_file_close(&file, page_write(data, folder, drawn, file.out), path);
}

static seg_status write_card(const page_data *data, const char *folder)
{
    char path[PATH + 200];
    page_file file;

    (void)snprintf(path, sizeof path, "%s/model_card.md", folder);
    SEG_TRY(page_file_open(&file));
    card_markdown(data, file.out);
    SEG_TRY(page_file_close(&file, SEG_OK, path));
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
    page_file file;

    (void)snprintf(path, sizeof path, "%s/profiles.csv", folder);
    page_profiles(data, &sheet);
    seg_status status = sheet.failed ? SEG_ERR_MEMORY : page_file_open(&file);
    if (status == SEG_OK) {
        sheet_print(&sheet, ',', file.out);
        status = page_file_close(&file, SEG_OK, path);
    }
    sheet_release(&sheet);
    return status;
}

static seg_status remove_file(const char *path)
{
    if (unlink(path) == 0 || errno == ENOENT) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO, "cannot remove '%s': %s", path, strerror(errno));
}

/* The phone's pictures stand in the page, and nowhere else. */
static seg_status remove_phone(const char *folder)
{
    static const char *const endings[] = { "svg", "gp" };
    char path[PATH + 200];

    for (int i = 0; i < figure_n_kinds; i++)
        for (int e = 0; e < 2; e++) {
            (void)snprintf(path, sizeof path, "%s/figures/%s-phone.%s", folder,
                           figure_kinds[i]->name, endings[e]);
            SEG_TRY(remove_file(path));
        }
    return SEG_OK;
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
    SEG_TRY(remove_phone(folder));
    SEG_TRY(write_card(data, folder));
    return write_profiles(data, folder);
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

/* What is not of a report is what could not be removed before. */
static bool sync_entry(const char *path, const char *name, bool in_figures)
{
    if (!is_ours(name, in_figures)) return remove_file(path) == SEG_OK;
    return (!in_figures && strcmp(name, "figures") == 0) || seg_file_sync(path) == SEG_OK;
}

/* All files, gnuplot's too, then the names of them. */
static seg_status sync_report(const seg_part *part)
{
    char figures[PATH + 200], other[300];

    (void)snprintf(figures, sizeof figures, "%s/figures", part->temp);
    if (!for_all(figures, true, sync_entry, other, sizeof other) ||
        !for_all(part->temp, false, sync_entry, other, sizeof other))
        return seg_error_get()->status;
    SEG_TRY(seg_file_sync(figures));
    return seg_part_sync(part);
}

/* The target is looked at once more, as drawing takes its time.  The folder that is replaced
 * goes with the part. */
static seg_status publish(seg_part *part)
{
    SEG_TRY(sync_report(part));
    SEG_TRY(check_target(part->path, part->force));
    return seg_part_publish(part);
}

seg_status page_folder_write(const page_data *data, const char *folder, bool force)
{
    seg_status status = SEG_OK;
    seg_part part = { .file = -1 };
    char target[PATH];

    (void)seg_text_copy(target, sizeof target, folder);
    for (size_t n = strlen(target); n > 1 && target[n - 1] == '/'; n--)
        target[n - 1] = '\0';
    SEG_TRY(check_target(target, force));
    mode_t mask = umask(077); /* for what gnuplot makes */
    SEG_TRY_OR_DONE(seg_part_init(target, force, &part));
    SEG_TRY_OR_DONE(seg_part_create(&part, true));
    SEG_TRY_OR_DONE(fill_folder(data, part.temp));
    status = publish(&part);
done:
    (void)umask(mask);
    seg_part_release(&part);
    return status;
}
