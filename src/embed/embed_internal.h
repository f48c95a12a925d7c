/* Inside embed/. */
#pragma once

#include "segmpi/pca.h"

/* Local.  Zeroed storage. */
seg_status seg_pca_init(seg_pca *pca, int d, int n_components);
