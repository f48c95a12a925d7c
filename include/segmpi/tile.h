/* The shapes that all numerics share.  Local. */
#pragma once

#define SEG_LANES       16   /* clients per tile */
#define SEG_BLOCK_ROWS  1024 /* rows per block */
#define SEG_BLOCK_TILES (SEG_BLOCK_ROWS / SEG_LANES)
