/* Keys and pseudonyms, by OpenSSL. */
#include "segmpi/pseudonym.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "segmpi/text.h"

#define FINGERPRINT_TEXT "segmpi key fingerprint"

static seg_status hex_of_hmac(const seg_key *key, const char *text, size_t length, int digits,
                              char *hex)
{
    static const char digit[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = sizeof hash;

    if (!HMAC(EVP_sha256(), key->bytes, key->size, (const unsigned char *)text, length, hash,
              &size))
        return SEG_FAIL(SEG_ERR_MEMORY, "OpenSSL cannot compute HMAC-SHA-256");
    for (int i = 0; i < digits; i++)
        hex[i] = digit[hash[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
    return SEG_OK;
}

seg_status seg_pseudonym(const seg_key *key, const char *id, size_t length, char *pseudonym)
{
    return hex_of_hmac(key, id, length, SEG_PSEUDONYM, pseudonym);
}

void seg_key_forget(seg_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

/* Nobody else can read it, and it is a plain file of a sensible size. */
static seg_status check_file(int file, const char *path)
{
    struct stat found;

    if (fstat(file, &found) != 0 || !S_ISREG(found.st_mode))
        return SEG_FAIL(SEG_ERR_DATA, "the key '%s' is not a file", path);
    if (found.st_mode & (S_IRWXG | S_IRWXO))
        return SEG_FAIL(SEG_ERR_PERMISSION,
                        "others than its owner may use the key '%s' (mode %03o); chmod 600 it",
                        path, (unsigned)found.st_mode & 0777u);
    if (found.st_size < SEG_KEY_LEAST || found.st_size > SEG_KEY_MOST)
        return SEG_FAIL(SEG_ERR_DATA, "the key '%s' has %lld bytes, expected %d to %d", path,
                        (long long)found.st_size, SEG_KEY_LEAST, SEG_KEY_MOST);
    return SEG_OK;
}

/* Rank 0. */
static seg_status read_file(const char *path, seg_key *key)
{
    seg_status status = SEG_OK;
    char clean[200];

    SEG_TRY(seg_fault("pseudonym_key", SEG_ERR_IO));
    (void)seg_text_clean(path, clean, sizeof clean);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is no key */
    if (file < 0)
        return SEG_FAIL(seg_status_of_errno(errno), "cannot read the key '%s': %s", clean,
                        strerror(errno));
    SEG_TRY_OR_DONE(check_file(file, clean));
    for (ssize_t n = 1; n > 0 && key->size < SEG_KEY_MOST; key->size += (int)n) {
        n = read(file, key->bytes + key->size, (size_t)(SEG_KEY_MOST - key->size));
        if (n < 0)
            SEG_TRY_OR_DONE(
                SEG_FAIL(SEG_ERR_IO, "cannot read the key '%s': %s", clean, strerror(errno)));
    }
    SEG_TRY_OR_DONE(hex_of_hmac(key, FINGERPRINT_TEXT, strlen(FINGERPRINT_TEXT),
                                SEG_KEY_FINGERPRINT - 1, key->fingerprint));
done:
    (void)close(file);
    return status;
}

seg_status seg_key_read(seg_comm *comm, const char *path, seg_key *key)
{
    memset(key, 0, sizeof *key);
    seg_status status = seg_agree(comm, seg_comm_rank(comm) == 0 ? read_file(path, key) : SEG_OK);
    if (status == SEG_OK)
        seg_bcast(comm, key, (int64_t)sizeof *key);
    else
        seg_key_forget(key);
    return status;
}
