/* The shapes that all numerics share.  Local. */
#pragma once

enum {
    SEG_LANES = 16,        /* clients per tile */
    SEG_BLOCK_ROWS = 1024, /* rows per block */
    SEG_BLOCK_TILES = SEG_BLOCK_ROWS / SEG_LANES
};
