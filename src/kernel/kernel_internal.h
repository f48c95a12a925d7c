/* Inside kernel/: the tables of the levels. */
#pragma once

#include "segmpi/kernels.h"

#if defined(__x86_64__)
#define SEG_KERNEL_X86 1
#else
#define SEG_KERNEL_X86 0
#endif

extern const seg_kernels seg_kernels_ref;
#if SEG_KERNEL_X86
extern const seg_kernels seg_kernels_v3;
extern const seg_kernels seg_kernels_v4;
#endif

/* kernel_bins.c */
void seg_kernel_bins_ref(int64_t n, int stride, const double *x, const double *edge, int64_t *bin);
void seg_kernel_bins_v3(int64_t n, int stride, const double *x, const double *edge, int64_t *bin);
void seg_kernel_bins_v4(int64_t n, int stride, const double *x, const double *edge, int64_t *bin);
void seg_kernel_locate_ref(int64_t n, int stride, const double *x, const seg_intervals *intervals,
                           int64_t *key, int64_t *place);
void seg_kernel_locate_v3(int64_t n, int stride, const double *x, const seg_intervals *intervals,
                          int64_t *key, int64_t *place);
void seg_kernel_locate_v4(int64_t n, int stride, const double *x, const seg_intervals *intervals,
                          int64_t *key, int64_t *place);
