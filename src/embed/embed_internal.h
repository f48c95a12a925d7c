/* Inside embed/. */
#pragma once

#include "segmpi/embedding.h"
#include "segmpi/pca.h"

/* Local.  Zeroed storage. */
seg_status seg_pca_init(seg_pca *pca, int d, int n_components);

/* Local.  Zeroed storage of the columns d_out. */
seg_status seg_embedding_init(seg_embedding *e, int d_in, int d_out);
