/* Pseudonyms of client ids: HMAC-SHA-256 with a secret key, so that whoever has the key finds the
 * same pseudonym for the same id, and nobody else can go back or try ids out. */
#pragma once

#include <stddef.h>

#include "segmpi/comm.h"

#define SEG_PSEUDONYM       32 /* hex digits: the first half of the HMAC */
#define SEG_KEY_LEAST       16 /* bytes */
#define SEG_KEY_MOST        4096
#define SEG_KEY_FINGERPRINT 17 /* 16 hex digits and a NUL: the HMAC of a fixed text */

/* Of ids/client_id where it holds pseudonyms: the fingerprint of their key. */
#define SEG_PSEUDONYM_ATTRIBUTE "pseudonym_key"

typedef struct seg_key {
    int size;
    unsigned char bytes[SEG_KEY_MOST];
    char fingerprint[SEG_KEY_FINGERPRINT];
} seg_key;

/* Collective.  All bytes of a file, read by rank 0.  SEG_ERR_PERMISSION if others than its owner
 * can read it, SEG_ERR_DATA if it is too short. */
seg_status seg_key_read(seg_comm *comm, const char *path, seg_key *key);
/* Local.  Overwrites the key. */
void seg_key_forget(seg_key *key);
/* Local.  The pseudonym of an id as text: SEG_PSEUDONYM lower-case hex digits, filled, no NUL. */
seg_status seg_pseudonym(const seg_key *key, const char *id, size_t length, char *pseudonym);
